# SPDX-License-Identifier: MIT
"""The command line: keys, init, invite and join, on files in a folder; no network."""

import base64
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from commands import LANSPLICE, ROOT, key, make_home, mode, one_line, public, secret, with_daemon
from commands import run as lansplice


# --- usage ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [
    [], ["bogus"], ["--bogus"], ["-c"], ["init", "extra"], ["init", "--json"], ["init", "--name"],
    ["init", "--name", "Not Good", "-c", "/nonexistent/x"], ["invite"], ["invite", "a", "b"],
    ["invite", "../x"], ["invite", "a" * 33], ["invite", "x", "--endpoint", "no-port"],
    ["join", "a", "b"], ["status", "x"], ["status", "--name", "x"], ["run", "--json"],
    ["genkey", "x"], ["check-config", "--watch"],
    ["invite", "x"] + ["--endpoint", "h:1"] * 5, ["accept"], ["services"], ["capture"],
    ["doctor", "x"], ["doctor", "--watch"],
])
def test_wrong_usage_is_one_line_and_exit_2(arguments):
    one_line(lansplice(*arguments), 2)


def test_help_lists_only_what_works():
    text = lansplice("--help").stdout
    commands = re.findall(r"^  ([a-z][a-z-]*)", text, re.M)
    assert commands == ["init", "invite", "join", "accept", "run", "status", "doctor",
                        "check-config", "genkey", "pubkey", "genpsk"]


def test_version():
    result = lansplice("--version")
    assert result.returncode == 0 and re.fullmatch(r"lansplice \d+\.\d+\.\d+\n", result.stdout)


def test_config_option_before_and_after_the_command(home):
    for arguments in (["-c", home, "check-config"], ["check-config", "-c", home],
                      ["check-config", "--config", home], [f"-c{home}", "check-config"]):
        assert lansplice(*arguments).returncode == 0


def test_all_but_the_daemon_is_a_program_beside_it(tmp_path):
    def call(*command):
        return subprocess.run(command, capture_output=True, text=True, timeout=20)

    alone = tmp_path / "lansplice"
    shutil.copy(LANSPLICE, alone)
    assert str(tmp_path / "lansplice-tools") in one_line(call(alone, "doctor"), 1)
    assert "lansplice init" in one_line(call(alone, "run", "-v", "-c", tmp_path / "none"), 2)
    assert len(call(f"{LANSPLICE}-tools", "genkey").stdout) == 45
    assert "lansplice run" in one_line(call(f"{LANSPLICE}-tools", "run"), 2)


# --- keys ----------------------------------------------------------------------------------------

def test_pubkey_of_rfc7748():
    """RFC 7748 section 6.1: Alice's key pair."""
    private = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
    expected = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    result = lansplice("pubkey", stdin=base64.b64encode(private).decode() + "\n")
    assert base64.b64decode(result.stdout).hex() == expected


def test_genkey_is_clamped_and_never_the_same():
    keys = {base64.b64decode(key()) for _ in range(8)}
    assert len(keys) == 8
    assert all(len(k) == 32 and k[0] & 7 == 0 and k[31] & 0xC0 == 0x40 for k in keys)


def test_genpsk():
    assert len(base64.b64decode(lansplice("genpsk").stdout)) == 32


@pytest.mark.parametrize("text", ["", "x", "A" * 44, "A" * 43, "A" * 42 + "==", "A" * 47 + "="])
def test_pubkey_refuses(text):
    one_line(lansplice("pubkey", stdin=text), 1)


@pytest.mark.parametrize("permissions,warned", [(0o600, False), (0o640, True), (0o644, True)])
def test_genkey_warns_when_others_can_read(tmp_path, permissions, warned):
    path = secret(tmp_path / "key", "", permissions)
    with path.open("w") as out:
        result = subprocess.run([LANSPLICE, "genkey"], stdout=out, stderr=subprocess.PIPE,
                                text=True, timeout=20)
    assert result.returncode == 0 and ("chmod 600" in result.stderr) == warned


