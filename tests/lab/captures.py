# SPDX-License-Identifier: MIT
"""Frames as tcpdump saw them on one interface of a machine."""
import signal
from contextlib import closing

from machine import wait_for

import scapy.config

scapy.config.conf.ipv6_enabled = False  # no look at the host's own routes at start
from scapy.layers.dhcp import BOOTP, DHCP  # noqa: E402,F401
from scapy.layers.dns import DNS, DNSRR  # noqa: E402,F401
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402,F401
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_RA,  # noqa: E402,F401
                                  ICMPv6NDOptDstLLAddr, IPv6)
from scapy.layers.l2 import ARP, Dot1Q, Ether  # noqa: E402,F401
from scapy.utils import PcapReader, RawPcapReader  # noqa: E402


class Capture:
    """tcpdump from construction on; frames() and count() read what is there by now."""

    def __init__(self, machine, interface, filter="", snap_bytes=9000):
        self.name = f"{machine.name} {interface} {filter}".strip()
        number = len(machine.processes)
        self.path = machine.folder / f"{machine.name}-{interface}-{number}.pcap"
        words = ["tcpdump", "-n", "-p", "-i", interface, "-U", "--immediate-mode", "-B", "8192",
                 "-s", snap_bytes, "-Z", "root", "-w", self.path]
        self.process = machine.start([*words, filter] if filter else words, name="tcpdump")
        wait_for(lambda: "listening on" in self.process.log() or not self.process.running, 30,
                 "tcpdump to listen", every=0.01)
        assert self.process.running, self.process.log()

    def stop(self):
        """No more frames; those seen so far are all in the file."""
        if self.process.running:
            self.process.kill(signal.SIGINT, 30)
        return self

    def raw(self):
        """(time_us, bytes) of each frame."""
        if not self.path.exists() or self.path.stat().st_size < 24:
            return []
        with closing(RawPcapReader(str(self.path))) as reader:
            return [(meta.sec * 1_000_000 + meta.usec, bytes(data)) for data, meta in reader]

    def frames(self, condition=lambda frame: True):
        """Scapy's view of each frame for which condition is true."""
        if not self.path.exists() or self.path.stat().st_size < 24:
            return []
        with closing(PcapReader(str(self.path))) as reader:
            return [frame for frame in reader if condition(frame)]

    def count(self, condition=None):
        return len(self.raw()) if condition is None else len(self.frames(condition))

    def summary(self, most=40):
        """One line per frame, for a person who looks at a failure."""
        try:
            raw = self.raw()
        except Exception as why:  # a cut file is still a reason to go on
            return f"{self.name}: {why}"
        lines = [f"{self.name}: {len(raw)} frames"]
        for time_us, data in raw[-most:]:
            lines.append(f"  {time_us / 1e6:.6f} {len(data)} {Ether(data).summary()[:110]}")
        return "\n".join(lines)


def checksums_good(frame):
    """True when scapy, asked to write the frame's checksums anew, writes the same bytes."""
    fresh = Ether(bytes(frame))
    for layer in ("IP", "UDP", "TCP", "ICMP"):
        if fresh.haslayer(layer):
            del fresh[layer].chksum
    again = Ether(bytes(fresh))
    return bytes(again) == bytes(Ether(bytes(frame)))
