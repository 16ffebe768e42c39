# SPDX-License-Identifier: MIT
"""The ways to join two homes' bridges that are measured, each a small class; others' are in rivals.

A peer knows whether it can run here (missing()), and how it is started at both routers (start()).
It is ready when a host of one home reaches one of the other; it ends with its network, which kills
whatever runs inside. Its programs are started by Site.start(), which makes them count. Settings
are what each one's documentation says is fast; all carry the hosts' 1500 bytes.
"""
import ctypes
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from lansplice import BINARY, Lansplice
from machine import wait_for

CIPHERS = {"aegis128l": "AEGIS-128L", "aes256gcm": "AES-256-GCM",
           "chacha20poly1305": "ChaCha20-Poly1305"}  # best first


def plug(site, interface):
    """Make an interface a port of the home's bridge, as soon as it is there."""
    wait_for(lambda: site.router.ok(f"ip link show {interface}"), 10, f"{interface} to appear")
    site.router.run(f"ip link set {interface} mtu 1500 master br-lan up")


def write(network, name, text):
    path = network.folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def pairs(network):
    """Both sites, each with the other."""
    return (network.a, network.b), (network.b, network.a)


class Peer:
    """What all have in common."""
    name = ""
    title = ""     # as readers know it; else its name
    encrypted = True
    ours = False
    programs = ()  # that must be installed
    note = ""
    ready_seconds = 15
    settle_seconds = 1  # from the first ping to full speed: searching the path MTU and the like

    def missing(self):
        """Why it cannot run here; None when it can."""
        absent = [program for program in self.programs if not shutil.which(program)]
        return f"{' and '.join(absent)} not installed: scripts/install-deps bench" \
            if absent else None

    def binary(self):
        """The file whose size is told, if there is one."""
        return shutil.which(self.programs[0]) if self.programs else None

    def start(self, network):
        raise NotImplementedError

    def wait_ready(self, network):
        """Ping every 10 ms until one is answered.

        On a line that loses packets a handshake may take some peers several tries.
        """
        seconds = self.ready_seconds * (4 if network.condition == "lossy" else 1)
        done = network.a.host.run(["ping", "-n", "-q", "-i", "0.01", "-c", "1", "-w", seconds,
                                   network.b.host.ip], check=False, seconds=seconds + 10)
        if done.returncode:
            raise AssertionError(f"no ping crossed within {seconds} s")

    def settle(self, network):
        """Start some traffic with large packets, until it is as fast as it gets; the process."""
        return network.a.host.start(["ping", "-n", "-q", "-i", "0.2", "-s", "1400",
                                     "-w", self.settle_seconds, network.b.host.ip])


class Cable(Peer):
    name, title, encrypted = "cable", "a plain cable", False
    note = "a wire between the two bridges: the ceiling"

    def start(self, network):
        a, b = network.a.router, network.b.router
        network.join(a, "cable", b, "cable")
        for router in a, b:
            router.run("ip link set cable master br-lan")


class Vxlan(Peer):
    name, title, encrypted = "vxlan", "kernel VXLAN", False
    note = "the kernel's, not encrypted: a ceiling"

    def start(self, network):
        for site, other in pairs(network):
            site.router.run(f"ip link add vx0 type vxlan id 42 dstport 4789 local {site.wan_ip} "
                            f"remote {other.wan_ip}")
            plug(site, "vx0")


def sodium_version(program):
    """Of the libsodium that a program is linked with, e.g. "1.0.18"; "" if that cannot be told."""
    shown = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    library = re.search(r"libsodium\S* => (\S+)", shown)
    if not library:
        return ""
    version = ctypes.CDLL(library[1]).sodium_version_string
    version.restype = ctypes.c_char_p
    return version().decode()


class LansplicePeer(Peer):
    """A build of lansplice with one cipher. label tells builds apart when there are several."""
    ours = True

    def __init__(self, cipher, binary=BINARY, label="lansplice"):
        self.cipher, self.path, self.name = cipher, Path(binary), f"{label}-{cipher}"
        self.label, self.sodium = label, sodium_version(self.path)
        self.title = f"lansplice {CIPHERS[cipher]}"
        self.note = f"libsodium {self.sodium}" if self.sodium else ""

    def missing(self):
        if not self.path.is_file():
            return f"{self.path} is not there: run make"
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "home.conf"
            subprocess.run([self.path, "-c", config, "init"], capture_output=True, check=True)
            config.write_text(config.read_text().replace(
                "[site]", f"[site]\nciphers = {self.cipher}", 1))
            done = subprocess.run([self.path, "-c", config, "check-config"], capture_output=True,
                                  text=True)
        said = done.stderr.strip().replace(f"{config}:", "line ") or "check-config failed"
        return None if done.returncode == 0 else said

    def binary(self):
        return self.path

    def start(self, network):
        one, other = (Lansplice(site.router, site.name, network.folder) for site in network.sites)
        one.add_peer(other, f"{network.b.wan_ip}:7788")
        other.add_peer(one, f"{network.a.wan_ip}:7788")
        for site, daemon in zip(network.sites, (one, other)):
            daemon.site["ciphers"] = self.cipher
            site.start([self.path, "-c", daemon.write(), "run"], name="lansplice")
