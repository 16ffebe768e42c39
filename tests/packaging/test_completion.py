# SPDX-License-Identifier: MIT
"""bash completion: all that --help names is offered, and nothing else, in the place it belongs."""
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

from commands import run  # noqa: E402
from lansplice import TOP, is_built  # noqa: E402

SCRIPT = TOP / "packaging/completions/lansplice.bash"
EVERYWHERE = {"-c", "--config", "-v", "--verbose"}

pytestmark = pytest.mark.skipif(not is_built(), reason="the program is not built")


def complete(line, folder="."):
    """What bash offers for the last word of a line; a blank at its end begins a new one."""
    words = line.split(" ")
    asked = "; ".join([f". {SCRIPT}", f"COMP_WORDS=({' '.join(map(repr, words))})",
                       f"COMP_CWORD={len(words) - 1}", "complete -p lansplice >/dev/null",
                       "_lansplice", "printf '%s\\n' \"${COMPREPLY[@]}\""])
    done = subprocess.run(["bash", "--norc", "-uc", asked], capture_output=True, text=True,
                          cwd=folder)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return set(done.stdout.split())


def help_lines():
    """command -> the options --help names for it; "" -> those before any command."""
    lines = {}
    for line in run("--help").stdout.splitlines():
        synopsis = re.match(r"  ([a-z-]+)((?: \S+)*?)  ", line + "  ")
        if synopsis and not synopsis[1].startswith("-"):
            lines[synopsis[1]] = set(re.findall(r"--[a-z]+", line))
        elif line.startswith("  -"):
            lines.setdefault("", set()).update(re.findall(r"(?<!\w)--?[a-z]+", line))
    return lines


def test_every_command_is_offered():
    commands = set(help_lines()) - {""}
    assert len(commands) >= 11
    assert complete("lansplice ") == complete("lansplice -v ") == commands
    assert complete("lansplice -c /etc/x.conf ") == commands
    assert complete("lansplice in") == {"init", "invite"}


def test_every_option_is_offered_where_it_belongs():
    lines = help_lines()
    assert complete("lansplice -") == lines.pop("")
    for command, options in lines.items():
        assert complete(f"lansplice {command} -") == options | EVERYWHERE, command
    assert complete("lansplice status --w") == {"--watch"}
    assert complete("lansplice status --json -") >= {"--watch"}


def test_files_and_names(tmp_path):
    conf = tmp_path / "home/lansplice.conf"
    assert run("init", "--name", "home", "-c", conf).returncode == 0
    assert run("invite", "parents", "-c", conf).returncode == 0
    (tmp_path / "token").touch()
    assert complete("lansplice -c ", tmp_path) == {"home", "token"}
    for command in "join", "accept":
        assert complete(f"lansplice {command} to", tmp_path) == {"token"}
        assert complete(f"lansplice {command} token ", tmp_path) == set()
    assert complete(f"lansplice -c {conf} invite ") == {"parents"}
    assert complete(f"lansplice -c {conf} invite parents ") == set()
    assert complete("lansplice -c /nowhere/x.conf invite ") == set()
    assert complete("lansplice init --name ", tmp_path) == set()
    assert complete("lansplice status ", tmp_path) == set()


def test_a_file_that_is_no_name_is_not_run(tmp_path):
    """The folder of invites belongs to the daemon's user, and root completes."""
    invites = tmp_path / "state/invites"
    invites.mkdir(parents=True)
    for name in "parents", "$(touch ran)", "`touch ran`", "Upper", "a b":
        (invites / name).touch()
    assert complete(f"lansplice -c {tmp_path}/x.conf invite ", tmp_path) == {"parents"}
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not shutil.which("shellcheck"), reason="shellcheck is not installed")
def test_shellcheck():
    assert subprocess.run(["shellcheck", "-s", "bash", SCRIPT]).returncode == 0
