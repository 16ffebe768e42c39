# SPDX-License-Identifier: MIT
"""event-command: what happens is told to a program of the owner's, and no more than it can bear."""
import json
import time

import pytest

from lansplice import tool
from machine import wait_for
from test_loop import join as plug_in
from test_loop import unplug

# One line for each run: when, the environment, and the descriptors that were handed down.
RECORDER = """#!/usr/bin/python3 -IS
import json, os, sys, time
began = time.time()
files = {{n: os.readlink(f"/proc/self/fd/{{n}}") for n in os.listdir("/proc/self/fd")
         if os.path.exists(f"/proc/self/fd/{{n}}")}}
status = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines()
              if ":\\t" in line)
line = json.dumps({{"arguments": sys.argv[1:], "environment": dict(os.environ), "files": files,
                   "status": status, "began": began}})
with open("{runs}", "a") as runs:
    runs.write(line + "\\n")
"""
OF_PYTHON = {"LC_CTYPE"}  # it sets that itself


class Told:
    """The program of a home's daemon, and what it was told so far."""

    def __init__(self, lab, home, script=RECORDER):
        self.daemon = lab.daemon(home)
        self.runs = self.daemon.folder / "runs"
        self.path = self.daemon.folder / "on-event"
        self.write(script)
        self.daemon.site["event_command"] = self.path

    def write(self, script):
        self.path.write_text(script.format(runs=self.runs))
        self.path.chmod(0o755)

    def all(self):
        return [json.loads(line) for line in self.runs.read_text().splitlines()] \
            if self.runs.exists() else []

    def lines(self):
        return self.runs.read_text().split() if self.runs.exists() else []

    def events(self):
        return [{name.removeprefix("LANSPLICE_").lower(): value
                 for name, value in one["environment"].items() if name.startswith("LANSPLICE_")}
                for one in self.all()]

    def names(self):
        """But for another kind of path, which is found when it is found."""
        return [e["event"] for e in self.events() if e["event"] != "peer-path"]

    def wait(self, name, seconds=10, **fields):
        """The latest event of that name, which has these values."""
        def seen():
            return [e for e in self.events() if e["event"] == name
                    and all(e.get(k) == v for k, v in fields.items())]
        return wait_for(seen, seconds, f"{name} {fields} among {self.events()}")[-1]


NOT_PATHS = "#!/bin/sh\n[ $LANSPLICE_EVENT != peer-path ] || exit 0\n"
NAMES = NOT_PATHS + "echo $LANSPLICE_EVENT >>{runs}\n"


# --- each event -----------------------------------------------------------------------------------

def test_a_peer_comes_and_goes(lab, a, b):
    told = Told(lab, a)
    lab.splice(a, b)
    came = told.wait("peer-up")
    assert came == {"event": "peer-up", "site": "a", "config": str(told.daemon.path),
                    "tap": "lansplice0", "peer": "b", "path": "direct4",
                    "endpoint": b.endpoint()}
    b.lansplice.stop()
    assert told.wait("peer-down") == {"event": "peer-down", "site": "a", "tap": "lansplice0",
                                      "config": str(told.daemon.path), "peer": "b"}
    b.lansplice.restart()
    wait_for(lambda: told.names() == ["peer-up", "peer-down", "peer-up"], 10, told.names)


def test_another_kind_of_path(lab, a, b):
    """Not each new address: only another kind."""
    told = Told(lab, a)
    lab.introduce(a, b)
    a.lansplice.peers["b"]["endpoint"] = [b.endpoint(), b.endpoint(family=6)]
    b.lansplice.start()
    a.lansplice.start()
    first = told.wait("peer-up")
    versions = {"direct4": "ip", "direct6": "ip6"}
    a.isp.run(f"nft add table inet cut; nft 'add chain inet cut c "
              f"{{ type filter hook forward priority 0; }}'; nft add rule inet cut c meta nfproto "
              f"{'ipv4' if first['path'] == 'direct4' else 'ipv6'} meta l4proto udp drop")
    now = told.wait("peer-path", 30)
    assert now["path"] in versions and now["path"] != first["path"] and now["peer"] == "b"
    assert now["endpoint"] == b.endpoint(family=6 if now["path"] == "direct6" else 4)
    assert [e["event"] for e in told.events()] == ["peer-up", "peer-path"]
    assert a.lansplice.peer("b")["path"] == now["path"]


def test_a_peer_is_enrolled_at_both_homes(lab, a, b):
    """When it is on disk: the program may look."""
    homes = [Told(lab, home, RECORDER + "open('{runs}.d', 'a').write("
                                        "' '.join(os.listdir('{folder}')))\n".replace(
                                            "{folder}", str(lab.daemon(home).folder / "peers.d")))
             for home in (a, b)]
    for told in homes:
        (told.daemon.folder / "peers.d").mkdir()
        told.daemon.start()
    token = a.lansplice.command("invite", "b", "--endpoint", a.endpoint()).stdout
    b.lansplice.command("join", input=token)
    for told, other in zip(homes, "ba"):
        assert told.wait("peer-enrolled")["peer"] == other
        told.wait("peer-up", peer=other)
        assert f"{other}.conf" in (told.daemon.folder / "runs.d").read_text()
        assert sorted(told.names()) == ["peer-enrolled", "peer-up"]


