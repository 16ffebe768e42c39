# SPDX-License-Identifier: MIT
"""The second paste: join prints a reply line, accept at the inviter takes it."""

import re
import time

import pytest

from commands import one_line, run, with_daemon
from coturn import Coturn
from machine import wait_for
from nats import place

SECONDS = 5  # from the second paste on
OK = b'{"ok":true}\n'
REPLY = re.compile(r"^lansplice-reply1:\S+$", re.M)
FINGERPRINT = re.compile(r"\b\d{5} \d{5} \d{5} \d{5}\b")
AT_HOME = ["[2001:db8::1]:7788 host", "203.0.113.5:7788 reflexive"]
AT_PARENTS = ["192.0.2.9:40000 mapped", "203.0.113.7 port-set 4 8 52", "[2001:db8::2]:7788 host"]


# --- the commands, with daemons that only say where they are --------------------------------------

def status(*candidates):
    return {"nat": {"candidates": list(candidates)}}


def invite(home, *candidates):
    return with_daemon(home, OK, "invite", "parents", status=status(*candidates)).stdout


def join(parents, token, *candidates):
    return with_daemon(parents, OK, "join", stdin=token, status=status(*candidates)).stdout


def reply_of(joined):
    return REPLY.search(joined)[0]


def kept(conf, name):
    return (conf.parent / "state/candidates" / name).read_text().splitlines()


@pytest.fixture
def reply(home, parents):
    return reply_of(join(parents, invite(home, *AT_HOME), *AT_PARENTS))


def test_each_learns_where_the_other_is(home, parents):
    joined = join(parents, invite(home, *AT_HOME), *AT_PARENTS)
    assert sorted(kept(parents, "home")) == sorted(AT_HOME)
    for _ in range(2):  # it may be repeated
        accepted = with_daemon(home, OK, "accept", stdin=reply_of(joined))
        assert accepted.returncode == 0 and accepted.stderr == ""
        assert "parents calls itself parents" in accepted.stdout
        assert sorted(kept(home, "parents")) == sorted(AT_PARENTS)
        called = re.findall("^  (.*)", accepted.stdout, re.M)
        assert sorted(called) == sorted(candidate.split()[0] for candidate in AT_PARENTS)
        assert FINGERPRINT.search(accepted.stdout)[0] in FINGERPRINT.findall(joined)[1:]


def test_a_later_reply_replaces(home, parents):
    token = invite(home, *AT_HOME)
    for last in 1, 2:
        line = reply_of(join(parents, token, f"192.0.2.{last}:7788 reflexive"))
        with_daemon(home, OK, "accept", "-", stdin=line)
        assert kept(home, "parents") == [f"192.0.2.{last}:7788 reflexive"]


def test_the_reply_may_come_broken_and_in_a_file(home, reply, tmp_path):
    path = tmp_path / "reply.txt"
    path.write_text("\ufeff" + "\r\n > ".join(re.findall(".{1,60}", reply)).replace("> ", ""))
    assert with_daemon(home, OK, "accept", path).returncode == 0


@pytest.mark.parametrize("what", ["all of join", "with what the shell printed", "with empty lines"])
def test_more_than_the_line_is_pasted(home, parents, what):
    """And of what invite printed, at join."""
    token = invite(home, *AT_HOME)
    invited = f"$ lansplice invite parents\n{token}fingerprint: 12345\nNext: on the other\n"
    joined = with_daemon(parents, OK, "join", stdin=invited, status=status(*AT_PARENTS))
    assert joined.returncode == 0, joined.stderr
    text = {"all of join": joined.stdout,
            "with what the shell printed": f"pi@home:~ $ x\r\n{joined.stdout}pi@home:~ $ \n",
            "with empty lines": joined.stdout.replace("\n", "\r\n\r\n")}[what]
    assert with_daemon(home, OK, "accept", stdin=text).returncode == 0
    assert sorted(kept(home, "parents")) == sorted(AT_PARENTS)


def test_without_a_daemon_it_waits_on_disk(home, reply):
    done = run("accept", "-c", home, stdin=reply)
    assert done.returncode == 0
    # with_daemon() has left the path of a socket that is no more
    assert "lansplice run" in done.stdout
    assert sorted(kept(home, "parents")) == sorted(AT_PARENTS)


