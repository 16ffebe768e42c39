# SPDX-License-Identifier: MIT
"""rendezvous-command: homes that nobody can call find each other by what a program keeps."""

import os
import re
import subprocess
import time

import pytest

from lansplice import TOP
from machine import wait_for
from nats import place

EXAMPLE = TOP / "packaging/examples/rendezvous-file"
FOUND_S = 10
LONG = os.environ.get("LANSPLICE_LONG")


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def example(shared):
    return EXAMPLE.read_text().replace("/mnt/lansplice", str(shared))


@pytest.fixture
def shared(tmp_path):
    folder = tmp_path / "shared"
    folder.mkdir()
    return folder


def configure(lab, home, shared, text=None):
    daemon = lab.daemon(home)
    path = program(daemon.folder / "rendezvous", text or example(shared))
    daemon.site["rendezvous_command"] = path
    return daemon


def behind_firewalls(lab, shared, *homes):
    for home in homes:
        place(home, "ip6fw")
        configure(lab, home, shared)
    return [home.lansplice for home in homes]


def know_each_other(one, other):
    """Peers that do not know where the other is."""
    one.add_peer(other)
    other.add_peer(one)


def wait_both(one, other, seconds=FOUND_S):
    one.wait_up(other.name, seconds=seconds)
    other.wait_up(one.name, seconds=seconds)


def blobs(shared):
    return {path.name: path.read_text() for path in shared.iterdir() if "." not in path.name}


# --- finding --------------------------------------------------------------------------------------

def test_peers_find_each_other(lab, a, b, shared):
    one, other = behind_firewalls(lab, shared, a, b)
    know_each_other(one, other)
    one.start()
    other.start()
    wait_both(one, other)
    kept = blobs(shared)
    assert len(kept) == 2
    for key, text in kept.items():
        assert re.fullmatch("[0-9a-f]{32}", key)
        assert re.fullmatch(r"[A-Za-z0-9_-]+\n", text)


def test_an_invite_needs_no_second_paste(lab, a, b, shared):
    """The token's blobs first, then those of the peers; a restart of both goes by the latter."""
    one, other = behind_firewalls(lab, shared, a, b)
    one.start()
    other.start()
    token = one.command("invite", "b").stdout
    other.command("join", input=token)
    wait_both(one, other)
    wait_for(lambda: len(blobs(shared)) == 4, 5, "two blobs of the token, two of the peers")
    for daemon in one, other:
        daemon.stop()
        (daemon.folder / "state/endpoints").unlink()
    for home in a, b:
        home.border.forget_connections()
    one.restart()
    other.restart()
    wait_both(one, other)


def test_a_program_that_is_given_later_is_asked_as_often(lab, a, b, shared):
    """A peer was away for long, but nobody has looked for it yet."""
    place(a, "ip6fw")
    one, asked = lab.daemon(a), shared / "asked"
    one.add_peer(lab.daemon(b))
    one.start()
    time.sleep(24)
    one.site["rendezvous_command"] = program(
        one.folder / "rendezvous", f"#!/bin/sh\n[ $1 != load ] || date +%s.%N >>{asked}\n")
    one.write()
    one.reload()
    times = wait_for(lambda: asked.exists() and len(asked.read_text().split()) >= 2
                     and [float(line) for line in asked.read_text().split()], 20, "two loads")
    assert times[1] - times[0] < 8


def test_both_have_moved(lab, a, b, shared):
    """What each kept of the other is of no use any more."""
    one, other = behind_firewalls(lab, shared, a, b)
    know_each_other(one, other)
    one.start()
    other.start()
    wait_both(one, other)
    before = blobs(shared)
    for daemon in one, other:
        daemon.stop()
    for home in a, b:
        old, home.wan_ip6 = home.wan_ip6, home.wan_ip6 + "77"
        home.router.run(f"ip -6 addr add {home.wan_ip6}/64 dev wan nodad\n"
                        f"ip -6 addr del {old}/64 dev wan")
        home.border.forget_connections()
    one.restart()
    other.restart()
    wait_both(one, other)
    assert blobs(shared).keys() == before.keys()