def test_both_routers_have_one_address_and_one_gets_another(lab):
    a, b = (lab.home(name, router_ip="192.168.1.1") for name in "ab")
    told = Told(lab, a)
    lab.splice(a, b)
    clash = told.wait("clash")
    assert clash == {"event": "clash", "site": "a", "config": str(told.daemon.path),
                     "tap": "lansplice0", "peer": "b", "clash": "gateway",
                     "address": "192.168.1.1"}
    assert [c["kind"] for c in a.lansplice.status()["clashes"]] == ["gateway"]
    b.router.run("ip addr add 192.168.1.2/24 dev br-lan; ip addr del 192.168.1.1/24 dev br-lan")
    over = told.wait("clash-over", 20)
    assert over == {**clash, "event": "clash-over"}


def test_a_loop_and_its_end(lab, a, b):
    homes = {home: Told(lab, home) for home in (a, b)}
    lab.splice(a, b)
    for told in homes.values():
        told.wait("peer-up")
    plug_in(a, b)
    shut = wait_for(lambda: [h for h in homes if h.lansplice.status()["port_shut"]], 5, "a loop")[0]
    loop = homes[shut].wait("loop")
    assert "peer" not in loop and "path" not in loop
    unplug(a)
    homes[shut].wait("loop-over", 60)
    assert [n for n in homes[shut].names() if "loop" in n] == ["loop", "loop-over"]


# --- with what rights -----------------------------------------------------------------------------

def test_what_is_handed_down(lab, a, b):
    """Nothing but what the manual says: no other variable, no descriptor, no capability but one."""
    told = Told(lab, a)
    told.daemon.environment = {"SECRET": "in the daemon's environment"}
    lab.splice(a, b)
    told.wait("peer-up")
    run = told.all()[0]
    assert run["arguments"] == []
    assert {n for n in run["environment"] if not n.startswith("LANSPLICE_")} - OF_PYTHON == {"PATH"}
    assert run["environment"]["PATH"].startswith("/usr/local/sbin:")
    assert set(run["files"]) <= {"0", "1", "2", "3"}  # 3: the folder that lists them
    assert run["files"]["0"] == "/dev/null"
    assert run["files"]["1"].startswith("pipe:") and run["files"]["2"].startswith("pipe:")
    assert "3" not in run["files"] or run["files"]["3"].endswith("/fd")
    assert run["status"]["NoNewPrivs"] == "1"
    net_admin = 1 << 12
    for kind in "CapPrm", "CapEff", "CapBnd":
        assert int(run["status"][kind], 16) == net_admin, kind
    assert int(run["status"]["SigBlk"], 16) == 0


# --- programs that behave badly -------------------------------------------------------------------

def test_one_at_a_time_and_in_order(lab, a, b, c):
    told = Told(lab, a, NOT_PATHS + "echo begin-$LANSPLICE_EVENT >>{runs}\nsleep 2\n"
                        "echo end-$LANSPLICE_EVENT >>{runs}\n")
    lab.splice(a, b, c)
    b.lansplice.stop()
    wait_for(lambda: len(told.lines()) == 6, 15, told.lines)
    seen = told.lines()
    assert [line.split("-", 1)[0] for line in seen] == ["begin", "end"] * 3, seen
    assert [line.split("-", 1)[1] for line in seen[::2]] == ["peer-up", "peer-up", "peer-down"]


def test_a_program_that_hangs(lab, a, b):
    """It and its children are killed, and the next event is told."""
    told = Told(lab, a, NAMES + "[ $LANSPLICE_EVENT = peer-down ] || {{ sleep 77 & sleep 77; }}\n")
    lab.splice(a, b)
    wait_for(lambda: told.lines() == ["peer-up"], 10, told.lines)
    b.lansplice.stop()
    time.sleep(3)
    assert told.lines() == ["peer-up"]
    assert a.lansplice.status()["event_command"]["waiting"] == 1
    wait_for(lambda: told.lines() == ["peer-up", "peer-down"], 35, told.lines)
    assert "no end after 30 s for peer-up of b" in told.daemon.log()
    assert not a.router.ok("pgrep -f 'sleep 7[7]'")


FAILING = {"exit 3": "exit status 3", "kill -9 $$": "ended by signal 9",
           "rm $0": "no such file or directory", "chmod a-x $0": "permission denied"}


