# SPDX-License-Identifier: MIT
"""What impatient people and careless admins do, and what they are then told."""
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time

import pytest

from commands import LANSPLICE, one_line, secret
from commands import run as lansplice
from lansplice import BINARY
from machine import wait_for

TAP = "lansplice0"
CONTROL = "/run/lansplice.sock"


def invite(inviter, name, home):
    return inviter.command("invite", name, "--endpoint", home.endpoint()).stdout


# ---- streams and signals ----

def test_closed_standard_streams(lab, a):
    """None of the daemon's descriptors takes the place of one that was closed."""
    daemon = lab.daemon(a)
    daemon.write()
    daemon.process = a.router.start(f"exec {BINARY} -c {daemon.path} run <&- >&- 2>&-")
    wait_for(daemon.status, 10, "the daemon to answer")
    for stream in 0, 1, 2:
        assert os.readlink(f"/proc/{daemon.process.pid}/fd/{stream}") == "/dev/null"
    daemon.reload()
    assert daemon.stop() == 0


def test_output_that_is_closed_is_an_error():
    done = subprocess.run(["sh", "-c", f"exec {LANSPLICE} genkey >&-"], stderr=subprocess.PIPE,
                          timeout=20)
    assert done.returncode == 1


def fill(writer):
    os.set_blocking(writer, False)
    try:
        while os.write(writer, b"." * 512):
            pass
    except BlockingIOError:
        os.set_blocking(writer, True)


def test_a_stopped_terminal_stops_nothing(lab, a):
    """^S: nobody takes what the daemon writes, and it works on; later it says what is missing."""
    daemon = lab.daemon(a)
    daemon.write()
    reader, writer = os.pipe()
    fill(writer)
    process = subprocess.Popen(a.router.enter([BINARY, "-c", daemon.path, "run"]),
                               stdin=subprocess.DEVNULL, stderr=writer)
    try:
        wait_for(daemon.status, 10, "the daemon to answer")
        os.read(reader, 1 << 20)
        daemon.command("invite", "b")
        said = os.read(reader, 1 << 20).decode()
        assert "lines are missing" in said and "reloaded" in said
        fill(writer)
        a.router.run("pkill -TERM -x lansplice")
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        os.close(reader)
        os.close(writer)


def bridge_of_tap(machine):
    return f"/proc/{machine.pid}/root/sys/class/net/{TAP}/master"


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_during_the_start(lab, a, sig):
    """It comes the moment the TAP is in the bridge: a TAP that was found is given back."""
    daemon = lab.daemon(a)
    daemon.write()
    a.router.run(f"ip tuntap add {TAP} mode tap")
    for _ in range(5):
        daemon.restart(wait=False)
        pid = daemon.process.pid
        while not os.path.exists(bridge_of_tap(a.router)):
            assert daemon.process.running, daemon.log()
        os.kill(pid, sig)
        if sig == signal.SIGHUP:
            wait_for(daemon.status, 5, "the daemon to go on")
            os.kill(pid, signal.SIGTERM)
        assert daemon.process.popen.wait(10) == 0
        assert not os.path.exists(bridge_of_tap(a.router))


def test_control_c_many_times(lab, a):
    daemon = lab.daemon(a).start()
    pid = daemon.process.pid
    with pytest.raises(ProcessLookupError):
        while True:
            os.kill(pid, signal.SIGINT)
    assert not a.router.ok(f"ip link show {TAP}") and not a.router.ok(f"test -e {CONTROL}")


@pytest.mark.parametrize("name", ["tap%d", "a/b", "a b"])
def test_tap_names_that_are_none(home, name):
    home.write_text(home.read_text() + f"tap = {name}\n")
    assert "tap" in one_line(lansplice("check-config", "-c", home), 2)


# ---- names, files and folders ----

@pytest.mark.parametrize("arguments", [
    ["\x1b[31mx\n"], ["--\nx"], ["-c", "/no\nne/x", "check-config"], ["invite", "x", "\n"],
    ["join", "/no\n\x1b\xc2\x9bne"], ["init", "--name", "a\nb"], ["genkey", "--name", "\n"],
])
def test_what_is_typed_does_not_break_the_line(home, arguments):
    more = [] if "-c" in arguments else ["-c", home]
    done = lansplice(*arguments, *more)
    assert done.returncode in (1, 2)
    assert "\x1b" not in one_line(done, done.returncode)


def replace(path, what):
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    {"fifo": os.mkfifo, "folder": os.mkdir,
     "device": lambda p: os.symlink("/dev/zero", p),
     "dangling": lambda p: os.symlink("/nowhere/at/all", p)}[what](path)


@pytest.mark.parametrize("what,remedy", [("fifo", "remove it"), ("folder", "name a file in it"),
                                         ("device", "remove it"), ("dangling", "link")])
