# SPDX-License-Identifier: MIT
"""The command line and the configuration: the real binary, files in a folder, no network.

LANSPLICE names the binary; build/gcc-testing/lansplice if it does not.
"""

import base64
import json
import os
import pty
import re
import select
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LANSPLICE = os.path.abspath(os.environ.get("LANSPLICE", ROOT / "build/gcc-testing/lansplice"))


def lansplice(*arguments, stdin="", **more):
    return subprocess.run([LANSPLICE, *map(str, arguments)], input=stdin, text=True,
                          capture_output=True, timeout=20, **more)


def key():
    return lansplice("genkey").stdout.strip()


def public(private):
    return lansplice("pubkey", stdin=private + "\n").stdout.strip()


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


def secret(path, text, permissions=0o600):
    path.write_text(text)
    path.chmod(permissions)
    return path


@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path / "home", "home")


@pytest.fixture
def parents(tmp_path):
    return make_home(tmp_path / "parents", "parents")


def make_home(folder, name):
    conf = folder / "lansplice.conf"
    assert lansplice("init", "--name", name, "-c", conf).returncode == 0
    text = conf.read_text().replace("port = 7788", "control = control.sock\nport = 7788")
    conf.write_text(text)
    return conf


def one_line(result, code):
    """A failure as the contract wants it: the exit code, one line, nothing on stdout."""
    assert result.returncode == code, result.stderr
    assert result.stdout == ""
    assert re.fullmatch(r"lansplice: [^\n]+\n", result.stderr), result.stderr
    return result.stderr


# --- usage ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [
    [], ["bogus"], ["--bogus"], ["-c"], ["init", "extra"], ["init", "--json"], ["init", "--name"],
    ["init", "--name", "Not Good", "-c", "/nonexistent/x"], ["invite"], ["invite", "a", "b"],
    ["invite", "../x"], ["invite", "a" * 33], ["invite", "x", "--endpoint", "no-port"],
    ["join", "a", "b"], ["status", "x"], ["status", "--name", "x"], ["run", "--json"],
    ["genkey", "x"], ["check-config", "--watch"],
    ["invite", "x"] + ["--endpoint", "h:1"] * 5, ["accept"], ["services"], ["doctor"], ["capture"],
])
def test_wrong_usage_is_one_line_and_exit_2(arguments):
    one_line(lansplice(*arguments), 2)


def test_help_lists_only_what_works():
    text = lansplice("--help").stdout
    commands = re.findall(r"^  ([a-z][a-z-]*)", text, re.M)
    assert commands == ["init", "invite", "join", "run", "status", "check-config", "genkey",
                        "pubkey", "genpsk"]


def test_version():
    result = lansplice("--version")
    assert result.returncode == 0 and re.fullmatch(r"lansplice \d+\.\d+\.\d+\n", result.stdout)


def test_config_option_before_and_after_the_command(home):
    for arguments in (["-c", home, "check-config"], ["check-config", "-c", home],
                      ["check-config", "--config", home], [f"-c{home}", "check-config"]):
        assert lansplice(*arguments).returncode == 0


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


# --- configuration -------------------------------------------------------------------------------

def write_config(tmp_path, text):
    secret(tmp_path / "home.key", key() + "\n")
    conf = tmp_path / "lansplice.conf"
    conf.write_bytes(text if isinstance(text, bytes) else text.encode())
    return conf


GOOD = "[site]\nname = home\nprivate-key = home.key\n"
PEER_KEY = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="
PEER = f"[peer parents]\npublic-key = {PEER_KEY}\n"


@pytest.mark.parametrize("text", [
    GOOD,
    GOOD.replace("\n", "\r\n"),
    "\ufeff" + GOOD,
    "; comment\n# comment\n\n" + GOOD + "  # indented comment\n",
    GOOD.replace("name = home", "name = home ; why") + "tap = x0\t# tab before\n",
    GOOD + "port=1\nbridge=\ntap = abcdefghijklmno\n",
    GOOD + "  guard = dhcp   ra gateway hosts querier stp\n",
    GOOD + "guard = off\nttl-repair = off\nmulticast = all\nra-routes = on\nhub = yes\n",
    GOOD + "ttl-repair = ssdp\nmulticast = discovery\nipv6-on-link = off\nmax-datagram = 1200\n",
    GOOD + "max-datagram = auto\nciphers = auto\n",
    GOOD + "max-datagram = 9000\nciphers = chacha20poly1305\n",
    GOOD + "ciphers = aes256gcm chacha20poly1305\n",
    GOOD + "icmp-hint = off\nstun =\nstun =\nturn =\nturn-secret =\nrelay-for-peers = no\n"
           "rendezvous-command =\nevent-command =\n",
    GOOD + PEER,
    GOOD + PEER + "keepalive = 0\n",
    GOOD + PEER + "keepalive = 65535\nendpoint = a.example:1\nendpoint = 192.0.2.1:65535\n"
                  "endpoint = [2001:db8::1]:7788\nendpoint = b:2\n",
    GOOD + "[test]\nrekey-after-ms = 100\nreject-after-ms = 200\ntoken-lifetime-ms = 5\n",
    (GOOD + PEER).rstrip("\n"),
    GOOD + "# " + "x" * 190 + "\n",
], ids=range(19))
def test_good_configuration(tmp_path, text):
    result = lansplice("check-config", "-c", write_config(tmp_path, text))
    assert result.returncode == 0, result.stderr


