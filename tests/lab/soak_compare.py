# SPDX-License-Identifier: MIT
"""What one home's hosts sent beside what the other's received: all of it, once, and in order."""
from collections import Counter, defaultdict
from typing import NamedTuple

from soak_frames import ICMP, ICMP6, IGMP, IP4, IP6, UDP, Headers, frames

# What stays at home by default (guard.h, multicast.h), written down once more.
GROUPS4 = {bytes([224, 0, 0, n]) for n in (1, 2, 22, 251, 252)} \
    | {bytes([224, 0, 1, n]) for n in (22, 24, 35, 84, 85, 129, 130, 131, 132)} \
    | {bytes([239, 255, 255, n]) for n in (250, 253)}
SSDP_SITE = bytes.fromhex("ff05" + "00" * 13 + "0c")
LINK_TYPES = (0x8809, 0x888E, 0x88CC, 0x8863, 0x8864)
LINK_GROUPS = bytes.fromhex("0180c20000")
DHCP4, DHCP6 = {67, 68}, {546, 547}
ICMP4_ROUTERS, ICMP6_ROUTERS, ICMP6_MEMBERSHIP = (5, 9, 10), (133, 134, 137), (130, 131, 132, 143)
QUERY4, QUERY6 = 0x11, 130
SHOWN_MOST = 6


def stays_home(headers, data):
    """Why a frame may not appear in the other home, or None."""
    if (data[:5] == LINK_GROUPS and data[5] < 16) or headers.type in LINK_TYPES:
        return "link control"
    if not headers.network:
        return None
    ports = set(headers.ports(data)) if headers.protocol == UDP else set()
    if ports & (DHCP4 if headers.type == IP4 else DHCP6):
        return "dhcp"
    kind = data[headers.transport] if headers.transport else None
    if headers.protocol == ICMP and kind in ICMP4_ROUTERS:
        return "router discovery"
    if headers.type == IP6 and headers.protocol == ICMP6 and kind in ICMP6_ROUTERS:
        return "router discovery"
    return group_stays(headers, data, kind) if data[0] & 1 else None


def group_stays(headers, data, kind):
    group, igmp = headers.addresses[1], headers.protocol == IGMP
    if igmp or (headers.protocol == ICMP6 and kind in ICMP6_MEMBERSHIP):
        header4_end = headers.network + (data[headers.network] & 15) * 4
        return "querier" if (data[header4_end] == QUERY4 if igmp else kind == QUERY6) else None
    if headers.type == IP4:
        crosses = group in GROUPS4 or group[0] >> 4 != 14 or data[:6] == b"\xff" * 6
    else:
        crosses = group[0] != 0xFF or group[1] == 2 or group == SSDP_SITE
    return None if crosses else "group"


class Host(NamedTuple):
    name: str
    home: str
    macs: frozenset


class Books:
    """Frames by (sender, receiver) and flow, of hosts in different homes."""

    def __init__(self, hosts):
        self.hosts = hosts
        self.sent = defaultdict(lambda: defaultdict(list))
        self.received = defaultdict(lambda: defaultdict(list))
        self.stayed = Counter()
        self.strangers = Counter()  # (receiver, MAC) from no host

    def add(self, host, records):
        """Take up what a host's capture saw."""
        senders = {mac: h for h in self.hosts for mac in h.macs}
        for record in records:
            if record.sent:
                self._add_sent(host, record)
                continue
            sender = senders.get(record.data[6:12])
            if sender is None:
                self.strangers[host.name, record.data[6:12]] += 1
            elif sender.home != host.home and self._is_for(host, record.data):
                for frame in frames(record):
                    self.received[sender.name, host.name][frame.flow].append(frame)

    @staticmethod
    def _is_for(host, data):
        """A switch may show a host what is another's, as long as it does not know where that is."""
        return data[0] & 1 or data[:6] in host.macs

    def _add_sent(self, host, record):
        receivers = [h for h in self.hosts if h.home != host.home and self._is_for(h, record.data)]
        headers = Headers(record.data)
        why = stays_home(headers, record.data)
        if why:
            self.stayed[why] += 1
        elif receivers and record.data[6:12] in host.macs:
            for frame in frames(record, headers):
                for receiver in receivers:
                    self.sent[host.name, receiver.name][frame.flow].append(frame)


class Result:
    """What a comparison found, and how much it has seen."""

    def __init__(self):
        self.findings = []
        self.kinds = Counter()
        self.features = Counter()

    def find(self, where, what, these):
        shown = "".join(f"\n    {f.at_us / 1e6:.6f} {f.kind} {f.shown.hex()}"
                        for f in these[:SHOWN_MOST])
        self.findings.append(f"{where}: {len(these)} {what}{shown}")


def compare(books, since_us=0, until_us=1 << 62):
    """Everything sent before until_us has arrived; all that arrived after since_us was sent."""
    result = Result()
    for pair in books.sent.keys() | books.received.keys():
        where = " to ".join(pair)
        for flow in books.sent[pair].keys() | books.received[pair].keys():
            compare_flow(result, where, books.sent[pair].get(flow, []),
                         books.received[pair].get(flow, []), since_us, until_us)
    return result


def without(these, others):
    """Those of these for which others holds no counterpart."""
    left, rest = Counter(f.key for f in others), []
    for frame in these:
        left[frame.key] -= 1
        if left[frame.key] < 0:
            rest.append(frame)
    return rest


def compare_flow(result, where, sent, received, since_us, until_us):
    result.kinds.update(f.kind for f in received)
    for frame in received:
        result.features.update(frame.features)
    if [f.key for f in sent] != [f.key for f in received]:
        compare_multisets(result, where, sent, received, since_us, until_us)
    announced = {f.key: f.mss for f in sent if f.mss}
    raised = [f for f in received if f.mss
              and any(new > old for new, old in zip(f.mss, announced.get(f.key, f.mss)))]
    lowered = [f for f in received if f.mss and f.mss != announced.get(f.key, f.mss)]
    result.features["mss lowered"] += len(lowered)
    if raised:
        result.find(where, "with a larger MSS than announced", raised)


def compare_multisets(result, where, sent, received, since_us, until_us):
    missing, surplus = without(sent, received), without(received, sent)
    lost = [f for f in missing if f.at_us < until_us]
    more = [f for f in surplus if f.at_us >= since_us]
    known = {f.key for f in sent}
    twice = [f for f in more if f.key in known]
    foreign = [f for f in more if f.key not in known]
    for what, these in (("lost or changed", lost), ("came too often", twice),
                        ("never sent so", foreign)):
        if these:
            result.find(where, what, these)
    gone, grown = {id(f) for f in missing}, {id(f) for f in surplus}
    before = [f for f in sent if id(f) not in gone]
    after = [f for f in received if id(f) not in grown]
    moved = [one for one, other in zip(after, before) if one.key != other.key]
    if moved:
        result.find(where, "out of order", moved)