def test_found_again_while_running(lab, a, b, shared):
    """A peer that went down is looked for at once, whatever was loaded long ago."""
    one, other = behind_firewalls(lab, shared, a, b)
    know_each_other(one, other)
    one.start()
    other.start()
    wait_both(one, other)
    other.stop()
    wait_for(lambda: not one.is_up("b"), 20, "the peer to be missed")
    old, b.wan_ip6 = b.wan_ip6, b.wan_ip6 + "77"
    b.router.run(f"ip -6 addr add {b.wan_ip6}/64 dev wan nodad\n"
                 f"ip -6 addr del {old}/64 dev wan")
    b.border.forget_connections()
    (other.folder / "state/endpoints").unlink()
    other.restart()
    wait_both(one, other, 15)


# --- who keeps the blobs --------------------------------------------------------------------------

KEEPER = """#!/bin/sh
echo "$1 $2 $# $(env | sort | tr '\\n' ' ')" >>{log}
case $1 in
store) cat >{shared}/$2 ;;
load) cat {shared}/$2 2>/dev/null || : ;;
esac
"""


def calls(log):
    return [line.split() for line in log.read_text().splitlines()] if log.exists() else []


def test_how_and_when_the_program_is_run(lab, a, b, shared, tmp_path):
    log = tmp_path / "calls"
    daemon = configure(lab, a, shared, KEEPER.format(shared=shared, log=log))
    daemon.add_peer(lab.daemon(b))
    daemon.start()
    time.sleep(17)  # loaded at 0, 5 and 15 s, and once more if the network was seen to change
    done, keys = calls(log), {}
    for verb, key, count, *environment in done:
        assert verb in ("store", "load") and re.fullmatch("[0-9a-f]{32}", key) and count == "2"
        assert {e.split("=")[0] for e in environment} <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}
        keys.setdefault(verb, set()).add(key)
    assert len(keys["store"]) == len(keys["load"]) == 1 and keys["store"] != keys["load"]
    verbs = [call[0] for call in done]
    assert verbs.count("load") in (3, 4) and verbs.count("store") in (1, 2), verbs
    assert "rendezvous" not in daemon.log()  # nothing stored by the other: no failure


def test_what_changes_is_stored(lab, a, b, shared):
    daemon = configure(lab, a, shared)
    daemon.add_peer(lab.daemon(b))
    daemon.start()
    before = wait_for(lambda: blobs(shared), 5, "a blob")
    a.router.run("ip -6 addr add 2001:db8:1::99/64 dev wan nodad")
    wait_for(lambda: blobs(shared) != before, 13, "another blob")


def test_an_old_blob_is_not_taken(lab, a, b, shared, tmp_path):
    """Who keeps the blobs gives the last but one."""
    one, other = behind_firewalls(lab, shared, a, b)
    know_each_other(one, other)
    other.start()
    old = wait_for(lambda: blobs(shared), 5, "a blob")
    other.stop()
    other.restart()
    wait_for(lambda: blobs(shared) != old, 5, "the next blob")
    other.stop()
    # One that is found first makes the other known; then it is too old.
    one.start()
    time.sleep(2)
    for key, text in old.items():
        (shared / key).write_text(text)
    wait_for(lambda: "older than" in one.log(), 15, "the old blob to be refused")
    other.restart()
    wait_both(one, other, 40)


def test_what_is_no_blob(lab, a, b, shared):
    """Our own, another's text, an empty line: the first two are told of."""
    texts = shared / "texts"
    texts.mkdir()
    daemon = configure(lab, a, shared, f"""#!/bin/sh
[ $1 = load ] || exec cp /dev/stdin {texts}/own
cat {texts}/give 2>/dev/null || echo
""")
    daemon.add_peer(lab.daemon(b))
    daemon.start()
    wait_for(lambda: (texts / "own").exists(), 5, "our own blob")
    assert "not what that home stored" not in daemon.log()
    (texts / "own").rename(texts / "give")
    wait_for(lambda: "not what that home stored" in daemon.log(), 10, "the blob to be refused")
    (texts / "give").write_text("<html>404 Not found</html>")
    time.sleep(1)
    a.router.run("ip -6 addr add 2001:db8:1::99/64 dev wan nodad")  # then it looks at once
    time.sleep(3)
    assert daemon.log().count("not what that home stored") == 1