BAD = [
    # text, the line at fault (None: no line), a word of the message
    ("", None, "[site]"),
    ("[site]\nprivate-key = home.key\n", None, "name"),
    ("[site]\nname = home\n", None, "private-key"),
    ("name = home\n" + GOOD, 1, "outside a section"),
    (GOOD + "bogus = 1\n", 4, "ipv6-on-link"),
    (GOOD + "endpoint = a:1\n", 4, "unknown option"),
    (GOOD + "name = again\n", 4, "twice"),
    (GOOD + "name =\n", 4, "twice"),
    (GOOD + "[site]\nport = 1\n", 4, "twice"),
    (GOOD + "[bogus]\n", 4, "[peer NAME]"),
    (GOOD + "[peer]\n", 4, "[peer NAME]"),
    (GOOD + "[peer parents\n", 4, "bad section"),
    (GOOD + "nonsense\n", 4, "option = value"),
    (GOOD + "= 1\n", 4, "unknown option"),
    (GOOD + "  continued line\n", 4, "option = value"),
    ("[site]\nname = Home\nprivate-key = home.key\n", 2, "a-z, 0-9"),
    ("[site]\nname = " + "a" * 33 + "\nprivate-key = home.key\n", 2, "1 to 32"),
    ("[site]\nname =\nprivate-key = home.key\n", 2, "1 to 32"),
    ("[site]\nname = home\nprivate-key = none.key\n", 3, "missing"),
    ("[site]\nname = home\nprivate-key = .\n", 3, "regular file"),
    ("[site]\nname = home\nprivate-key =\n", 3, "mode 0600"),
    (GOOD + "port = 0\n", 4, "1 to 65535"),
    (GOOD + "port = 65536\n", 4, "1 to 65535"),
    (GOOD + "port = 4294974084\n", 4, "1 to 65535"),
    (GOOD + "port = 18446744073709559404\n", 4, "1 to 65535"),
    (GOOD + "port = 7788x\n", 4, "1 to 65535"),
    (GOOD + "port = -1\n", 4, "1 to 65535"),
    (GOOD + "port = 0x10\n", 4, "1 to 65535"),
    (GOOD + "port =\n", 4, "1 to 65535"),
    (GOOD + "bridge = abcdefghijklmnop\n", 4, "at most 15"),
    (GOOD + "bridge = a/b\n", 4, "at most 15"),
    (GOOD + "tap =\n", 4, "1 to 15"),
    (GOOD + "tap = ..\n", 4, "1 to 15"),
    (GOOD + "control =\n", 4, "socket"),
    (GOOD + "control = /" + "x" * 107 + "\n", 4, "107"),
    (GOOD + "ttl-repair = dns\n", 4, "mdns ssdp"),
    (GOOD + "ttl-repair =\n", 4, "mdns ssdp"),
    (GOOD + "guard = dhcp off\n", 4, "querier"),
    (GOOD + "guard = dhcpdhcpdhcpdhcpdhcpdhcpdhcp\n", 4, "querier"),
    (GOOD + "multicast = some\n", 4, "discovery or all"),
    (GOOD + "ra-routes = maybe\n", 4, "on or off"),
    (GOOD + "hub = true\n", 4, "on or off"),
    (GOOD + "max-datagram = 1199\n", 4, "1200 to 9000"),
    (GOOD + "max-datagram = 9001\n", 4, "1200 to 9000"),
    (GOOD + "ciphers =\n", 4, "chacha20poly1305"),
    (GOOD + "ciphers = rot13\n", 4, "chacha20poly1305"),
    (GOOD + "ciphers = chacha20poly1305 chacha20poly1305\n", 4, "auto"),
    (GOOD + "ciphers = aegis128l chacha20poly1305\n", 4, "libsodium >= 1.0.19"),
    (GOOD + "icmp-hint = on\n", 4, "not in this version yet"),
    (GOOD + "stun = stun.example:3478\n", 4, "not in this version yet"),
    (GOOD + "turn = turn:u@h:1\n", 4, "not in this version yet"),
    (GOOD + "turn-secret = /x\n", 4, "not in this version yet"),
    (GOOD + "relay-for-peers = yes\n", 4, "not in this version yet"),
    (GOOD + "rendezvous-command = /x\n", 4, "not in this version yet"),
    (GOOD + "event-command = /x\n", 4, "not in this version yet"),
    (GOOD + "[peer parents]\nkeepalive = 1\n", 4, "public-key is missing"),
    (GOOD + "[peer Parents]\n", 4, "a-z, 0-9"),
    (GOOD + "[peer ../x]\n", 4, "a-z, 0-9"),
    (GOOD + "[peer " + "a" * 33 + "]\n", 4, "1 to 32"),
    (GOOD + "[peer parents]\npublic-key = x\n", 5, "base64"),
    (GOOD + "[peer parents]\npublic-key = " + "A" * 43 + "=\n", 5, "base64"),
    (GOOD + "[peer parents]\npublic-key = AQ" + "A" * 41 + "=\n", 4, "unusable key"),
    (GOOD + "[peer parents]\npublic-key = " + PEER_KEY + "x\n", 5, "base64"),
    (GOOD + PEER + "port = 1\n", 6, "preshared-key"),
    (GOOD + PEER + "public-key = " + PEER_KEY + "\n", 6, "twice"),
    (GOOD + PEER + PEER, 6, "two peers of one name"),
    (GOOD + PEER + PEER.replace("parents", "cousins"), 6, "two peers of one key"),
    (GOOD + PEER + "preshared-key = none.psk\n", 6, "missing"),
    (GOOD + PEER + "endpoint =\n", 6, "HOST:PORT"),
    (GOOD + PEER + "endpoint = host\n", 6, "HOST:PORT"),
    (GOOD + PEER + "endpoint = host:0\n", 6, "HOST:PORT"),
    (GOOD + PEER + "endpoint = 2001:db8::1:7788\n", 6, "HOST:PORT"),
    (GOOD + PEER + "endpoint = a:1\n" * 5, 10, "at most 4"),
    (GOOD + PEER + "keepalive = 65536\n", 6, "0 (off)"),
    (GOOD + PEER + "keepalive = 20s\n", 6, "0 (off)"),
    (GOOD + "[test]\nbogus = 1\n", 5, "rekey-after-ms"),
    (GOOD + "[test]\nrekey-after-ms = 0\n", 5, "1 to"),
    (GOOD + "#" + "x" * 300 + "\n", 4, "too long"),
    (GOOD + "tap = a\0b\n", 4, "plain UTF-8"),
    (GOOD + "tap = a\x1b[31mb\n", 4, "plain UTF-8"),
    (GOOD.encode("utf-16"), 1, "plain UTF-8"),
    (GOOD + "".join(f"[peer p{i}]\npublic-key = {PEER_KEY}\n" for i in range(33)), 68, "at most 32"),
]


