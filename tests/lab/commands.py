# SPDX-License-Identifier: MIT
"""The binary's commands on files in a folder: for the tests that need no network."""

import os
import re
import stat
import subprocess

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