@pytest.mark.parametrize("name", ["lansplice.conf", "peers.d/x.conf"])
def test_what_is_no_file_is_refused_at_once(home, name, what, remedy):
    replace(home.parent / name, what)
    message = one_line(lansplice("check-config", "-c", home), 2)
    assert remedy in message and name in message


@pytest.mark.parametrize("name", ["lansplice.conf", "peers.d", "peers.d/x.conf", "state",
                                  "state/order", "state/port", "state/candidates"])
def test_what_belongs_to_another_user(lab, a, name):
    """Root can use it only until it gives up its privileges: it is refused before."""
    daemon = lab.daemon(a)
    daemon.write()
    (daemon.folder / "peers.d").mkdir()
    (daemon.folder / "peers.d/x.conf").touch()
    daemon.command("invite", "b")  # makes state
    (daemon.folder / "state/order").touch()
    (daemon.folder / "state/port").touch()
    (daemon.folder / "state/candidates").mkdir(exist_ok=True)
    os.chown(daemon.folder / name, 65534, 65534)
    for command in "check-config", "run":
        message = one_line(daemon.command(command, check=False), 2)
        assert "chown -R root" in message and name.lstrip(".") in message
    assert not a.router.ok(f"test -e {CONTROL}")


def test_a_socket_in_the_folder_of_another_user(lab, a):
    daemon = lab.daemon(a)
    a.router.run("install -d -o 65534 /run/theirs")
    daemon.site["control"] = "/run/theirs/sock"
    daemon.write()
    assert "'control'" in one_line(daemon.command("run", check=False), 2)
    assert not a.router.output("ls /run/theirs")


def test_a_full_disk(lab, a):
    daemon = lab.daemon(a)
    daemon.write()
    a.router.run(f"""
        mkdir /run/small && mount -t tmpfs -o size=40k tmpfs /run/small
        cp -r {daemon.folder}/* /run/small && sed -i 's|{daemon.folder}|.|' /run/small/*.conf
        cat /dev/zero >/run/small/zero 2>/dev/null || true""")
    done = a.router.run([BINARY, "-c", "/run/small/lansplice.conf", "invite", "b"], check=False)
    assert "make room" in one_line(done, 1)
    a.router.run("mount -o remount,ro /run/small")
    done = a.router.run([BINARY, "-c", "/run/small/lansplice.conf", "invite", "b"], check=False)
    assert "writable" in one_line(done, 1)


# ---- init ----

def contents(folder):
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@pytest.mark.parametrize("name,code,word", [
    ("", 2, "add its name"), ("state", 2, "name a file in it"), ("other.conf", 1, "another home"),
    ("lansplice.conf", 1, "another folder"), ("other", 1, "another home"),
])
def test_init_beside_another_home(home, name, code, word):
    before = contents(home.parent)
    assert word in one_line(lansplice("init", "--name", "x", "-c", f"{home.parent}/{name}"), code)
    assert contents(home.parent) == before


