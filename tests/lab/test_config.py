# SPDX-License-Identifier: MIT
"""Bad configurations: one line that says where and what to do, exit 2 or 1, nothing left behind."""
import os
import subprocess

import pytest

from lansplice import BINARY, tool, write_secret
from machine import wait_for

KEY = "[site]\nname = home\nprivate-key = {dir}/site.key\nbridge = br-lan\n"
PEER = KEY + "[peer parents]\npublic-key = {peer}\n"

# name: (file, what the error must name). {dir} is the folder, {peer} a good public key.
BAD_FILES = {
    "unknown-key": (KEY + "colour = red\n", ["lansplice.conf:5", "colour"]),
    "unknown-section": (KEY + "[sites]\nx = 1\n", ["sites"]),
    "no-section": ("name = home\n" + KEY, ["name"]),
    "no-value": (KEY + "port =\n", ["lansplice.conf:5", "port"]),
    "no-equals-sign": (KEY + "port 7788\n", ["lansplice.conf:5"]),
    "port-zero": (KEY + "port = 0\n", ["lansplice.conf:5", "port", "65535"]),
    "port-large": (KEY + "port = 65536\n", ["lansplice.conf:5", "port", "65536"]),
    "port-not-number": (KEY + "port = 77x\n", ["lansplice.conf:5", "port", "77x"]),
    "port-auto-not": (KEY + "port = automatic\n", ["lansplice.conf:5", "auto, or", "automatic"]),
    "port-negative": (KEY + "port = -1\n", ["lansplice.conf:5", "port", "-1"]),
    "name-with-path": (KEY.replace("home\n", "../x\n"), ["lansplice.conf:2", "name", "a-z"]),
    "name-with-shell": (KEY.replace("home\n", "$(x)\n"), ["lansplice.conf:2", "name", "a-z"]),
    "name-upper-case": (KEY.replace("home\n", "Home\n"), ["lansplice.conf:2", "name", "a-z"]),
    "name-too-long": (KEY.replace("home\n", "h" * 33 + "\n"), ["lansplice.conf:2", "name", "32"]),
    "peer-name-with-path": (KEY + "[peer ../x]\npublic-key = {peer}\n", ["lansplice.conf:5"]),
    "peer-name-with-shell": (KEY + "[peer $(x)]\npublic-key = {peer}\n", ["lansplice.conf:5"]),
    "peer-without-name": (KEY + "[peer]\npublic-key = {peer}\n", ["peer"]),
    "peer-without-key": (KEY + "[peer parents]\nkeepalive = 20\n", ["parents", "public-key"]),
    "peer-key-short": (KEY + "[peer parents]\npublic-key = AAAA\n", ["lansplice.conf:6",
                                                                     "public-key"]),
    "peer-key-zero": (KEY + "[peer parents]\npublic-key = " + "A" * 43 + "=\n", ["public-key"]),
    "peer-twice": (PEER + "[peer other]\npublic-key = {peer}\n", ["lansplice.conf:7", "other"]),
    "endpoint-no-port": (PEER + "endpoint = example.net\n", ["lansplice.conf:7", "endpoint"]),
    "endpoint-bad-port": (PEER + "endpoint = [::1]:99999\n", ["lansplice.conf:7", "endpoint"]),
    "keepalive-bad": (PEER + "keepalive = often\n", ["lansplice.conf:7", "keepalive"]),
    "psk-missing": (PEER + "preshared-key = {dir}/none.psk\n", ["none.psk"]),
    "guard-unknown": (KEY + "guard = dhcp rain\n", ["lansplice.conf:5", "rain", "dhcp", "gateway"]),
    "ttl-repair-unknown": (KEY + "ttl-repair = all\n", ["lansplice.conf:5", "all", "mdns", "ssdp"]),
    "multicast-unknown": (KEY + "multicast = some\n", ["lansplice.conf:5", "some", "discovery"]),
    "switch-unknown": (KEY + "ipv6-on-link = maybe\n", ["lansplice.conf:5", "maybe", "on", "off"]),
    "cipher-unknown": (KEY + "ciphers = rot13\n", ["lansplice.conf:5", "rot13",
                                                   "chacha20poly1305"]),
    "datagram-small": (KEY + "max-datagram = 100\n", ["lansplice.conf:5", "max-datagram", "100"]),
    "key-missing": (KEY.replace("site.key", "none.key"), ["none.key"]),
    "name-missing": ("[site]\nprivate-key = {dir}/site.key\n", ["name"]),
    "tap-name-long": (KEY + "tap = lansplice-is-too-long\n", ["lansplice.conf:5", "tap"]),
    "test-key-unknown": (KEY + "[test]\nrekey = 1\n", ["rekey"]),
    "test-map-rules": (KEY + "[test]\nmap-rules = map-*\n", ["lansplice.conf:6", "begins with /"]),
}


def write_configuration(folder, text):
    write_secret(folder / "site.key", tool("genkey"))
    path = folder / "lansplice.conf"
    peer = tool("pubkey", input=tool("genkey"))
    path.write_text(text.format(dir=folder, peer=peer))
    return path


def check_refusal(done, status, *words):
    """One error on stderr, no more, that begins with our name and holds these words.

    A warning that the log wrote before it is no error.
    """
    lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("warn: ")]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("lansplice: "), lines
    assert lines[0].count(": ") >= 2, f"what, where, what to do: {lines[0]}"
    for word in words:
        assert word in lines[0], f"{word!r} is not named: {lines[0]}"
    assert done.returncode == status, lines


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_file(tmp_path, case):
    text, words = BAD_FILES[case]
    path = write_configuration(tmp_path, text)
    before = sorted(tmp_path.iterdir())
    for command in "check-config", "run":
        done = subprocess.run([BINARY, "-c", path, command], capture_output=True, text=True,
                              timeout=10)
        check_refusal(done, 2, *words)
    assert sorted(tmp_path.iterdir()) == before


