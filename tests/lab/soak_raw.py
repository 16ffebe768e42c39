# SPDX-License-Identifier: MIT
"""Frames that no program of today sends but a LAN may carry, made by scapy: what crosses, and what
has to stay at home."""
import struct

import scapy.config

from captures import ARP, BOOTP, DHCP, ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6
from scapy.layers.dhcp6 import DHCP6_Solicit
from scapy.layers.inet import IPOption_RR, fragment
from scapy.layers.inet6 import (ICMPv6MLQuery, ICMPv6ND_RA, ICMPv6ND_RS, IPv6ExtHdrDestOpt,
                                IPv6ExtHdrHopByHop, PadN)
from scapy.packet import Raw

DISCARD = 9
TYPES = (0x22F0, 0x88B6, 0x88F7, 0x8915, 0xF00D)  # AVTP, experimental, PTP, RoCE, none
LLC_NETBIOS = b"\xf0\xf0\x03"
BROADCAST = "ff:ff:ff:ff:ff:ff"
SMALLEST, LARGEST = 60, 1514
OPTION_SETS = ([], [("NOP", None), ("NOP", None), ("Timestamp", (77, 99))],
               [("NOP", None), ("NOP", None), ("SAck", (100, 200, 300, 400))],
               [("Timestamp", (5, 6)), ("NOP", None), ("NOP", None), (253, b"\1\2")])
PATTERNS = ("plain", "plain", "push", "hole", "twice", "wrong", "options", "urgent", "cwr",
            "window", "acknowledgement", "no-df")
IP_PATTERNS = ("ecn", "dscp", "ttl", "label")
FLAG_BITS = 1 << 9  # with NS


def built(frames):
    """Bytes of scapy's frames, with IPv6's checksums, which the lab's scapy leaves out."""
    scapy.config.conf.ipv6_enabled = True
    try:
        return [bytes(frame) for frame in frames]
    finally:
        scapy.config.conf.ipv6_enabled = False