def test_init_makes_nothing_for_a_path_without_a_file(tmp_path):
    one_line(lansplice("init", "--name", "x", "-c", f"{tmp_path}/new/"), 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key,permissions", [("no key", 0o600), ("", 0o600), (None, 0o644)])
def test_init_finds_a_bad_key(tmp_path, key, permissions):
    """Nothing is written: else a second init would find the home set up and not working."""
    file = secret(tmp_path / "home.key", lansplice("genkey").stdout if key is None else key,
                  permissions)
    before = contents(tmp_path)
    assert str(file) in one_line(lansplice("init", "-c", tmp_path / "lansplice.conf"), 2)
    assert contents(tmp_path) == before


# ---- invite and join ----

def test_a_join_given_up_does_not_outlive_the_enrolment(lab, a, b):
    """join, its peer removed, and the roles turned round: nobody is joining for ever."""
    first, second = lab.daemon(a).start(), lab.daemon(b).start()
    b.rule("udp dport 7788 drop")
    first.command("join", input=invite(second, "a", b))
    (first.folder / "peers.d/b.conf").unlink()
    first.reload()
    second.command("invite", "a", "--cancel")
    b.clear_rules()
    second.command("join", input=invite(first, "b", a))
    second.wait_up("a")
    assert not (first.folder / "state/joining/b").exists()
    for daemon in first, second:
        daemon.stop()
        daemon.restart()
    first.wait_up("b")
    assert not first.peer("b")["joining"]


def test_what_is_left_of_a_join_goes_with_the_enrolment(lab, a, b):
    inviter, joiner = lab.daemon(a).start(), lab.daemon(b).start()
    token = invite(inviter, "b", a)
    (inviter.folder / "state/joining").mkdir(exist_ok=True)
    shutil.copy(inviter.folder / "state/invites/b", inviter.folder / "state/joining/b")
    joiner.command("join", input=token)
    joiner.wait_up("a")
    wait_for(lambda: not (inviter.folder / "state/joining/b").exists(), 5, "it to go")


@pytest.mark.parametrize("first", ["a", "b"])
def test_both_invite_and_both_join(lab, a, b, first):
    """Neither join ends the tokens of both; whoever takes the invitation back may join."""
    daemons = {"a": lab.daemon(a).start(), "b": lab.daemon(b).start()}
    tokens = {"b": invite(daemons["a"], "b", a), "a": invite(daemons["b"], "a", b)}
    for name, other in ("a", "b"), ("b", "a"):
        message = one_line(daemons[name].command("join", input=tokens[name], check=False), 1)
        assert f"'lansplice invite {other} --cancel'" in message
    other = {"a": "b", "b": "a"}[first]
    daemons[first].command("invite", other, "--cancel")
    daemons[first].command("join", input=tokens[first])
    for daemon in daemons.values():
        daemon.wait_up()
    wait_for(lambda: not daemons[first].peer(other)["joining"], 5, "it to be accepted")


def test_nothing_to_take_back(home):
    assert "parents" in one_line(lansplice("invite", "parents", "--cancel", "-c", home), 1)


def test_a_join_the_daemon_refuses(lab, a, b):
    inviter, joiner = lab.daemon(a).start(), lab.daemon(b).start()
    token = invite(inviter, "b", a)
    (joiner.folder / "peers.d").mkdir()
    good = joiner.path.read_text()
    done = joiner.machine.start(f"sleep 0.3; echo broken >>{joiner.path}")
    # The configuration goes bad after join has read it, before the daemon does.
    waiting = f"(sleep 1; cat {joiner.folder}/token) | {BINARY} -c {joiner.path} join"
    (joiner.folder / "token").write_text(token)
    result = joiner.machine.run(waiting, check=False)
    done.popen.wait()
    assert result.returncode == 1 and "refused" in result.stderr
    assert "lansplice run" not in result.stdout and "has not taken it" in result.stdout
    joiner.path.write_text(good)
    joiner.reload()
    joiner.wait_up("a")


def test_a_token_for_all_to_read(home, tmp_path):
    for permissions, warned in (0o600, False), (0o644, True):
        path = secret(tmp_path / "token", "", permissions)
        with path.open("w") as out:
            done = subprocess.run([LANSPLICE, "invite", "x", "-c", home], stdout=out,
                                  stderr=subprocess.PIPE, text=True, timeout=20)
        assert done.returncode == 0 and ("chmod 600" in done.stderr) == warned
        assert "line above" not in done.stderr


def test_a_byte_order_mark_before_the_token(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout
    assert lansplice("join", "-c", parents, stdin="\ufeff" + token).returncode == 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_terminal_echoes_again_after_a_signal(parents, sig):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv("/bin/sh", ["sh", "-c", f"trap : TERM HUP INT; {LANSPLICE} -c {parents} join; "
                                         "echo over; sleep 20"])

    def show(word):
        shown = b""
        while word not in shown:
            assert select.select([terminal], [], [], 10)[0], shown
            shown += os.read(terminal, 4096)

    def echoes():
        return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)

    show(b"ends): ")
    wait_for(lambda: not echoes(), 5, "the prompt to be quiet")
    child = int(open(f"/proc/{pid}/task/{pid}/children").read().split()[0])
    os.kill(child, sig)
    show(b"over")
    assert echoes()
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)


# ---- the log and status of a daemon that waits ----

def status_words(daemon):
    return daemon.command("status").stdout


def test_a_peer_that_does_not_answer(lab, a, b):
    """It is said once, with what to look at; status shows where it is called."""
    daemon = lab.daemon(a)
    lab.introduce(a, b)
    daemon.start()
    assert re.search(rf"^b +connecting +{b.wan_ip}:7788 \?", status_words(daemon), re.M)
    wait_for(lambda: f"peer b does not answer at {b.wan_ip}:7788: is UDP port 7788" in daemon.log(),
             25, "a warning")
    time.sleep(6)
    assert daemon.log().count("does not answer") == 1
    lab.daemon(b).start()
    daemon.wait_up("b")
    assert re.search(rf"^b +up +{b.wan_ip}:7788  ", status_words(daemon), re.M)


def test_a_name_that_does_not_resolve(lab, a, b):
    daemon = lab.daemon(a)
    lab.introduce(a, b)
    daemon.peers["b"]["endpoint"] = "no-such-name.invalid:7788"
    daemon.start()
    wait_for(lambda: "warn: peer b: cannot resolve no-such-name" in daemon.log(), 20, "a warning")


