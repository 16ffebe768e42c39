# SPDX-License-Identifier: MIT
"""What impatient people and careless admins do, and what they are then told."""
import os
import pty
import re
import signal
import subprocess
import time

import pytest

from commands import LANSPLICE, make_home, one_line
from commands import run as lansplice
from lansplice import BINARY
from machine import wait_for

TAP = "lansplice0"
CONTROL = "/run/lansplice.sock"


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path / "home", "home")


@pytest.fixture
def parents(tmp_path):
    return make_home(tmp_path / "parents", "parents")


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
    while os.path.exists(bridge_of_tap(a.router)):
        os.kill(pid, signal.SIGINT)
    with pytest.raises(ProcessLookupError):
        while True:
            os.kill(pid, signal.SIGINT)
    assert not a.router.ok(f"ip link show {TAP}") and not a.router.ok(f"test -e {CONTROL}")


@pytest.mark.parametrize("name", ["tap%d", "a/b", "a b"])
def test_tap_names_that_are_none(home, name):
    home.write_text(home.read_text() + f"tap = {name}\n")
    assert "tap" in one_line(lansplice("check-config", "-c", home), 2)
