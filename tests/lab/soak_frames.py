# SPDX-License-Identifier: MIT
"""What tools/framelog.c wrote, as the frames that a cable would have carried, ready to compare.

The kernel hands large frames around inside a machine and cuts them, and finishes checksums, only
where a card does. So each record is first cut as a card would cut it (segments() says how), and of
each frame a key is made: a hash of all its bytes, with these changed and nothing else:

    IPv4 header, TCP, UDP and ICMP checksums   a constant when right, else left as they are (a
                                               partial one is right when it is the pseudo header's)
    IPv4 id of TCP with DF                     0: it means nothing (RFC 6864), and a stream has none
    MSS option of a SYN                        0; its values stand beside the key
    TTL or hop limit of the groups mended      what it must become, on the sending side

IP fragments keep their transport checksum: it belongs to the datagram, and that is never touched.
"""
import hashlib
import struct
from typing import NamedTuple

RECORD = struct.Struct("=QIHBB")
SENT, PARTIAL = 1, 2
GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP = 0, 1, 4, 5

TAGS = (0x8100, 0x88A8)
IP4, IP6, ARP = 0x0800, 0x86DD, 0x0806
ICMP, IGMP, TCP, UDP, ICMP6, FRAGMENT = 1, 2, 6, 17, 58, 44
EXTENSIONS = (0, 43, 60)
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = (1 << n for n in range(8))
MDNS = (bytes([224, 0, 0, 251]), bytes.fromhex("ff02" + "00" * 13 + "fb"))
SSDP = (bytes([239, 255, 255, 250]), bytes.fromhex("ff02" + "00" * 13 + "0c"),
        bytes.fromhex("ff05" + "00" * 13 + "0c"))
RIGHT = b"ok"  # stands for a checksum that is right


class Record(NamedTuple):
    """A frame as the kernel had it."""
    at_us: int
    data: bytes
    sent: bool = False
    partial: bool = False
    gso: int = 0
    segment: int = 0


def read(path):
    """The records of a file, in their order."""
    with open(path, "rb") as file:
        while head := file.read(RECORD.size):
            at_us, count, segment, gso, flags = RECORD.unpack(head)
            yield Record(at_us, file.read(count), bool(flags & SENT), bool(flags & PARTIAL), gso,
                         segment)


def write(path, records):
    """The same file, for the tests of the comparison itself."""
    with open(path, "wb") as file:
        for r in records:
            flags = r.sent * SENT | r.partial * PARTIAL
            file.write(RECORD.pack(r.at_us, len(r.data), r.segment, r.gso, flags) + r.data)


def ones_sum(data):
    """The ones' complement sum of 16-bit words: 1-65535, or 0 if every byte is 0."""
    value = int.from_bytes(data, "big") << 8 * (len(data) % 2)
    return (value - 1) % 65535 + 1 if value else 0


class Headers:
    """Where the layers of a frame are; what is not there is 0."""

    def __init__(self, data):
        self.tags = self.network = self.protocol = self.transport = self.options_end = 0
        self.fragment = False
        at = 12
        self.type = int.from_bytes(data[at:at + 2], "big")
        while self.type in TAGS and len(data) >= at + 6:
            at += 4
            self.tags += 1
            self.type = int.from_bytes(data[at:at + 2], "big")
        self.end = len(data)
        self.tag_bytes = data[12:at]
        if self.type == IP4:
            self._ip4(data, at + 2)
        elif self.type == IP6:
            self._ip6(data, at + 2)
        if self.transport and self.protocol == TCP and not self.fragment:
            size = (data[self.transport + 12] >> 4) * 4
            self.options_end = min(self.end, self.transport + max(20, size))

    def _ip4(self, data, at):
        size = (data[at] & 15) * 4
        length = int.from_bytes(data[at + 2:at + 4], "big")
        if data[at] >> 4 != 4 or size < 20 or not size <= length <= len(data) - at:
            return
        self.network, self.end = at, at + length
        self.addresses = data[at + 12:at + 16], data[at + 16:at + 20]
        self.protocol = data[at + 9]
        self.fragment = int.from_bytes(data[at + 6:at + 8], "big") & 0x3FFF != 0
        self.first = int.from_bytes(data[at + 6:at + 8], "big") & 0x1FFF == 0
        self._transport(at + size)

    def _ip6(self, data, at):
        length = int.from_bytes(data[at + 4:at + 6], "big")
        if data[at] >> 4 != 6 or at + 40 + length > len(data):
            return
        self.network, self.end = at, at + 40 + length
        self.addresses = data[at + 8:at + 24], data[at + 24:at + 40]
        kind, at, self.first = data[at + 6], at + 40, True
        while kind in EXTENSIONS or kind == FRAGMENT:
            if kind == FRAGMENT:
                self.fragment = True
                self.first = int.from_bytes(data[at + 2:at + 4], "big") & 0xFFF8 == 0
                kind, at = data[at], at + 8
                break
            kind, at = data[at], at + (data[at + 1] + 1) * 8
        self.protocol = kind
        self._transport(at)

    def _transport(self, at):
        if self.first and self.end - at >= {TCP: 20, UDP: 8, ICMP: 8, ICMP6: 4}.get(self.protocol,
                                                                                   1 << 20):
            self.transport = at

    def ports(self, data):
        if self.transport and self.protocol in (TCP, UDP):
            return struct.unpack_from("!HH", data, self.transport)
        return 0, 0

    def flow(self, data):
        """Frames of which this is equal keep their order."""
        if not self.network:
            return data[:14]
        has_ports = self.transport and self.protocol in (TCP, UDP) and not self.fragment
        last = data[self.transport:self.transport + 4] if has_ports else bytes([self.fragment])
        return (data[:12] + self.tag_bytes + bytes([self.protocol]) + b"".join(self.addresses)
                + last)


CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2, ICMP6: 2}


def pseudo_sum(headers, data, length):
    addresses = b"".join(headers.addresses)
    if headers.type == IP4 and headers.protocol == ICMP:
        return 0
    return ones_sum(addresses + struct.pack("!II", length, headers.protocol))


def transport_is_right(headers, data, partial):
    """Whether the transport checksum is what it has to be; an absent one of UDP is not."""
    at = headers.transport + CHECKSUM_AT[headers.protocol]
    pseudo = pseudo_sum(headers, data, headers.end - headers.transport)
    if partial:
        return int.from_bytes(data[at:at + 2], "big") % 65535 == pseudo % 65535
    if headers.protocol == UDP and data[at:at + 2] == b"\0\0":
        return False
    return (pseudo + ones_sum(data[headers.transport:headers.end])) % 65535 == 0


def mss_options(data, headers):
    """Where the values of MSS options lie."""
    at, found = headers.transport + 20, []
    while at + 1 < headers.options_end and data[at] != 0:
        if data[at] == 1:
            at += 1
            continue
        if data[at + 1] < 2:
            break
        if data[at] == 2 and data[at + 1] == 4:
            found.append(at + 2)
        at += data[at + 1]
    return found


def mended_ttl(headers, data, ttl):
    """What discovery's TTL must become on its way (ttl.h)."""
    if not data[0] & 1 or headers.protocol != UDP or not headers.first:
        return ttl
    port, group = headers.ports(data)[1], headers.addresses[1]
    if group in MDNS and port == 5353:
        return 255
    return max(ttl, 4) if group in SSDP and port == 1900 else ttl


class Frame(NamedTuple):
    """A frame of the cable, normalised."""
    key: bytes
    flow: bytes
    at_us: int
    kind: str
    mss: tuple
    features: tuple
    shown: bytes  # its beginning, for a person


def normal_head(record, headers):
    """The bytes up to the payload with what may change made alike, (MSS values, offset)."""
    data = record.data
    cut = headers.end if not headers.transport else \
        headers.options_end or min(headers.end, headers.transport + 8)
    head, mss = bytearray(data[:cut]), []
    at = headers.network
    if headers.type == IP4 and ones_sum(data[at:at + (data[at] & 15) * 4]) == 65535:
        head[at + 10:at + 12] = RIGHT
    ttl_at = at + (8 if headers.type == IP4 else 7)
    if record.sent:
        head[ttl_at] = mended_ttl(headers, data, head[ttl_at])
    if not headers.transport or headers.fragment:
        return head, mss
    if transport_is_right(headers, data, record.partial):
        checksum = headers.transport + CHECKSUM_AT[headers.protocol]
        head[checksum:checksum + 2] = RIGHT
    if headers.protocol == TCP:
        if headers.type == IP4 and head[at + 6] & 0x40:
            head[at + 4:at + 6] = b"\0\0"
        if head[headers.transport + 13] & SYN:
            for option in mss_options(data, headers):
                mss.append(int.from_bytes(head[option:option + 2], "big"))
                head[option:option + 2] = b"\0\0"
    return head, mss