def test_a_token_nobody_answers(lab, a, b):
    inviter, joiner = lab.daemon(a).start(), lab.daemon(b).start()
    token = invite(inviter, "b", a)
    inviter.command("invite", "b", "--cancel")
    joiner.command("join", input=token)
    assert re.search(rf"^a +joining +{a.wan_ip}:7788 \?", status_words(joiner), re.M)
    caller = re.escape(f"{b.wan_ip}:7788")
    wait_for(lambda: re.search(rf"warn: a token that {caller} used is not known", inviter.log()), 5,
             "the inviter's warning")
    wait_for(lambda: f"does not answer our token at {a.wan_ip}:7788: is it" in joiner.log(), 30,
             "a warning")
    assert joiner.log().count("our token") == 1


def test_a_joiner_that_is_not_accepted_yet(lab, a, b):
    inviter, joiner = lab.daemon(a).start(), lab.daemon(b).start()
    token = invite(inviter, "b", a)
    (inviter.folder / "peers.d").touch()  # nothing can be enrolled
    joiner.command("join", input=token)
    wait_for(lambda: "waiting for it to accept us" in joiner.log(), 10, "an answer")
    assert re.search(r"^a +joining", status_words(joiner), re.M)
    assert "is up" not in joiner.log()
    (inviter.folder / "peers.d").unlink()
    wait_for(lambda: "peer a is up" in joiner.log(), 20, "the peer to be up")
    assert re.search(r"^a +up", status_words(joiner), re.M)


def test_a_peer_that_is_removed_is_not_down(lab, a, b):
    first, _ = lab.splice(a, b)
    first.peers.clear()
    first.write()
    first.reload()
    wait_for(lambda: "no longer configured" in first.log(), 5, "the reload")
    assert "is down" not in first.log()


def test_a_tap_and_a_bridge_that_are_set_down(lab, a):
    daemon = lab.daemon(a).start()
    a.router.run(f"ip link set {TAP} down")
    wait_for(lambda: "UP" in a.router.output(f"ip link show {TAP}").split(">")[0], 5, "it to be up")
    assert f"the TAP {TAP} was set down" in daemon.log()
    a.router.run("ip link set br-lan down")
    wait_for(lambda: "in bridge br-lan (DOWN)" in status_words(daemon), 5, "status to say so")
    assert daemon.log().count("bridge br-lan is down") == 1
    a.router.run("ip link set br-lan up")
    wait_for(lambda: "DOWN" not in status_words(daemon), 5, "status to say so")


def test_a_tap_that_others_place_stays_down(lab, a):
    daemon = lab.daemon(a)
    daemon.site["bridge"] = None
    daemon.start()
    a.router.run(f"ip link set {TAP} down")
    wait_for(lambda: f"TAP {TAP} (DOWN), NOT in a bridge" in status_words(daemon), 5, "status")


def test_what_was_dropped_is_said_in_words(lab, a, b):
    host = a.host("h1")
    first, _ = lab.splice(a, b)
    host.run("busybox udhcpc -f -n -q -t 2 -T 1 -i eth0 -s /bin/true || true")
    wait_for(lambda: re.search(r"^kept at home: \d+ DHCP", status_words(first), re.M), 5, "words")


# ---- the control socket ----

OCCUPY = f"""
import socket, time
held = [socket.socket(socket.AF_UNIX) for _ in range(8)]
for one in held:
    one.connect("{CONTROL}")
    one.send(b"half a line")
print("held", flush=True)
begin = time.monotonic()
for one in held:
    assert one.recv(10) == b""
print("over after", time.monotonic() - begin, flush=True)
"""


def test_clients_that_say_nothing(lab, a):
    daemon = lab.daemon(a).start()
    occupier = a.router.start(["/usr/bin/python3", "-c", OCCUPY])
    wait_for(lambda: "held" in occupier.log(), 5, "the places to be taken")
    assert "busy or stuck" in one_line(daemon.command("status", check=False), 1)
    wait_for(lambda: "over after" in occupier.log(), 15, "them to be hung up on")
    assert 8 < float(occupier.log().split()[-1]) < 13
    assert daemon.status()


def test_a_stuck_daemon_is_no_absent_one(lab, a):
    daemon = lab.daemon(a).start()
    daemon.process.signal(signal.SIGSTOP)
    message = one_line(daemon.command("status", check=False), 1)
    assert "busy or stuck" in message and CONTROL in message
    for pid in daemon.process.pid, daemon.process.popen.pid:  # nsenter stops with its child
        os.kill(pid, signal.SIGCONT)
    daemon.stop()
    assert "lansplice run" in one_line(daemon.command("status", check=False), 1)