class Maker:
    """Frames from one host to another; dice is a random.Random."""

    def __init__(self, near, far, dice):
        self.near, self.far, self.dice = near, far, dice
        self.ether = Ether(src=near.mac(), dst=far.mac())

    def data(self, count):
        return Raw(self.dice.randbytes(count))

    def ip(self, family=None, **fields):
        if (family or self.dice.choice((4, 6))) == 4:
            return IP(src=self.near.ip, dst=self.far.ip, id=self.dice.randrange(65536), **fields)
        fields.pop("flags", None)
        return IPv6(src=self.near.ip6, dst=self.far.ip6, fl=self.dice.randrange(1 << 20),
                    **{{"ttl": "hlim", "tos": "tc"}.get(k, k): v for k, v in fields.items()})

    # What crosses.

    def other(self):
        """EtherTypes of which nothing is known, and 802.3 with LLC; to the host, some to all."""
        size = self.dice.randrange(SMALLEST, LARGEST + 1)
        kind = self.dice.choice((*TYPES, None))
        dst = BROADCAST if self.dice.random() < 0.1 else self.ether.dst
        body = self.dice.randbytes(size - 14)
        if kind is None:
            kind, body = size - 14, LLC_NETBIOS + body[3:]
        return [bytes(Ether(src=self.ether.src, dst=dst, type=kind)) + body]

    def tagged(self):
        """802.1Q with any priority, VID 0 among them, and two tags."""
        tags = Dot1Q(vlan=self.dice.choice((0, 5, 4094)), prio=self.dice.randrange(8),
                     id=self.dice.randrange(2))
        ether = self.ether.copy()
        if self.dice.random() < 0.5:
            ether.type = 0x88A8
            tags = Dot1Q(vlan=100, type=0x8100) / tags
        return [ether / tags / self.ip() / UDP(sport=4000, dport=DISCARD)
                / self.data(self.dice.randrange(1400))]

    def tcp_run(self):
        """Segments that go on one from the other, with one thing wrong on the way: what a receiver
        would join, and what it must not."""
        dice, pattern = self.dice, self.dice.choice(PATTERNS + IP_PATTERNS)
        size, sequence = dice.randrange(1, 1380), dice.randrange(1 << 32)
        head = {"sport": dice.randrange(20000, 20008), "dport": DISCARD, "ack": dice.randrange(9),
                "window": 500, "options": dice.choice(OPTION_SETS)}
        ip = self.ip(ttl=64, tos=2, flags=0 if pattern == "no-df" else "DF")
        frames, odd = [], dice.randrange(1, 5)
        for number in range(6):
            one, segment = ip.copy(), TCP(flags="A", seq=sequence, **head)
            if number == odd:
                self._spoil(pattern, one, segment, size)
            frames.append(self.ether / one / segment / self.data(size))
            if pattern == "twice" and number == odd:
                frames.append(frames[-1])
            sequence = (sequence + size) % (1 << 32)
            if isinstance(ip, IP):
                ip.id = (ip.id + 1) % 65536
        return frames

    def _spoil(self, pattern, ip, segment, size):
        self._spoil_ip(pattern, ip)
        if pattern == "push":
            segment.flags = "PA"
        elif pattern == "hole":
            segment.seq = (segment.seq + size) % (1 << 32)
        elif pattern == "wrong":
            segment.chksum = self.dice.randrange(1, 65535)
        elif pattern == "options":
            segment.options = self.dice.choice(OPTION_SETS)
        elif pattern == "urgent":  # the pointer means nothing without the flag, and stays
            segment.flags, segment.urgptr = self.dice.choice(("A", "UA")), 77
        elif pattern == "cwr":
            segment.flags = self.dice.choice(("CA", "EA", "NA", "CEA"))
        elif pattern == "window":
            segment.window += 1
        elif pattern == "acknowledgement":
            segment.ack += 1

    def _spoil_ip(self, pattern, ip):
        four = isinstance(ip, IP)
        if pattern == "ecn":
            setattr(ip, "tos" if four else "tc", 3)
        elif pattern == "dscp":
            setattr(ip, "tos" if four else "tc", 0x22)
        elif pattern == "ttl":
            setattr(ip, "ttl" if four else "hlim", 63)
        elif pattern == "label" and not four:
            ip.fl ^= 1

    def tcp_any(self):
        """Any flags, any options, SYNs with data, any MSS."""
        dice = self.dice
        options = dice.choice(OPTION_SETS) + [("MSS", dice.choice((1, 536, 1300, 1460, 65535)))]
        return [self.ether / self.ip(tos=dice.randrange(256), ttl=dice.randrange(1, 256))
                / TCP(sport=dice.randrange(30000, 60000), dport=DISCARD,
                      flags=dice.randrange(FLAG_BITS), urgptr=dice.randrange(65536),
                      seq=dice.randrange(1 << 32), ack=dice.randrange(1 << 32), options=options)
                / self.data(dice.choice((0, 0, 1, 100)))]

    def udp_any(self):
        """No checksum, a wrong one, IP options and extension headers, a padded frame."""
        dice, udp = self.dice, UDP(sport=4001, dport=DISCARD)
        data = self.data(dice.randrange(1000))
        odd = dice.randrange(5)
        if odd == 0:
            return [self.ether / self.ip(4) / UDP(sport=4001, dport=DISCARD, chksum=0) / data]
        if odd == 1:
            return [self.ether / self.ip()
                    / UDP(sport=4001, dport=DISCARD, chksum=dice.randrange(1, 65535)) / data]
        if odd == 2:
            return [self.ether / self.ip(4, options=[IPOption_RR()]) / udp / data]
        if odd == 3:
            extra = dice.choice((IPv6ExtHdrHopByHop, IPv6ExtHdrDestOpt))
            return [self.ether / self.ip(6) / extra(options=[PadN(optdata=bytes(4))]) / udp / data]
        return [bytes(self.ether / self.ip() / udp / self.data(3)) + dice.randbytes(20)]

    def udp_run(self):
        """Datagrams of one size in a row, as QUIC has them; with and without DF."""
        flags = self.dice.choice(("DF", 0))
        ip, size = self.ip(flags=flags), self.dice.randrange(1, 1400)
        step, pattern = self.dice.choice((0, 1, 1, 1, 7)), self.dice.choice(IP_PATTERNS)
        frames = []
        for number in range(5):
            one = ip.copy()
            if number == 2:
                self._spoil_ip(pattern, one)
            frames.append(self.ether / one / UDP(sport=4002, dport=DISCARD) / self.data(size))
            if isinstance(ip, IP):
                ip.id = (ip.id + step) % 65536
        return frames

    def fragments(self):
        """Of TCP and UDP, the last one missing at times."""
        kind = self.dice.choice((TCP, UDP))
        pieces = fragment(self.ip(4) / kind(sport=4003, dport=DISCARD) / self.data(3000), 1000)
        return [self.ether / piece for piece in pieces[:self.dice.choice((2, 4))]]

    def arp(self):
        return [Ether(src=self.ether.src, dst=BROADCAST)
                / ARP(hwsrc=self.ether.src, psrc=self.near.ip, pdst=self.far.ip)]

    # What stays.

    def stays(self):
        src, dice = self.ether.src, self.dice
        link6 = "fe80::1234"
        group4, group6 = "01:00:5e:00:00:01", "33:33:00:00:00:01"
        discover = (IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
                    / BOOTP(chaddr=bytes(6), xid=dice.randrange(1 << 32))
                    / DHCP(options=[("message-type", "discover"), "end"]))
        query4 = IP(src=self.near.ip, dst="224.0.0.1", ttl=1, proto=2, options=b"\x94\4\0\0") \
            / Raw(struct.pack("!BBHI", 0x11, 100, 0xEE9B, 0))
        to6 = IPv6(src=link6, dst="ff02::1", hlim=255)
        return [Ether(src=src, dst=dst) / packet for dst, packet in (
            (BROADCAST, discover),
            ("33:33:00:01:00:02", IPv6(src=link6, dst="ff02::1:2")
             / UDP(sport=546, dport=547) / DHCP6_Solicit(trid=dice.randrange(1 << 24))),
            (group6, to6 / ICMPv6ND_RA(routerlifetime=0)),
            ("33:33:00:00:00:02", IPv6(src=link6, dst="ff02::2", hlim=255) / ICMPv6ND_RS()),
            (group4, query4),
            (group6, IPv6(src=link6, dst="ff02::1", hlim=1)
             / IPv6ExtHdrHopByHop(options=[]) / ICMPv6MLQuery()),
            (self.ether.dst, IP(src=self.near.ip, dst=self.far.ip) / ICMP(type=5, code=1)),
        )] + [bytes.fromhex(to) + bytes.fromhex(src.replace(":", "")) + what + dice.randbytes(46)
              for to, what in (("0180c2000000", b"\0\x26\x42\x42\3"), ("0180c200000e", b"\x88\xcc"),
                               ("0180c2000003", b"\x88\x8e"))]

    CROSSING = ("other", "tagged", *["tcp_run"] * 5, "tcp_any", "udp_any", *["udp_run"] * 2,
                "fragments", "arp")

    def round(self):
        """Some of each, as bytes, shuffled group by group."""
        groups = [getattr(self, name)() for name in self.CROSSING]
        groups.append(self.stays())
        self.dice.shuffle(groups)
        return built([frame for group in groups for frame in group])
