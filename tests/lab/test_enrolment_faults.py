# SPDX-License-Identifier: MIT
"""Enrolment when something is wrong: tokens, lines, rivals and power cuts."""
import base64
import hashlib
import re
import shutil
import time

import pytest

from lansplice import Lansplice
from machine import wait_for

HEADER = re.compile(r"lansplice1:(\S+)")


def invite(inviter, name, home):
    return inviter.command("invite", name, "--endpoint", home.endpoint()).stdout


def token_bytes(token):
    text = HEADER.search(token)[1]
    return bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def with_another_psk(token):
    """The token as a forger who has seen all of it but the PSK would write it (token.h)."""
    body = token_bytes(token)[:-4]
    body[3 + 32 + 16] ^= 1  # after version and length, public key and id
    checksum = hashlib.blake2b(bytes(body)).digest()[:4]
    text = base64.urlsafe_b64encode(bytes(body) + checksum).decode().rstrip("=")
    return f"lansplice1:{text}\n"


def is_enrolled(inviter, name):
    return (inviter.folder / "peers.d" / f"{name}.conf").exists()


@pytest.fixture
def inviter(lab, a):
    return lab.daemon(a).start()


@pytest.fixture
def joiner(lab, b):
    return lab.daemon(b).start()


def test_an_enrolled_home_is_no_stranger(lab, a, b, inviter, joiner):
    """Frames cross after join; after SIGHUP and after a restart of each they still do."""
    near, far = a.host("h1"), b.host("h1")
    joiner.command("join", "-", input=invite(inviter, "b", a))
    wait_for(lambda: near.ping(far.ip), 10, "a ping after join")
    for daemon in (inviter, joiner):
        daemon.reload()
    assert near.ping(far.ip, count=5)
    for daemon in (inviter, joiner):
        daemon.stop()
        daemon.restart()
        wait_for(lambda: near.ping(far.ip), 5, "a ping after a restart")


def test_the_first_response_is_lost(lab, a, b, inviter, joiner):
    """The joiner asks again with the same key and the same token, and is let in."""
    a.rule("iifname home udp length gt 60 drop")
    joiner.command("join", "-", input=invite(inviter, "b", a))
    time.sleep(2)
    assert not joiner.is_up("a")
    a.clear_rules()
    joiner.wait_up("a", seconds=12)
    inviter.wait_up("b")
    wait_for(lambda: not (inviter.folder / "state/invites/b").exists(), 5, "the token's end")


def test_a_used_token_is_worth_nothing(lab, a, b, c, inviter, joiner):
    token = invite(inviter, "b", a)
    joiner.command("join", "-", input=token)
    joiner.wait_up("a")
    wait_for(lambda: not (inviter.folder / "state/invites/b").exists(), 5, "the token's end")
    key = (inviter.folder / "peers.d/b.conf").read_text()
    thief = lab.daemon(c).start()
    thief.command("join", "-", input=token)
    time.sleep(3)  # three attempts: nothing is to happen
    assert not thief.is_up()
    assert (inviter.folder / "peers.d/b.conf").read_text() == key
    assert inviter.is_up("b")


def test_two_race_for_one_token(lab, a, b, c, inviter, joiner):
    """One of them is let in, the other is not, and the inviter has one peer."""
    rival = lab.daemon(c).start()
    token = invite(inviter, "b", a)
    a.rule("udp dport 7788 drop")
    joiner.command("join", "-", input=token)
    rival.command("join", "-", input=token)
    a.clear_rules()
    wait_for(lambda: joiner.is_up("a") or rival.is_up("a"), 12, "one to be let in")
    time.sleep(3)
    assert [joiner.is_up("a"), rival.is_up("a")].count(True) == 1
    assert len(inviter.status()["peers"]) == 1
    assert len(list((inviter.folder / "peers.d").glob("*.conf"))) == 1


def test_right_key_wrong_token(lab, a, b, inviter, joiner):
    """The live token with another secret in it: it names us and is answered, and nobody gets in."""
    good = invite(inviter, "b", a)
    joiner.command("join", "-", input=with_another_psk(good))
    wait_for(lambda: joiner.counter("auth_failed") >= 2, 10, "two answers under another PSK")
    assert not joiner.is_up()
    assert not is_enrolled(inviter, "b") and not inviter.is_up("b")
    assert (inviter.folder / "state/invites/b").exists()
    assert inviter.counter("handshakes") == 0
    assert inviter.counter("handshakes_refused") == 0  # the id was right
    joiner.command("join", "-", input=good)
    joiner.wait_up("a")
    inviter.wait_up("b")
    assert is_enrolled(inviter, "b")


def test_the_right_token_replaces_a_wrong_one(lab, a, b, inviter, joiner):
    """Same key, same id, the PSK put right: a running joiner takes it and is let in."""
    good = invite(inviter, "b", a)
    joiner.command("join", "-", input=with_another_psk(good))
    wait_for(lambda: joiner.counter("auth_failed") >= 1, 10, "an answer under another PSK")
    joiner.command("join", "-", input=good)
    joiner.wait_up("a")


@pytest.mark.parametrize("after_ms", [0, 5, 20, 60, 150])
@pytest.mark.parametrize("which", ["inviter", "joiner"])
def test_kill_during_enrolment(lab, a, b, inviter, joiner, which, after_ms):
    """Wherever the power goes: after the restart the same token, or the peer it made, works."""
    near, far = a.host("h1"), b.host("h1")
    joiner.command("join", "-", input=invite(inviter, "b", a))
    time.sleep(after_ms / 1000)
    victim = {"inviter": inviter, "joiner": joiner}[which]
    victim.kill()
    victim.restart()
    inviter.wait_up("b", seconds=15)
    wait_for(lambda: near.ping(far.ip), 5, "a ping")
    for daemon in (inviter, joiner):
        daemon.stop()
        daemon.restart()
    inviter.wait_up("b")


def test_a_stranger_learns_nothing(lab, a, b, inviter):
    """Who knows the key and has no token is never answered with anything about the LAN."""
    stranger = Lansplice(b.router, "b", lab.folder)
    lab.daemons.append(stranger)
    stranger.add_peer(inviter, a.endpoint())
    seen = lab.capture(b.router, "wan", "udp port 7788")
    stranger.start()
    wait_for(lambda: seen.count() >= 3, 10, "attempts")
    time.sleep(0.5)
    mac = b.isp.mac("home")
    answers = [f for f in seen.stop().frames(lambda f: f.src == mac) if len(f) > 42 + 64]
    assert not answers
    assert not stranger.is_up()
    assert not inviter.status()["peers"]


def test_a_copied_folder_is_the_same_home(lab, a, b, c, inviter, joiner):
    """A router replaced by another one with the old one's folder: it is b, wherever it stands."""
    joiner.command("join", "-", input=invite(inviter, "b", a))
    joiner.wait_up("a")
    joiner.stop()
    successor = Lansplice(c.router, "c", lab.folder)
    lab.daemons.append(successor)
    shutil.rmtree(successor.folder)
    shutil.copytree(joiner.folder, successor.folder)
    text = (successor.folder / "lansplice.conf").read_text()
    successor.path.write_text(text.replace(str(joiner.folder), str(successor.folder)))
    successor.restart()
    successor.wait_up("a")
    assert inviter.peer("b")["endpoint"] in (c.endpoint(), c.endpoint(family=6))
