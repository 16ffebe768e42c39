# SPDX-License-Identifier: MIT
"""The daemon on a home's router, and its configuration.

LANSPLICE in the environment names the binary that the lab runs, LANSPLICE_TOOLS the folder of the
lab's own programs: scripts/check says so where it tests a build with sanitizers.
"""
import functools
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from machine import wait_for

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = TOP / "build/gcc"
BINARY = Path(os.environ.get("LANSPLICE", BUILD / "testing/lansplice")).absolute()
TOOLS = Path(os.environ.get("LANSPLICE_TOOLS", BUILD / "tests/lab/tools"))
PROBES = BINARY.parents[1] / "tests/lab"  # made of the same daemon's parts


def is_built():
    return os.access(BINARY, os.X_OK)


@functools.cache
def sanitizers():
    """Those that the binary was built with: some of address, thread, undefined."""
    marks = {"address": b"__asan_init", "thread": b"__tsan_init", "undefined": b"__ubsan_handle_"}
    binary = BINARY.read_bytes() if is_built() else b""
    return {name for name, mark in marks.items() if mark in binary}


@functools.cache
def is_static():
    """Whether all libraries are in the binary, as they are with musl."""
    return subprocess.run(["ldd", BINARY], capture_output=True).returncode != 0


def preload(library, **environment):
    """The environment of a daemon with that library before its own."""
    if is_static():
        pytest.skip("a static program takes no library")
    return {"LD_PRELOAD": str(library), **environment}


def tool(*arguments, input=None):
    """The output of a command that needs no machine, such as genkey."""
    return subprocess.run([BINARY, *arguments], input=input, check=True, capture_output=True,
                          text=True).stdout.strip()


def write_secret(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as secret:
        secret.write(text + "\n")
    return path


def format_section(title, values):
    """Keys with None are left out; a list is a repeated key."""
    lines = [f"[{title}]"]
    for key, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                lines.append(f"{key.replace('_', '-')} = {one}")
    return "\n".join(lines) + "\n"


class Lansplice:
    """One site's daemon: its key, its file, its process.

    site and test are the options of [site] and [test]; peers maps a name to that peer's options.
    Underscores stand for the dashes of the file's keys.
    """

    def __init__(self, machine, name, folder, environment=None):
        self.machine = machine
        self.name = name
        self.folder = folder / f"{name}-etc"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "lansplice.conf"
        self.environment = environment
        self.process = None
        self.private_key = tool("genkey")
        self.public_key = tool("pubkey", input=self.private_key)
        self.site = {
            "name": name, "private_key": write_secret(self.folder / "site.key", self.private_key),
            "port": 7788, "bridge": "br-lan", "tap": "lansplice0",
            "control": "/run/lansplice.sock",
        }
        self.peers = {}
        self.test = {}

    def add_peer(self, other, endpoint=None, psk=None, **options):
        values = {"public_key": other.public_key, "endpoint": endpoint, **options}
        if psk:
            values["preshared_key"] = write_secret(self.folder / f"{other.name}.psk", psk)
        self.peers[other.name] = values

    def write(self):
        text = format_section("site", self.site)
        if self.test:
            text += format_section("test", self.test)
        for name, values in self.peers.items():
            text += format_section(f"peer {name}", values)
        self.path.write_text(text)
        return self.path

    def start(self, wait=True):
        """Write the file and run; ready when the control socket answers."""
        self.write()
        return self.restart(wait)

    def restart(self, wait=True):
        """Run with the file as it is."""
        assert not (self.process and self.process.running), "it runs already"
        self.process = self.machine.start([BINARY, "-c", self.path, "run"], name="lansplice",
                                          env=self.environment)
        if wait:
            wait_for(lambda: self.status() or not self.process.running, 10,
                     f"{self.name}'s daemon to answer")
            assert self.process.running, f"{self.name}'s daemon ended:\n{self.log()}"
        return self

    def fails(self, code, *words):
        """It ends with that code and one line holding all the words."""
        self.write()
        done = self.machine.run([BINARY, "-c", self.path, "run"], check=False, seconds=10,
                                env=self.environment)
        errors = [line for line in done.stderr.splitlines() if line.startswith("lansplice: ")]
        assert done.returncode == code, done.stderr
        assert len(errors) == 1 and all(word in errors[0] for word in words), done.stderr

    def command(self, *arguments, check=True, input=None, seconds=30):
        """A subcommand on this router: lansplice -c FILE ..."""
        return self.machine.run([BINARY, "-c", self.path, *arguments], check=check, input=input,
                                seconds=seconds)

    def status(self):
        """`status --json`; an empty dict while nobody answers."""
        done = self.command("status", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout else {}

    def peer(self, name):
        return next((p for p in self.status().get("peers", []) if p["name"] == name), {})

    def counter(self, name):
        return self.status()["counters"][name]

    def is_up(self, *names):
        """Every peer named, or every peer, is up."""
        peers = self.status().get("peers", [])
        states = {p["name"]: p["state"] for p in peers}
        return bool(states) and all(states.get(n) == "up" for n in names or states)

    def wait_up(self, *names, seconds=10):
        wait_for(lambda: self.is_up(*names), seconds, f"{self.name}'s peers to be up")

    def log(self):
        """Everything this site's daemons have written since the beginning."""
        return "".join(p.log() for p in self.machine.processes if str(BINARY) in map(str, p.command)
                       and "run" in p.command)

    def stop(self):
        return self.process.stop() if self.process else None

    def kill(self):
        return self.process.kill(signal.SIGKILL)

    def reload(self):
        self.process.signal(signal.SIGHUP)
