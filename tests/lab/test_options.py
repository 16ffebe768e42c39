# SPDX-License-Identifier: MIT
"""Each option's values, legal and not, and what a configuration may look like."""

import ctypes
import os
import re
import subprocess

import pytest

from commands import LANSPLICE, ROOT, key, one_line, public, secret
from commands import run as lansplice

def write_config(tmp_path, text):
    secret(tmp_path / "home.key", key() + "\n")
    conf = tmp_path / "lansplice.conf"
    conf.write_bytes(text if isinstance(text, bytes) else text.encode())
    return conf


def library_has_aegis():
    """Asked of the library itself, not of lansplice."""
    listed = subprocess.run(["ldd", LANSPLICE], capture_output=True, text=True, check=True).stdout
    library = re.search(r"libsodium\S* => (\S+)", listed).group(1)
    return hasattr(ctypes.CDLL(library), "crypto_aead_aegis128l_encrypt")


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
    GOOD + "icmp-hint = off\n",
    GOOD + "icmp-hint = on\n",
    GOOD + "stun = stun.example\nstun = stun.example:3479\n"
           "stun = 192.0.2.1\nstun = [2001:db8::1]\n",
    GOOD + "relay-for-peers = yes\n",
    GOOD + "stun =\nstun =\nturn =\nturn-secret =\nrelay-for-peers = no\n"
           "rendezvous-command =\nevent-command =\n",
    GOOD + "rendezvous-command = /bin/true\n",
    GOOD + "event-command = /bin/true\n",
    GOOD + PEER,
    GOOD + PEER + "keepalive = 0\n",
    GOOD + PEER + "keepalive = 65535\nendpoint = a.example:1\nendpoint = 192.0.2.1:65535\n"
                  "endpoint = [2001:db8::1]:7788\nendpoint = b:2\n",
    GOOD + "[test]\nrekey-after-ms = 100\nreject-after-ms = 200\ntoken-lifetime-ms = 5\n"
           "raise-after-ms = 2000\n",
    (GOOD + PEER).rstrip("\n"),
    GOOD + "# " + "x" * 190 + "\n",
], ids=range(25))
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
    (GOOD + "icmp-hint = maybe\n", 4, "on or off"),
    (GOOD + "stun = stun.example:0\n", 4, "HOST:PORT"),
    (GOOD + "stun = stun.example:\n", 4, "HOST:PORT"),
    (GOOD + "stun = 2001:db8::1\n", 4, "[IPv6] in brackets"),
    (GOOD + "stun = stun:stun.example\n", 4, "HOST:PORT"),
    (GOOD + "stun = _stun._udp.example\n", 4, "HOST:PORT"),
    (GOOD + "stun = a\nstun = b\nstun = c\nstun = d\nstun = e\n", 8, "at most 4"),
    (GOOD + "turn = u@h:1\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:h:1\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:@h:1\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:u@\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:u@h:\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:u@h:0\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:u@_turn._udp.h\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:u@2001:db8::1\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:" + "u" * 128 + "@h\n", 4, "turn:USER@HOST"),
    (GOOD + "turn = turn:u@h\n" * 4, 7, "at most 3"),
    (GOOD + "turn = turn:u@h\n", None, "turn-secret is missing"),
    (GOOD + "turn-secret = none.secret\n", 4, "missing"),
    (GOOD + "relay-for-peers = maybe\n", 4, "on or off"),
    (GOOD + "rendezvous-command = /x\n", 4, "cannot be found"),
    (GOOD + "rendezvous-command = /etc\n", 4, "cannot be run"),
    (GOOD + "rendezvous-command = /etc/passwd\n", 4, "cannot be run"),
    (GOOD + "rendezvous-command = /bin/true\nrendezvous-command =\n", 5, "twice"),
    (GOOD + "event-command = /x\n", 4, "cannot be found"),
    (GOOD + "event-command = /etc\n", 4, "cannot be run"),
    (GOOD + "event-command = /etc/passwd\n", 4, "cannot be run"),
    (GOOD + "event-command = /bin/true\nevent-command =\n", 5, "twice"),
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
    (GOOD + "".join(f"[peer p{i}]\npublic-key = {PEER_KEY}\n" for i in range(33)), 68,
     "at most 32"),
]


@pytest.mark.parametrize("text,line,word", BAD, ids=range(len(BAD)))
def test_bad_configuration(tmp_path, text, line, word):
    conf = write_config(tmp_path, text)
    message = one_line(lansplice("check-config", "-c", conf), 2)
    assert word in message
    assert (f"{conf}:{line}: " if line else f"{conf}: ") in message, message


TURN = GOOD + "turn = turn:u@a\nturn = turn:u@b\nturn = turn:u@c:1\nturn-secret = turn.secret\n"


@pytest.mark.parametrize("content,line,word", [
    ("", 7, "no password"),
    ("\n\r\n", 7, "no password"),
    ("a\nb\nc\nd\n", 7, "more than 3"),
    ("x" * 128, 7, "127 characters"),
    ("x" * 500, 7, "too large"),
    ("a\nb\n", None, "2 of them for 3"),
    ("one for all", None, None),
    ("a\r\nb\r\nc", None, None),
    ("x" * 127 + "\n" + "y" * 127 + "\n\n" + "z" * 127 + "\n", None, None),
], ids=range(9))
def test_turn_secret(tmp_path, content, line, word):
    conf = write_config(tmp_path, TURN)
    secret(tmp_path / "turn.secret", content)
    result = lansplice("check-config", "-c", conf)
    if word is None:
        assert result.returncode == 0, result.stderr
        return
    message = one_line(result, 2)
    assert word in message
    assert (f"{conf}:{line}: " if line else f"{conf}: ") in message, message


def test_aegis_where_libsodium_has_it(tmp_path):
    """Refused with the reason, or accepted: as the library that the binary is linked with."""
    conf = write_config(tmp_path, GOOD + "ciphers = aegis128l chacha20poly1305\n")
    result = lansplice("check-config", "-c", conf)
    if library_has_aegis():
        assert result.returncode == 0, result.stderr
    else:
        message = one_line(result, 2)
        assert f"{conf}:4: " in message and "libsodium >= 1.0.19" in message


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
@pytest.mark.parametrize("which", ["home.key", "turn.secret", "parents.psk"])
def test_key_files_are_private(tmp_path, which, permissions, good):
    conf = write_config(tmp_path, GOOD + "turn-secret = turn.secret\n" + PEER
                        + "preshared-key = parents.psk\n")
    secret(tmp_path / "parents.psk", key() + "\n")
    secret(tmp_path / "turn.secret", "password\n")
    (tmp_path / which).chmod(permissions)
    result = lansplice("check-config", "-c", conf)
    if good:
        assert result.returncode == 0
    else:
        line = {"home.key": 3, "turn.secret": 4, "parents.psk": 7}[which]
        message = one_line(result, 2)
        assert "chmod 600" in message and f"{conf}:{line}: " in message


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


def test_a_secret_with_a_nul_byte(tmp_path):
    (tmp_path / "turn").write_bytes(b"pass\0word\n")
    (tmp_path / "turn").chmod(0o600)
    conf = write_config(tmp_path, GOOD + "turn = turn:home@turn.example\nturn-secret = turn\n")
    assert "NUL byte" in one_line(lansplice("check-config", "-c", conf), 2)