def test_good_file(tmp_path):
    path = write_configuration(tmp_path, PEER + "keepalive = 20\n")
    done = subprocess.run([BINARY, "-c", path, "check-config"], capture_output=True, text=True,
                          timeout=10)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_key_file_others_may_read(tmp_path, mode):
    path = write_configuration(tmp_path, KEY)
    (tmp_path / "site.key").chmod(mode)
    done = subprocess.run([BINARY, "-c", path, "check-config"], capture_output=True, text=True,
                          timeout=10)
    check_refusal(done, 2, "site.key", "600")


@pytest.mark.parametrize("text", ["", "short\n", "A" * 44 + "\n", "!" * 43 + "=\n"])
def test_key_file_with_no_key(tmp_path, text):
    path = write_configuration(tmp_path, KEY)
    write_secret(tmp_path / "site.key", text)
    done = subprocess.run([BINARY, "-c", path, "check-config"], capture_output=True, text=True,
                          timeout=10)
    check_refusal(done, 2, "site.key")


def test_no_file(tmp_path):
    done = subprocess.run([BINARY, "-c", tmp_path / "none.conf", "check-config"],
                          capture_output=True, text=True, timeout=10)
    check_refusal(done, 2, "none.conf")


@pytest.mark.parametrize("arguments", [["dance"], ["--dance"], ["-c"], ["genkey", "more"],
                                       ["status", "--jason"], []])
def test_bad_usage(arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2
    assert done.stderr.startswith(("lansplice: ", "usage: "))


@pytest.mark.parametrize("name", ["../x", "a\nb", "$(x)", "", "A", "x" * 33, "a b"])
def test_bad_names(lab, a, name):
    """Names that would be paths, lines or commands are refused where they come in."""
    daemon = lab.daemon(a)
    daemon.write()
    before = sorted(os.listdir(daemon.folder))
    done = daemon.command("invite", name, check=False)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert sorted(os.listdir(daemon.folder)) == before
    done = daemon.machine.run([BINARY, "-c", daemon.folder / "new" / "lansplice.conf", "init",
                               "--name", name], check=False)
    assert done.returncode == 2
    assert not (daemon.folder / "new" / "lansplice.conf").exists()


@pytest.mark.parametrize("token", ["", "hello", "lansplice1:", "A" * 5000, "x\ny", "$(reboot)",
                                   "../../etc/passwd", "\x1b[31m"])
def test_bad_tokens(lab, a, token):
    daemon = lab.daemon(a)
    daemon.write()
    before = sorted(os.listdir(daemon.folder))
    done = daemon.command("join", "-", input=token + "\n", check=False)
    assert done.returncode in (1, 2)
    assert len(done.stderr.strip().splitlines()) == 1
    assert "\x1b" not in done.stderr
    assert sorted(os.listdir(daemon.folder)) == before


def refused_by_the_system(daemon, *words, status=1):
    before = daemon.machine.shape()
    daemon.write()
    done = daemon.command("run", check=False)
    check_refusal(done, status, *words)
    assert daemon.machine.shape() == before
    assert not daemon.machine.ok("ls /run/lansplice.sock")


def test_bridge_missing(lab, a):
    lab.daemon(a).site["bridge"] = "br-none"
    refused_by_the_system(a.lansplice, "br-none", "[site]")


def test_bridge_is_no_bridge(lab, a):
    lab.daemon(a).site["bridge"] = "wan"
    refused_by_the_system(a.lansplice, "wan")


def test_port_in_use(lab, a):
    lab.daemon(a)
    a.router.start(["/usr/bin/python3", "-c", "import socket, time\n"
                    "s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)\n"
                    "s.bind(('::', 7788)); print('bound', flush=True); time.sleep(100)"])
    holder = a.router.processes[-1]
    wait_for(lambda: "bound" in holder.log(), 5)
    refused_by_the_system(a.lansplice, "7788", "port")


def test_no_tun_device(lab, a):
    lab.daemon(a)
    a.router.run("mount -t tmpfs tmpfs /dev/net")
    refused_by_the_system(a.lansplice, "/dev/net/tun")


def test_not_root(lab, a):
    daemon = lab.daemon(a)
    daemon.write()
    for path in (daemon.folder, *daemon.folder.iterdir()):
        os.chown(path, 65534, 65534)
    daemon.folder.chmod(0o755)
    before = a.router.shape()
    # pytest's folders are root's alone: the file is handed over where nobody may come.
    a.router.run(f"mkdir -m 755 /run/nobody && cp -p {daemon.folder}/* /run/nobody && "
                 f"cp {BINARY} /run/nobody/ && "
                 f"sed -i 's|{daemon.folder}|/run/nobody|' /run/nobody/lansplice.conf")
    done = a.router.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                         "/run/nobody/lansplice", "-c", "/run/nobody/lansplice.conf", "run"],
                        check=False)
    check_refusal(done, 1, "root")
    assert a.router.shape() == before


def test_second_daemon(lab, a):
    """A second daemon for the same site is refused and the first goes on."""
    daemon = lab.daemon(a).start()
    done = daemon.command("run", check=False)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert daemon.process.running and daemon.status()["tap"] == "lansplice0"


def test_status_without_a_daemon(lab, a):
    lab.daemon(a).write()
    check_refusal(a.lansplice.command("status", check=False), 1, "/run/lansplice.sock")