@pytest.mark.parametrize("how", FAILING)
def test_a_program_that_fails(lab, a, b, how):
    """It is told of once, shown by status and doctor, and run again at the next event."""
    told = Told(lab, a, NAMES + how + "\n")
    lab.splice(a, b)
    wait_for(lambda: told.lines() == ["peer-up"], 10, told.lines)
    if "$0" in how:
        b.lansplice.stop()
    wait_for(lambda: FAILING[how] in told.daemon.log(), 10, told.daemon.log)
    assert told.daemon.log().count("event-command: /") == 1
    state = told.daemon.status()["event_command"]
    assert FAILING[how] in state["error"] and state["program"] == str(told.path)
    done = told.daemon.command("doctor", check=False)
    assert FAILING[how] in done.stdout.replace("\n      ", " ") or "$0" in how
    if "$0" in how:
        told.write(NAMES)
        b.lansplice.restart()
        wait_for(lambda: told.lines()[1:] == ["peer-up"], 10, told.lines)
        assert told.daemon.status()["event_command"]["error"] is None


def test_what_it_writes_goes_into_the_log(lab, a, b):
    """Each line, made fit for a terminal; a flood of them is held back."""
    told = Told(lab, a, "#!/bin/sh\nprintf 'one\\033[31m\\ntwo' >&2\necho; echo {runs}\n"
                        "[ $LANSPLICE_EVENT = peer-up ] || exec yes flood\n")
    lab.splice(a, b)
    for words in "one?[31m", "two", str(told.runs):
        wait_for(lambda words=words: f"event-command: peer-up: {words}\n" in told.daemon.log(), 5,
                 words)
    b.lansplice.stop()
    wait_for(lambda: "more than 64 KiB" in told.daemon.log(), 20, "the end of the flood")
    assert told.daemon.log().count("flood\n") + told.daemon.log().count("flood (and") < 20
    assert not a.router.ok("pgrep -x yes")


def test_the_daemon_ends_while_it_runs(lab, a, b):
    told = Told(lab, a, NAMES + "sleep 78\n")
    lab.splice(a, b)
    wait_for(lambda: a.router.ok("pgrep -f 'sleep 7[8]'"), 5, "the program to run")
    began = time.monotonic()
    assert told.daemon.stop() == 0
    assert time.monotonic() - began < 3
    wait_for(lambda: not a.router.ok("pgrep -f 'sleep 7[8]'"), 2, "its end")


# --- how often ------------------------------------------------------------------------------------

def test_a_peer_that_flaps_is_told_of_once_a_second_at_most(lab, a, b):
    """A peer whose daemon comes and goes as fast as it can."""
    told = Told(lab, a)
    lab.splice(a, b)
    told.wait("peer-up")
    began = time.monotonic()
    while time.monotonic() - began < 8:
        b.lansplice.stop()
        b.lansplice.restart(wait=False)
        time.sleep(0.3)
    a.lansplice.wait_up("b")
    time.sleep(2.5)
    starts = [run["began"] for run in told.all()]
    # A busy machine may take its time until the program says when it began.
    assert starts[-1] - starts[0] > len(starts) - 1 - 2, starts
    assert 2 <= len(starts) <= 13
    # The end of it is known; a better path may be found yet.
    assert [e["event"] for e in told.events() if e["event"] != "peer-path"][-1] == "peer-up"


# --- configuration --------------------------------------------------------------------------------

def test_a_reload_takes_it_and_leaves_it(lab, a, b):
    """A program that comes later is told what holds; none is run any more when it goes."""
    told = Told(lab, a)
    command = told.daemon.site.pop("event_command")
    lab.splice(a, b)
    told.daemon.site["event_command"] = command
    told.daemon.write()
    told.daemon.reload()
    told.wait("peer-up")
    del told.daemon.site["event_command"]
    told.daemon.write()
    told.daemon.reload()
    wait_for(lambda: told.daemon.status()["event_command"]["program"] is None, 5, "the reload")
    b.lansplice.stop()
    wait_for(lambda: not a.lansplice.is_up("b"), 10, "the peer to go")
    time.sleep(1.5)
    assert told.names() == ["peer-up"]
    assert "has changed" not in told.daemon.log()


def test_a_peer_that_is_removed_has_gone(lab, a, b):
    told = Told(lab, a)
    lab.splice(a, b)
    told.wait("peer-up")
    told.daemon.peers.clear()
    told.daemon.write()
    told.daemon.reload()
    told.wait("peer-down", peer="b")


def test_a_configuration_named_relatively(lab, a, b):
    told = Told(lab, a)
    lab.introduce(a, b)
    b.lansplice.start()
    told.daemon.write()
    a.router.start(["/bin/sh", "-c", f"cd {told.daemon.folder.parent} && exec $0 -c "
                    f"{told.daemon.folder.name}/lansplice.conf run", tool.__globals__["BINARY"]],
                   name="relative")
    assert told.wait("peer-up")["config"] == str(told.daemon.path)


@pytest.mark.parametrize("mode", [0o775, 0o757])
def test_a_program_others_may_write(lab, a, mode):
    told = Told(lab, a)
    told.path.chmod(mode)
    told.daemon.write()
    done = told.daemon.command("check-config", check=False)
    assert done.returncode == 2 and "others can write it" in done.stderr