def test_a_full_output_is_an_error():
    with open("/dev/full", "w", encoding="ascii") as full:
        result = subprocess.run([LANSPLICE, "genkey"], stdout=full, stderr=subprocess.PIPE,
                                timeout=20)
    assert result.returncode == 1


# --- init ----------------------------------------------------------------------------------------

def test_init_makes_private_files(tmp_path):
    conf = tmp_path / "new" / "lansplice.conf"
    previous = os.umask(0)
    try:
        result = lansplice("init", "--name", "home", "-c", conf)
    finally:
        os.umask(previous)
    assert result.returncode == 0
    assert mode(conf.parent) == 0o700 and mode(conf.parent / "state") == 0o700
    for name in ("lansplice.conf", "home.key", "state/order"):
        assert mode(conf.parent / name) == 0o600
    private = (conf.parent / "home.key").read_text().strip()
    assert f"public key: {public(private)}" in result.stdout
    assert private not in result.stdout + result.stderr
    assert lansplice("check-config", "-c", conf).returncode == 0


def test_init_twice_refuses_and_changes_nothing(home):
    before = {p: p.read_bytes() for p in home.parent.rglob("*") if p.is_file()}
    one_line(lansplice("init", "--name", "other", "-c", home), 1)
    assert before == {p: p.read_bytes() for p in home.parent.rglob("*") if p.is_file()}


def test_init_cut_short_is_run_again_with_the_same_key(home):
    private = (home.parent / "home.key").read_text()
    home.unlink()
    assert lansplice("init", "--name", "home", "-c", home).returncode == 0
    assert (home.parent / "home.key").read_text() == private


def test_init_names_the_site_after_the_machine(tmp_path):
    conf = tmp_path / "x" / "lansplice.conf"
    assert lansplice("init", "-c", conf).returncode == 0
    assert re.search(r"^name = [a-z0-9-]{1,32}$", conf.read_text(), re.M)


# --- invite and join -----------------------------------------------------------------------------

def fingerprint(text):
    return re.search(r"^fingerprint: ((?:\d{4,5} ?)+)$", text, re.M).group(1)


@pytest.mark.parametrize("endpoint,noted", [
    ("192.168.1.1:7788", True), ("127.0.0.1:7788", True), ("0.0.0.0:7788", True),
    ("100.64.3.2:7788", True), ("[fd00::1]:7788", True), ("[2001:db8::1]:7788", False),
    ("203.0.113.1:7788", False), ("home.example.net:7788", False)])
def test_invite_notes_a_private_endpoint(home, endpoint, noted):
    said = lansplice("invite", "parents", "--endpoint", endpoint, "-c", home).stderr
    assert (f"--endpoint {endpoint} is a private address" in said) == noted


def test_invite_and_join(home, parents):
    invited = lansplice("invite", "parents", "--endpoint", "home.example.net:7788", "--endpoint",
                        "[2001:db8::1]:7788", "-c", home)
    assert invited.returncode == 0
    assert re.fullmatch(r"lansplice1:[A-Za-z0-9_-]+\n", invited.stdout)
    assert "60 minutes" in invited.stderr
    assert mode(home.parent / "state/invites/parents") == 0o600
    joined = lansplice("join", "-c", parents, stdin=invited.stdout)
    assert joined.returncode == 0, joined.stderr
    assert fingerprint(invited.stderr) == fingerprint(joined.stdout)
    peers = parents.parent / "peers.d"
    text = (peers / "home.conf").read_text()
    assert public((home.parent / "home.key").read_text()) in text
    assert re.findall(r"^endpoint = (.*)$", text, re.M) == ["home.example.net:7788",
                                                            "[2001:db8::1]:7788"]
    assert mode(peers / "home.psk") == 0o600
    assert mode(parents.parent / "state/joining/home") == 0o600
    assert "1 peer" in lansplice("check-config", "-c", parents).stdout
    token_psk = re.search(r"psk (\w+)", (home.parent / "state/invites/parents").read_text())
    for said in (invited.stderr, joined.stdout, joined.stderr):
        assert token_psk.group(1) not in said and invited.stdout.strip() not in said