def segments(record, headers, head):
    """(head, payload) of each frame a card makes of a record (Linux's tcp_gso_segment): sequence
    and IPv4 id count on, CWR stays on the first, FIN and PSH on the last."""
    payload = record.data[len(head):headers.end]
    size, tcp = record.segment, headers.protocol == TCP
    if not record.gso or len(payload) <= size:
        yield head, record.data[len(head):]
        return
    at, network = headers.transport, headers.network
    sequence = int.from_bytes(head[at + 4:at + 8], "big")
    identity = int.from_bytes(head[network + 4:network + 6], "big")
    for number, start in enumerate(range(0, len(payload), size)):
        part, one = payload[start:start + size], bytearray(head)
        length = len(head) - network + len(part)
        if headers.type == IP4:
            one[network + 2:network + 4] = length.to_bytes(2, "big")
            if not tcp or not head[network + 6] & 0x40:
                one[network + 4:network + 6] = ((identity + number) & 0xFFFF).to_bytes(2, "big")
        else:
            one[network + 4:network + 6] = (length - 40).to_bytes(2, "big")
        if tcp:
            one[at + 4:at + 8] = ((sequence + start) & 0xFFFFFFFF).to_bytes(4, "big")
            if start + size < len(payload):
                one[at + 13] &= ~(FIN | PSH) & 0xFF
            if start:
                one[at + 13] &= ~CWR & 0xFF
        else:
            one[at + 4:at + 6] = (8 + len(part)).to_bytes(2, "big")
        yield one, part


def kind_of(headers, data):
    """The class a frame is counted in."""
    family = {IP4: "4", IP6: "6"}.get(headers.type, "")
    if headers.type == ARP:
        kind = "arp"
    elif not headers.network:
        kind = "other"
    elif headers.fragment:
        kind = "fragment" + family
    elif data[0] & 1 and headers.protocol == UDP:
        port = headers.ports(data)[1]
        kind = {5353: "mdns", 1900: "ssdp"}.get(port, "group-udp") + family
    else:
        kind = {TCP: "tcp", UDP: "udp", ICMP: "icmp", ICMP6: "icmp"}.get(headers.protocol, "ip")
        kind += family
    return ["", "vlan ", "qinq "][min(headers.tags, 2)] + kind


FLAG_NAMES = {FIN: "fin", SYN: "syn", RST: "rst", PSH: "psh", URG: "urg", ECE: "ece", CWR: "cwr"}
OPTION_NAMES = {2: "mss", 3: "window scale", 4: "sack permitted", 5: "sack", 8: "timestamps"}


def features_of(headers, head):
    """What a TCP segment or the IP header has that must be seen to cross."""
    found = []
    traffic = head[headers.network + 1] if headers.type == IP4 else head[headers.network + 1] >> 4
    if traffic & 3:
        found.append(("", "ect1", "ect0", "ce")[traffic & 3])
    if headers.options_end:
        flags = head[headers.transport + 13]
        found += [name for bit, name in FLAG_NAMES.items() if flags & bit]
        found += ["ns"] * (head[headers.transport + 12] & 1)
        at, end = headers.transport + 20, headers.options_end
        found += ["no options"] * (at == end)
        while at + 1 < end and head[at] != 0:
            if head[at] != 1:
                found.append(OPTION_NAMES.get(head[at], "unknown option"))
            at += 1 if head[at] == 1 else max(2, head[at + 1])
    return tuple(found)


def frames(record, headers=None):
    """Each frame of the cable that a record stands for."""
    data = record.data
    headers = headers or Headers(data)
    flow, kind = headers.flow(data), kind_of(headers, data)
    if not headers.network:
        yield Frame(hashlib.blake2b(data, digest_size=16).digest(), flow, record.at_us, kind, (),
                    (), data[:96])
        return
    normal, mss = normal_head(record, headers)
    whole = {GSO_UDP: ("large udp",), GSO_NONE: ()}.get(record.gso, ("large tcp",))
    for head, payload in segments(record, headers, normal):
        features = () if record.sent else features_of(headers, head) + whole
        mark = hashlib.blake2b(head, digest_size=16)
        mark.update(payload)
        yield Frame(mark.digest(), flow, record.at_us, kind, tuple(mss),
                    features, bytes(head) + payload[:16])