FAILING = {
    "status": ("echo 'no such \033[31mhost' >&2; exit 3", "exit status 3: no such ?[31mhost"),
    "signal": ("kill -9 $$", "ended by signal 9"),
    "much": ("exec yes", "more than 4 KiB"),
    "not there": (None, "no such file or directory"),
    "late": ("sleep 60 & sleep 60", "no end after 10 s"),
    "left a child": ("sleep 60 & exit 0", "no end after 10 s"),
}


@pytest.mark.parametrize("how", [h for h in FAILING if h != "late" or LONG])
def test_a_program_that_fails(lab, a, b, shared, how):
    """It is told once, the tunnel goes on, and nothing is left running."""
    script, words = FAILING[how]
    daemon = configure(lab, a, shared, f"#!/bin/sh\n{script or 'exit 0'}\n")
    lab.introduce(a, b)
    b.lansplice.start()
    daemon.write()
    if script is None:
        daemon.start()
        (daemon.folder / "rendezvous").unlink()
        a.router.run("ip -6 addr add 2001:db8:1::99/64 dev wan nodad")  # something to store
    else:
        daemon.start()
    wait_for(lambda: words in daemon.log(), 25, words)
    b.lansplice.wait_up("a")
    assert a.host("h1").ping(b.host("h1").ip)
    if how == "status":
        b.lansplice.stop()
        time.sleep(8)  # more failures of the same kind
        assert daemon.log().count(f"store for b: {words}") <= 1
        assert daemon.log().count(f"load for b: {words}") <= 1
    daemon.stop()
    assert not a.router.ok("pgrep -f 'sleep 6[0]' || pgrep -x yes")


def test_it_may_change_as_the_daemon_runs(lab, a, b, shared):
    daemon = configure(lab, a, shared)
    command = daemon.site.pop("rendezvous_command")
    daemon.add_peer(lab.daemon(b))
    daemon.start()
    time.sleep(1)
    assert not blobs(shared)
    daemon.site["rendezvous_command"] = command
    daemon.write()
    daemon.reload()
    wait_for(lambda: blobs(shared), 5, "a blob")
    assert "has changed" not in daemon.log()


def test_a_daemon_that_ends_takes_the_program_along(lab, a, b, shared):
    daemon = configure(lab, a, shared, "#!/bin/sh\nsleep 60\n")
    daemon.add_peer(lab.daemon(b))
    daemon.start()
    wait_for(lambda: a.router.ok("pgrep -f 'sleep 6[0]'"), 5, "the program to run")
    began = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began < 3
    wait_for(lambda: not a.router.ok("pgrep -f 'sleep 6[0]'"), 2, "its end")


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_program_others_may_write(lab, a, shared, mode):
    daemon = configure(lab, a, shared)
    (daemon.folder / "rendezvous").chmod(mode)
    daemon.write()
    done = daemon.command("check-config", check=False)
    assert done.returncode == 2 and "others can write it" in done.stderr


def test_the_example_goes_through_no_link(shared, tmp_path):
    """Others may write into the folder, but must not have the daemon's user write elsewhere."""
    script, precious = program(tmp_path / "rendezvous", example(shared)), tmp_path / "precious"
    precious.write_text("precious")
    for name in "key", "key.new":
        (shared / name).symlink_to(precious)
    subprocess.run([script, "store", "key"], input="blob\n", text=True, check=True)
    assert precious.read_text() == "precious"
    assert (shared / "key").read_text() == "blob\n" and not (shared / "key").is_symlink()
