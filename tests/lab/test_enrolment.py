# SPDX-License-Identifier: MIT
"""invite and join between two running daemons, and what remains of it."""

import time

import pytest

from machine import wait_for

LIFETIME_MS = 3000


@pytest.fixture
def homes(lab, a, b):
    """Two daemons that do not know each other; a's invites are good for three seconds."""
    inviter, joiner = lab.daemon(a), lab.daemon(b)
    inviter.test["token_lifetime_ms"] = LIFETIME_MS
    return inviter.start(), joiner.start()


def invite(inviter, joiner, home):
    return inviter.command("invite", joiner.name, "--endpoint", f"{home.wan_ip}:7788").stdout


def test_invite_join_and_both_restart(homes, a):
    inviter, joiner = homes
    joiner.command("join", input=invite(inviter, joiner, a))
    inviter.wait_up(joiner.name)
    joiner.wait_up(inviter.name)
    wait_for(lambda: not (inviter.folder / "state/invites" / joiner.name).exists(), 5,
             "the token to be forgotten at the inviter")
    assert not (joiner.folder / "state/joining" / inviter.name).exists()
    psk = (inviter.folder / f"peers.d/{joiner.name}.psk").read_text()
    assert psk == (joiner.folder / f"peers.d/{inviter.name}.psk").read_text()
    assert psk != "A" * 43 + "=\n"
    for daemon in homes:
        daemon.stop()
    for daemon in homes:
        daemon.restart()
    inviter.wait_up(joiner.name)


def test_the_peer_stays_when_the_invite_would_have_expired(homes, a):
    inviter, joiner = homes
    joiner.command("join", input=invite(inviter, joiner, a))
    inviter.wait_up(joiner.name)
    for _ in range(LIFETIME_MS // 500 + 6):
        time.sleep(0.5)
        assert inviter.is_up(joiner.name), inviter.log()


def test_a_late_token_is_refused(homes, a):
    inviter, joiner = homes
    token = invite(inviter, joiner, a)
    wait_for(lambda: not (inviter.folder / "state/invites" / joiner.name).exists(), 10,
             "the invite to go")
    joiner.command("join", input=token)
    time.sleep(3)
    assert not joiner.is_up(inviter.name)
    assert not (inviter.folder / "peers.d").exists()
    # A new token takes the place of the one that came too late.
    joiner.command("join", input=invite(inviter, joiner, a))
    joiner.wait_up(inviter.name)


def test_join_before_the_daemon_runs(homes, a):
    inviter, joiner = homes
    joiner.stop()
    joined = joiner.command("join", input=invite(inviter, joiner, a))
    assert "lansplice run" in joined.stdout
    joiner.restart()
    joiner.wait_up(inviter.name)