def test_private_addresses_only_when_there_is_nothing_else(home, parents):
    private = ["192.168.1.1:7788 host", "10.0.0.1:7788 mapped", "100.64.3.4:7788 reflexive",
               "[fd00::1]:7788 host"]
    join(parents, invite(home, *private, *AT_HOME))
    assert sorted(kept(parents, "home")) == sorted(AT_HOME)
    invited = with_daemon(home, OK, "invite", "parents", status=status(*private))
    assert "only private addresses" in invited.stderr and "stun" in invited.stderr
    join(parents, invited.stdout)
    assert sorted(kept(parents, "home")) == sorted(private)


PRIVATE = ["192.168.1.1:7788 host"]
BEHIND_NAT = ["203.0.113.5:7788 reflexive"]
CALLABLE = ["203.0.113.5:7788 mapped"]
ONLY_PRIVATE = re.compile(r"(this home|\w+) knows only private addresses")


@pytest.mark.parametrize("at_home,at_parents,whose", [
    (PRIVATE, PRIVATE, {"here", "there"}), (PRIVATE, BEHIND_NAT, {"there"}),
    (BEHIND_NAT, PRIVATE, {"here"}), (CALLABLE, PRIVATE, set()), (PRIVATE, CALLABLE, set()),
    (BEHIND_NAT, BEHIND_NAT, set()), (AT_HOME, AT_PARENTS, set()), (PRIVATE, [], set())])
def test_two_pastes_that_cannot_work_are_told_of(home, parents, at_home, at_parents, whose):
    """At both ends: who pastes the second time must not wait for nothing."""
    def told(text):
        return ["here" if name == "this home" else "there" for name in ONLY_PRIVATE.findall(text)]

    joined = join(parents, invite(home, *at_home), *at_parents)
    assert told(joined) == sorted(whose) and joined.count("STUN server") == len(whose)
    if not at_parents:
        return
    accepted = with_daemon(home, OK, "accept", stdin=reply_of(joined), status=status(*at_home))
    assert set(told(accepted.stdout)) == {{"here": "there", "there": "here"}[w] for w in whose}


def test_an_endpoint_is_enough(home, parents):
    token = with_daemon(home, OK, "invite", "parents", "--endpoint", "home.example.net:7788",
                        status=status(*PRIVATE)).stdout
    assert not ONLY_PRIVATE.search(join(parents, token, *PRIVATE))


def test_what_makes_no_sense_is_left_out(home, parents):
    join(parents, invite(home, "nonsense", "192.0.2.1:7788", "192.0.2.1:0 host", "a:1 host",
                         "192.0.2.1:7788 through-peer", "192.0.2.1 port-set 9 9 1", AT_HOME[0]))
    assert kept(parents, "home") == AT_HOME[:1]


def test_no_address_no_reply(home, parents):
    joined = join(parents, invite(home))
    assert "lansplice-reply" not in joined
    assert not (parents.parent / "state/candidates/home").exists()
    assert "does not say where to call" in joined


def test_a_given_endpoint_and_candidates(home, parents):
    """What a person gave lasts: it stands in the peer's file. The rest does not."""
    token = with_daemon(home, OK, "invite", "parents", "--endpoint", "home.example.net:7788",
                        status=status(*AT_HOME)).stdout
    join(parents, token)
    written = (parents.parent / "peers.d/home.conf").read_text()
    assert re.findall("endpoint = (.*)", written) == ["home.example.net:7788"]
    assert sorted(kept(parents, "home")) == sorted(AT_HOME)


def refused(conf, line):
    return one_line(run("accept", "-c", conf, stdin=line), 1)


def test_pasted_at_the_wrong_place(home, parents, reply):
    token = run("invite", "cousins", "-c", home).stdout
    assert "'lansplice join' at the home that is invited" in refused(home, token)
    assert "'lansplice accept' at the home that made the token" in one_line(
        run("join", "-c", parents, stdin=reply), 1)
    assert "another home" in refused(parents, reply)
    for command in "accept", "join":
        assert "no argument" in one_line(run(command, reply, "-c", home), 2)


def test_damaged(home, reply):
    other = "y" if reply[40] == "x" else "x"
    for line, words in ((reply[:-1], "cut short"), (reply[:40] + other + reply[41:], "damaged"),
                        (reply + "A", "damaged"), ("", "not a reply"), ("hello", "not a reply"),
                        (reply.replace("reply1", "reply2"), "another version")):
        assert words in refused(home, line)
    assert not (home.parent / "state/candidates").exists()