def test_a_token_survives_mail(home, parents, tmp_path):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    broken = "\r\n ".join(token[i:i + 20] for i in range(0, len(token), 20)) + "\r\n\r\n"
    file = tmp_path / "token"
    file.write_text(broken)
    assert lansplice("join", file, "-c", parents).returncode == 0


def test_a_second_invite_replaces_an_unused_one(home):
    first = lansplice("invite", "parents", "-c", home)
    before = (home.parent / "state/invites/parents").read_text()
    second = lansplice("invite", "parents", "-c", home)
    assert second.returncode == 0 and second.stdout != first.stdout
    assert (home.parent / "state/invites/parents").read_text() != before


def test_an_enrolled_peer_is_not_invited_or_joined_again(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout
    assert lansplice("join", "-c", parents, stdin=token).returncode == 0
    assert lansplice("join", "-c", parents, stdin=token).returncode == 0, "pending: may be repeated"
    assert "peers.d/home.conf:" in one_line(lansplice("invite", "home", "-c", parents), 1)
    (parents.parent / "state/joining/home").unlink()  # as the daemon does at the end
    assert "--name" in one_line(lansplice("join", "-c", parents, stdin=token), 1)
    message = one_line(lansplice("join", "--name", "other", "-c", parents, stdin=token), 1)
    assert "is a peer already" in message, "one key under two names"


def test_what_is_to_be_removed_before_a_peer_is_invited_anew(home, parents):
    """Exactly that: a file without its peer would let nobody in, and the token be in vain."""
    conf, psk = (parents.parent / f"peers.d/home{suffix}" for suffix in (".conf", ".psk"))
    token = lansplice("invite", "parents", "-c", home).stdout
    lansplice("join", "-c", parents, stdin=token)
    (parents.parent / "state/joining/home").unlink()
    for command, given in ("invite home", None), ("join", token):
        message = one_line(lansplice(*command.split(), "-c", parents, stdin=given), 1)
        assert f"remove {conf} and {psk} first" in message
    conf.write_text(conf.read_text().splitlines()[0] + "\n")  # the peer's lines, but not the file
    message = one_line(lansplice("invite", "home", "-c", parents), 1)
    assert f"home has a file still: {conf}: " in message and f"remove {conf} and {psk}" in message
    psk.unlink()
    message = one_line(lansplice("invite", "home", "-c", parents), 1)
    assert message.endswith(f", remove {conf} first\n")
    conf.unlink()
    assert lansplice("invite", "home", "-c", parents).returncode == 0
    conf.touch()  # an invitation is taken back whatever stands in the way of another
    assert lansplice("invite", "home", "--cancel", "-c", parents).returncode == 0
    written = parents.read_text()
    parents.write_text(f"{written}\n[peer uncle]\npublic-key = {public(key())}\n")
    lines = written.count("\n") + 2
    message = one_line(lansplice("invite", "uncle", "-c", parents), 1)
    assert f"{parents}:{lines}: to invite it anew, remove [peer uncle] there first" in message


def test_join_under_another_name(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout
    assert lansplice("join", "-", "--name", "kids", "-c", parents, stdin=token).returncode == 0
    assert (parents.parent / "peers.d/kids.conf").exists()
    one_line(lansplice("join", "--name", "../x", "-c", parents, stdin=token), 2)


def test_own_token_is_refused(home):
    token = lansplice("invite", "parents", "-c", home).stdout
    assert "other home" in one_line(lansplice("join", "-c", home, stdin=token), 1)
    assert not (home.parent / "peers.d").exists()


def test_two_homes_of_one_name(home, tmp_path):
    """As two routers are whose owners left the name as it came: whose is whose is a guess then."""
    other = make_home(tmp_path / "other", "home")
    token = lansplice("invite", "parents", "-c", home).stdout
    message = one_line(lansplice("join", "-c", other, stdin=token), 1)
    assert "both homes would be called home" in message
    assert f"set 'name = NAME' in [site] of {other}, then restart" in message
    assert not (other.parent / "peers.d").exists()
    assert lansplice("join", "--name", "uncle", "-c", other, stdin=token).returncode == 0
    assert (other.parent / "peers.d/uncle.conf").exists()


@pytest.mark.parametrize("damage", [
    lambda t: "", lambda t: "hello\n", lambda t: t[:40], lambda t: t[:-3], lambda t: t + "A",
    lambda t: t[:30] + ("B" if t[30] == "A" else "A") + t[31:], lambda t: t.replace("1:", "2:"),
    lambda t: "\0" * 100000,
], ids=range(8))
def test_damaged_tokens(home, parents, damage):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    one_line(lansplice("join", "-c", parents, stdin=damage(token)), 1)
    assert not (parents.parent / "peers.d").exists()


def test_a_token_as_an_argument_is_refused_and_not_repeated(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    for arguments in (["join", token], ["invite", token], [token], ["join", token, "x"]):
        message = one_line(lansplice(*arguments, "-c", parents), 2)
        assert "history" in message and token[:20] not in message


def test_join_needs_init(home, tmp_path):
    token = lansplice("invite", "parents", "-c", home).stdout
    result = lansplice("join", "-c", tmp_path / "none/lansplice.conf", stdin=token)
    assert "lansplice init" in one_line(result, 2)


def on_terminal(arguments, *keys, questions=("ends): ", "[y/N] ")):
    """Run on a terminal of its own and type, the next keys at each question.

    Return: the exit code and all that was shown.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(LANSPLICE, [LANSPLICE, *map(str, arguments)])
    shown, typing = b"", list(zip((question.encode() for question in questions), keys))
    while select.select([terminal], [], [], 5)[0]:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if typing and typing[0][0] in shown:
            os.write(terminal, typing.pop(0)[1].encode())
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_join_prompts_without_echo(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    code, shown = on_terminal(["join", "-c", parents], token + "\n", "y\n")
    assert code == 0, shown
    assert token not in shown and "fingerprint: " in shown


@pytest.mark.parametrize("before", ["", "\n", " \r\n\n", "\ufeff"])
def test_a_token_pasted_in_lines(home, parents, before):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    keys = before + token[:60] + "\n" + token[60:] + "\n"
    code, shown = on_terminal(["join", "-c", parents], keys, "yes\n")
    assert code == 0, shown


@pytest.mark.parametrize("then", ["the rest", "all of it", "all of it in lines", "a blank before"])
def test_a_token_pasted_cut_short(home, parents, then):
    """Nothing that is typed shows: it must be said what is waited for."""
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    second = {"the rest": token[60:], "all of it": token, "a blank before": " " + token,
              "all of it in lines": f"{token[:70]}\n{token[70:]}"}[then]
    code, shown = on_terminal(["join", "-c", parents], token[:60] + "\n", second + "\n", "y\n",
                              questions=("ends): ", "cut short so far", "[y/N] "))
    assert code == 0 and shown.count("cut short") == 1, shown
    assert token[:60] not in shown


def test_who_has_but_a_part_of_the_token_can_end(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    code, shown = on_terminal(["join", "-c", parents], token[:60] + "\n", "\n",
                              questions=("ends): ", "cut short so far"))
    assert code == 1 and "copy it again" in shown


def test_accept_prompts_too(home, parents):
    """Whatever is pasted in lines comes in whole; the wrong line is told."""
    where = {"nat": {"candidates": ["192.0.2.9:7788 host"]}}
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    joined = with_daemon(parents, b'{"ok":true}\n', "join", stdin=token, status=where).stdout
    reply = re.search("^lansplice-reply1:.*$", joined, re.M)[0]
    code, shown = on_terminal(["accept", "-c", home], f"{reply[:70]}\n{reply[70:]}\n")
    assert code == 0 and "parents calls itself parents" in shown, shown
    code, shown = on_terminal(["accept", "-c", home], token + "\n")
    assert code == 1 and "lansplice join" in shown and token not in shown


def test_all_of_a_screen_pasted_at_the_prompt(home, parents):
    where = {"nat": {"candidates": ["192.0.2.9:7788 host"]}}
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    code, shown = on_terminal(["join", "-c", parents],
                              f"$ lansplice invite\n{token}\nfingerprint: 1 2\nNext: x\n", "y\n")
    assert code == 0 and "fingerprint: " in shown, shown
    joined = with_daemon(parents, b'{"ok":true}\n', "join", stdin=token, status=where).stdout
    code, shown = on_terminal(["accept", "-c", home], joined)
    assert code == 0 and "parents calls itself parents" in shown, shown
    code, shown = on_terminal(["accept", "-c", home], "nothing of the kind\n")
    assert code == 1 and "not a reply" in shown


@pytest.mark.parametrize("command", ["join", "accept"])
def test_a_file_that_is_not_there(home, command):
    told = one_line(lansplice(command, "nosuchfile", "-c", home), 1)
    assert "there is no file nosuchfile" in told and "paste" in told


def test_a_home_does_not_invite_itself(home):
    assert "this home's own" in one_line(lansplice("invite", "home", "-c", home), 2)
    assert not (home.parent / "state/invites").exists()


@pytest.mark.parametrize("keys", ["\x03", "\x04", "\n\x04", "lansplice1:AQ\x03"])
def test_the_prompt_can_be_left(parents, keys):
    code, _ = on_terminal(["join", "-c", parents], keys)
    assert code == 1
    assert not (parents.parent / "peers.d").exists()


@pytest.mark.parametrize("answer", ["n\n", "\n", "\x04", "maybe\n"])
def test_another_fingerprint_joins_nobody(home, parents, answer):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    code, shown = on_terminal(["join", "-c", parents], token + "\n", answer)
    assert code == 1 and "nothing was changed" in shown
    assert not (parents.parent / "peers.d").exists()
    assert not (parents.parent / "state/joining").exists()


# --- a running daemon is told --------------------------------------------------------------------

def test_a_running_daemon_reloads(home, parents):
    invited = with_daemon(home, b'{"ok":true}\n', "invite", "parents")
    assert invited.returncode == 0 and "no daemon" not in invited.stderr
    joined = with_daemon(parents, b'{"ok":true}\n', "join", stdin=invited.stdout)
    assert joined.returncode == 0 and "lansplice run" not in joined.stdout


@pytest.mark.parametrize("answer,word", [(b'{"ok":false,"error":"no\x1broom"}\n', ""),
                                         (b'{"ok":false,"error":"because"}\n', "because"),
                                         (b"nonsense\n", "restart"), (b"", "does not answer"),
                                         (b"[]\n", "restart"), (b"7\n", "restart")])
def test_a_daemon_that_refuses_undoes_the_invite(home, answer, word):
    result = with_daemon(home, answer, "invite", "parents")
    assert word in one_line(result, 1)
    assert not (home.parent / "state/invites/parents").exists()


def test_a_stale_socket_is_no_daemon(home):
    path = home.parent / "control.sock"
    if len(str(path)) > 107:
        pytest.skip("the folder's path is too long for a socket")
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    assert lansplice("invite", "parents", "-c", home).returncode == 0


# --- the manual ----------------------------------------------------------------------------------

def test_every_option_and_command_stands_in_the_manual():
    listed = (ROOT / "daemon/config_options.h").read_text()
    manual = (ROOT / "packaging/man/lansplice.conf.5").read_text()
    options = re.findall(r'X\("([a-z0-9-]+)"', listed)
    assert len(options) > 25
    for option in options:
        assert re.search(rf"^\.It (Cm|Ic) {re.escape(option)}\b", manual, re.M), option
    commands = re.findall(r"^  ([a-z][a-z-]*)", lansplice("--help").stdout, re.M)
    manual = (ROOT / "packaging/man/lansplice.8").read_text()
    for command in commands:
        assert re.search(rf"^\.It Ic {re.escape(command)}\b", manual, re.M), command
