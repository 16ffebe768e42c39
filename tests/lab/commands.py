# SPDX-License-Identifier: MIT
"""The binary's commands on files in a folder: for the tests that need no network."""

import contextlib
import json
import os
import re
import socket
import stat
import subprocess
import threading
from pathlib import Path

from lansplice import BINARY
from lansplice import TOP as ROOT  # noqa: F401

LANSPLICE = str(BINARY)


def run(*arguments, stdin="", **more):
    return subprocess.run([LANSPLICE, *map(str, arguments)], input=stdin, text=True,
                          capture_output=True, timeout=20, **more)


def key():
    return run("genkey").stdout.strip()


def public(private):
    return run("pubkey", stdin=private + "\n").stdout.strip()


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def secret(path, text, permissions=0o600):
    path.write_text(text)
    path.chmod(permissions)
    return path


def make_home(folder, name):
    conf = folder / "lansplice.conf"
    assert run("init", "--name", name, "-c", conf).returncode == 0
    text = conf.read_text().replace("port = 7788", "control = control.sock\nport = 7788")
    conf.write_text(text)
    return conf


def one_line(result, code):
    """A failure as the contract wants it: the exit code, one line, nothing on stdout."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert re.fullmatch(r"lansplice: [^\n]+\n", result.stderr), result.stderr
    return result.stderr


class Daemon:
    """A control socket that answers a reload so, and every question for the status by status."""

    def __init__(self, path, answer, status):
        self.commands = []
        self.answer = answer
        self.status = json.dumps(status).encode() + b"\n"
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(1)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                self.commands.append(json.loads(client.makefile().readline())["command"])
                client.sendall(self.status if self.commands[-1] == "status" else self.answer)
                client.close()

    def stop(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(10)
        self.socket.close()


def with_daemon(conf, answer, *arguments, status=None, **more):
    """Run a command of ours while a daemon that is none answers; it must ask for one reload."""
    # The socket's path is at most 107 characters; the folder of a test may be longer.
    path = Path(f"/tmp/lansplice-test-{os.getpid()}.sock")
    conf.write_text(re.sub(r"control = .*", f"control = {path}", conf.read_text()))
    daemon = Daemon(path, answer, status or {})
    try:
        result = run(*arguments, "-c", conf, **more)
        daemon.stop()
    finally:
        path.unlink()
    assert daemon.commands.count("reload") == 1
    return result