def test_not_open_any_more(home, parents, reply):
    with_daemon(home, OK, "invite", "parents", "--cancel")
    assert "not open any more" in refused(home, reply)
    run("invite", "parents", "-c", home)  # another token
    assert "not open any more" in refused(home, reply)


def test_expired(home, reply):
    path = home.parent / "state/invites/parents"
    path.write_text(re.sub("until-ms .*", "until-ms 1000", path.read_text()))
    assert "expired" in refused(home, reply)


def test_another_key_has_the_token(home, reply):
    path = home.parent / "state/invites/parents"
    text = path.read_text()
    path.write_text(text.replace("key -", "key " + "77" * 32))
    assert "another home" in refused(home, reply)
    path.write_text(text)
    assert run("accept", "-c", home, stdin=reply).returncode == 0


def test_a_daemon_that_refuses(home, reply):
    done = with_daemon(home, b'{"ok":false,"error":"because"}\n', "accept", stdin=reply)
    assert done.returncode == 1 and "because" in done.stderr


@pytest.mark.parametrize("end", ["cancel", "again"])
def test_candidates_go_with_the_invite(home, reply, end):
    run("accept", "-c", home, stdin=reply)
    assert kept(home, "parents")
    run("invite", "parents", *(["--cancel"] if end == "cancel" else []), "-c", home)
    assert not (home.parent / "state/candidates/parents").exists()


# --- two homes that nobody can call ---------------------------------------------------------------

def paste_twice(a, b):
    """Invite at a, join at b, accept at a; return the moment of the last."""
    token = a.lansplice.command("invite", "b").stdout
    joined = b.lansplice.command("join", input=token).stdout
    time.sleep(2)
    assert not a.lansplice.is_up("b") and not b.lansplice.is_up("a")
    accepted = a.lansplice.command("accept", input=reply_of(joined))
    assert "b calls itself b" in accepted.stdout
    return time.monotonic()


def assert_found(a, b, since):
    for one, other in (a, b), (b, a):
        one.lansplice.wait_up(other.name, seconds=SECONDS)
    assert a.host("h1").ping(b.host("h1").ip)
    assert time.monotonic() - since <= SECONDS + 1  # the ping's own second
    wait_for(lambda: not (a.lansplice.folder / "state/invites/b").exists(), 5, "the token's end")
    for daemon, peer in (a.lansplice, "b"), (b.lansplice, "a"):
        assert not (daemon.folder / "state/candidates" / peer).exists()


def test_both_behind_ipv6_firewalls(lab, a, b):
    """Nothing else is in the world: no meeting point, no server, no name."""
    for home in a, b:
        place(home, "ip6fw")
        lab.daemon(home).start()
    assert_found(a, b, paste_twice(a, b))


@pytest.mark.parametrize("accepting", ["stopped", "running"])
def test_the_inviter_restarts_after_the_second_paste(lab, a, b, accepting):
    """What accept took waits on disk."""
    for home in a, b:
        place(home, "ip6fw")
        lab.daemon(home).start()
    token = a.lansplice.command("invite", "b").stdout
    joined = b.lansplice.command("join", input=token).stdout
    if accepting == "stopped":
        a.lansplice.stop()
    else:
        b.rule("drop")  # nothing comes of it at once
    a.lansplice.command("accept", input=reply_of(joined))
    if accepting == "running":
        a.lansplice.stop()
        b.clear_rules()
    a.lansplice.restart()
    since = time.monotonic()
    assert_found(a, b, since)


def reflexive(home):
    return [c for c in home.lansplice.status()["nat"]["candidates"] if c.endswith(" reflexive")]


def test_both_behind_nats_with_a_stun_server(lab, a, b):
    """Endpoint-independent mapping, and a server that tells each its own."""
    Coturn(lab.wan)
    for home in a, b:
        place(home, "eim")
        lab.daemon(home).site["stun"] = "198.51.100.17"
        home.lansplice.start()
    for home in a, b:
        wait_for(lambda: reflexive(home), 10, "what the NAT is")
    assert_found(a, b, paste_twice(a, b))