@pytest.mark.parametrize("text,line,word", BAD, ids=range(len(BAD)))
def test_bad_configuration(tmp_path, text, line, word):
    conf = write_config(tmp_path, text)
    message = one_line(lansplice("check-config", "-c", conf), 2)
    assert word in message
    assert (f"{conf}:{line}: " if line else f"{conf}: ") in message, message


def test_own_key_as_a_peer(tmp_path):
    conf = write_config(tmp_path, GOOD)
    own = public((tmp_path / "home.key").read_text())
    conf.write_text(GOOD + f"[peer me]\npublic-key = {own}\n")
    assert f"{conf}:4: " in one_line(lansplice("check-config", "-c", conf), 2)


def test_a_missing_file_says_init(tmp_path):
    for command in (["check-config"], ["invite", "x"], ["join"], ["run"], ["status"]):
        message = one_line(lansplice(*command, "-c", tmp_path / "none.conf"), 2)
        assert "lansplice init" in message and "none.conf" in message


@pytest.mark.parametrize("permissions,good", [
    (0o600, True), (0o400, True), (0o640, False), (0o604, False), (0o660, False), (0o601, False)])
@pytest.mark.parametrize("which", ["home.key", "parents.psk"])
def test_key_files_are_private(tmp_path, which, permissions, good):
    conf = write_config(tmp_path, GOOD + PEER + "preshared-key = parents.psk\n")
    secret(tmp_path / "parents.psk", key() + "\n")
    (tmp_path / which).chmod(permissions)
    result = lansplice("check-config", "-c", conf)
    if good:
        assert result.returncode == 0
    else:
        message = one_line(result, 2)
        assert "chmod 600" in message and f"{conf}:{3 if which == 'home.key' else 6}: " in message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_key_file_of_another_user(tmp_path):
    conf = write_config(tmp_path, GOOD)
    os.chown(tmp_path / "home.key", 12345, 12345)
    assert "another user" in one_line(lansplice("check-config", "-c", conf), 2)


@pytest.mark.parametrize("text", ["", "\n", "x" * 44, "A" * 42 + "=", "A" * 44 + "\n" + "A" * 44,
                                  "A" * 43 + "=x", "A" * 1000])
def test_key_file_of_the_wrong_length(tmp_path, text):
    conf = write_config(tmp_path, GOOD)
    secret(tmp_path / "home.key", text)
    message = one_line(lansplice("check-config", "-c", conf), 2)
    assert "32 bytes in base64" in message
    assert len(text) < 40 or text[:40] not in message


def test_peers_directory(tmp_path):
    conf = write_config(tmp_path, GOOD)
    peers = tmp_path / "peers.d"
    peers.mkdir()
    secret(peers / "parents.psk", key() + "\n")
    (peers / "parents.conf").write_text(PEER + "preshared-key = parents.psk\n")
    (peers / ".hidden.conf").write_text("nonsense")
    (peers / "old.conf.bak").write_text("nonsense")
    assert "1 peer" in lansplice("check-config", "-c", conf).stdout
    (peers / "site.conf").write_text("[site]\nport = 1\n")
    message = one_line(lansplice("check-config", "-c", conf), 2)
    assert f"{peers}/site.conf:1: " in message and "[peer NAME]" in message
    (peers / "site.conf").write_text(PEER)
    message = one_line(lansplice("check-config", "-c", conf), 2)
    assert f"{peers}/site.conf:1: " in message and f"{peers}/parents.conf:1" in message


def test_a_plain_build_does_not_know_the_test_section():
    """The section is compiled out, not hidden: its options are no strings of such a binary."""
    plain = ROOT / "build/gcc/lansplice"
    if not plain.exists():
        pytest.skip("no plain build")
    assert b"rekey-after-ms" not in plain.read_bytes()


# --- invite and join -----------------------------------------------------------------------------

def fingerprint(text):
    return re.search(r"^fingerprint: ((?:\d{4,5} ?)+)$", text, re.M).group(1)


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


def test_join_under_another_name(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout
    assert lansplice("join", "-", "--name", "kids", "-c", parents, stdin=token).returncode == 0
    assert (parents.parent / "peers.d/kids.conf").exists()
    one_line(lansplice("join", "--name", "../x", "-c", parents, stdin=token), 2)


def test_own_token_is_refused(home):
    token = lansplice("invite", "parents", "-c", home).stdout
    assert "other home" in one_line(lansplice("join", "-c", home, stdin=token), 1)
    assert not (home.parent / "peers.d").exists()


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


def on_terminal(arguments, keys):
    """Run on a terminal of its own and type. Return: the exit code and all that was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(LANSPLICE, [LANSPLICE, *map(str, arguments)])
    shown, typed = b"", False
    while select.select([terminal], [], [], 20)[0]:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if not typed and b": " in shown:
            os.write(terminal, keys.encode())
            typed = True
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def test_join_prompts_without_echo(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    code, shown = on_terminal(["join", "-c", parents], token + "\n")
    assert code == 0, shown
    assert token not in shown and "fingerprint: " in shown


def test_a_token_pasted_in_lines(home, parents):
    token = lansplice("invite", "parents", "-c", home).stdout.strip()
    code, shown = on_terminal(["join", "-c", parents], token[:60] + "\n" + token[60:] + "\n")
    assert code == 0, shown


@pytest.mark.parametrize("keys", ["\x03", "\n", "\x04", "lansplice1:AQ\x03"])
def test_the_prompt_can_be_left(parents, keys):
    code, _ = on_terminal(["join", "-c", parents], keys)
    assert code == 1
    assert not (parents.parent / "peers.d").exists()


# --- a running daemon is told --------------------------------------------------------------------

class Daemon:
    """Answers one connection on a control socket."""

    def __init__(self, path, answer):
        self.received = b""
        self.answer = answer
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen(1)
        self.socket.settimeout(10)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        client, _ = self.socket.accept()
        while not self.received.endswith(b"\n"):
            self.received += client.recv(100)
        client.sendall(self.answer)
        client.close()

    def stop(self):
        self.thread.join(10)
        self.socket.close()


def with_daemon(conf, answer, *arguments, **more):
    # The socket's path is at most 107 characters; the folder of a test may be longer.
    path = Path(f"/tmp/lansplice-test-{os.getpid()}.sock")
    conf.write_text(re.sub(r"control = .*", f"control = {path}", conf.read_text()))
    daemon = Daemon(path, answer)
    try:
        result = lansplice(*arguments, "-c", conf, **more)
        daemon.stop()
    finally:
        path.unlink()
    assert json.loads(daemon.received) == {"command": "reload"}
    return result


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
