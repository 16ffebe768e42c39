# SPDX-License-Identifier: MIT
"""Nothing is changed that must not be: mixed real traffic, captured in both homes and compared.

Two homes of two hosts each, directly or through a hub, with daemons built with sanitizers: those of
other builds are left to other tests. Each fallback is forced in turn. soak_frames.py says what is
normalised before frames are compared, and soak_traffic.py what is sent. A capture that itself lost
a frame fails the test.

30 s of traffic, or 10 minutes with LANSPLICE_LONG=1, or SOAK_SECONDS in all. The first tests are
the comparison's own: each kind of damage, done to a pair of captures, is found.
"""
import itertools
import json
import os
import random
import re
import signal
import time
from types import SimpleNamespace

import pytest

import lansplice
import soak_traffic
from captures import ICMP, IP, TCP, UDP, Dot1Q, Ether, IPv6
from homes import offloads_off
from lines import wait_route6
from machine import wait_for
from scapy.packet import Raw
from soak_compare import Books, Host, compare
from soak_frames import GSO_TCP4, GSO_TCP6, GSO_UDP, Headers, Record, pseudo_sum, read, write
from soak_raw import Maker, built

LONG = os.environ.get("LANSPLICE_LONG") == "1"
# How long a datagram waited: on a machine that is busy with other things the daemon would drop and
# mark what has to wait long, as it should. tests/sim/check_codel.c judges that.
NEVER = "timestamp"
OFFLOADS = "vnet offload uso segment gro"
EVERYTHING = OFFLOADS + " worker"
FALLBACKS = [None, "vnet", "offload", "uso", "segment", "gro", "worker", "segment gro",
             "vnet segment gro", OFFLOADS, EVERYTHING]
WAYS = ["direct", "hub"]
JUMBO_BYTES = 9000
RUNS = [(*run, family) for run, family in zip(
    [(without, way) for without in FALLBACKS for way in WAYS]
    + [(None, "jumbo"), (EVERYTHING, "jumbo")] if LONG
    else [(None, "hub"), (EVERYTHING, "direct")], itertools.cycle([4, 6, 6, 4]))]
SECONDS = int(os.environ.get("SOAK_SECONDS", 600 if LONG else 30)) / len(RUNS)
END_SECONDS = 30
EDGE_US = 300_000  # what may be on its way when the captures begin or end

KINDS = ["tcp4", "tcp6", "udp4", "udp6", "icmp4", "icmp6", "fragment4", "fragment6", "arp", "other",
         "mdns4", "mdns6", "ssdp4", "ssdp6", "group-udp4", "vlan tcp4", "vlan tcp6", "vlan udp4",
         "vlan icmp4", "vlan fragment4", "qinq tcp4", "qinq udp4"]
FEATURES = ["syn", "fin", "rst", "psh", "urg", "ece", "cwr", "ns", "ect0", "ce", "mss",
            "mss lowered", "timestamps", "sack", "no options", "unknown option"]
LARGE_FRAMES = {"large tcp": {"vnet", "offload"}, "large udp": {"vnet", "offload", "uso"}}
STAYS = ["dhcp", "router discovery", "querier", "link control", "group"]


# ---- the comparison itself ----

NEAR = Host("near", "a", frozenset([b"\2\0\0\0\0\1"]))
FAR = Host("far", "b", frozenset([b"\2\0\0\0\0\2"]))
MAC, MAC_FAR = "02:00:00:00:00:01", "02:00:00:00:00:02"
IP_NEAR, IP_FAR, IP6_NEAR, IP6_FAR = "192.168.1.11", "192.168.1.21", "2001:db8::11", "2001:db8::21"


def ether(dst=MAC_FAR):
    return Ether(src=MAC, dst=dst)


def records(frames, sent):
    """As captured: plain frames, or records already, a millisecond apart."""
    return [(f if isinstance(f, Record) else Record(0, f))._replace(at_us=1000 * n, sent=sent)
            for n, f in enumerate(frames)]


def found(sent, received, tmp_path=None):
    """What the comparison says of a pair of captures."""
    books = Books([NEAR, FAR])
    for host, frames, is_sent in (NEAR, sent, True), (FAR, received, False):
        these = records(frames, is_sent)
        if tmp_path:
            write(tmp_path / host.name, these)
            these = read(tmp_path / host.name)
        books.add(host, these)
    return compare(books).findings


def some_frames(seed=1, rounds=3):
    """What soak_raw.py makes, without what has to stay."""
    dice = random.Random(seed)
    near = SimpleNamespace(mac=lambda: MAC, ip=IP_NEAR, ip6=IP6_NEAR)
    far = SimpleNamespace(mac=lambda: MAC_FAR, ip=IP_FAR, ip6=IP6_FAR)
    maker = Maker(near, far, dice)
    frames = [f for _ in range(rounds) for f in maker.round()]
    return [f for f in frames if found([f], [])], maker


@pytest.mark.cable
def test_equal_captures_are_equal(tmp_path):
    frames, _ = some_frames()
    assert len(frames) > 50 and found(frames, frames, tmp_path) == []


@pytest.mark.cable
@pytest.mark.parametrize("damage", ["lost", "twice", "bit"])
def test_damage_to_any_frame_is_found(damage):
    """To each frame of a mixed lot in turn. A bit is left alone in the id of TCP with DF."""
    dice = random.Random(2)
    frames, _ = some_frames()
    for place, frame in enumerate(frames):
        headers, bit = Headers(frame), dice.randrange(8 * 12, 8 * len(frame))
        free = range(8 * (headers.network + 4), 8 * (headers.network + 6))
        if bit in free and headers.options_end:
            bit = 8 * len(frame) - 1
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        become = {"lost": [], "twice": [frame, frame], "bit": [bytes(changed)]}[damage]
        assert found(frames, frames[:place] + become + frames[place + 1:]), (place, bit)


def tcp4(payload=b"abc" * 400, **fields):
    return ether() / IP(src=IP_NEAR, dst=IP_FAR, flags="DF", tos=2) \
        / TCP(**{"sport": 1, "dport": 2, "flags": "A", **fields}) / Raw(payload)


def tcp6(payload=b"abc", **fields):
    return ether() / IPv6(src=IP6_NEAR, dst=IP6_FAR) / TCP(sport=1, dport=2, **fields) \
        / Raw(payload)


def udp4(payload=b"abc", **fields):
    return ether() / IP(**{"src": IP_NEAR, "dst": IP_FAR, **fields}) / UDP(sport=1, dport=2) \
        / Raw(payload)


def vlan(vid=5, prio=0):
    return ether() / Dot1Q(vlan=vid, prio=prio) / IP(src=IP_NEAR, dst=IP_FAR) / UDP(sport=1) / b"a"


def group(ttl, dst="224.0.0.251", port=5353):
    return ether("01:00:5e:00:00:fb") / IP(src=IP_NEAR, dst=dst, ttl=ttl) / UDP(dport=port) / b"a"


def group6(ttl, dst="ff02::c", port=1900):
    return ether("33:33:00:00:00:0c") / IPv6(src=IP6_NEAR, dst=dst, hlim=ttl) / UDP(dport=port) \
        / b"a"


def ecn(frame, value):
    frame[IP].tos = value
    return frame


SYN4 = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0))]
CHANGED = {  # every checksum right before and after
    "tcp byte": (tcp4(), tcp4(b"abc" * 399 + b"abd")),
    "tcp bytes moved": (tcp4(seq=1), tcp4(seq=2)),
    "tcp flag": (tcp4(flags="A"), tcp4(flags="PA")),
    "tcp ece": (tcp4(flags="A"), tcp4(flags="EA")),
    "tcp ns": (tcp4(flags="A"), tcp4(flags="NA")),
    "tcp acknowledgement": (tcp4(ack=5), tcp4(ack=6)),
    "tcp window": (tcp4(window=5), tcp4(window=6)),
    "tcp urgent pointer": (tcp4(flags="UA", urgptr=3), tcp4(flags="UA", urgptr=4)),
    "tcp urgent pointer without its flag": (tcp4(urgptr=3), tcp4(urgptr=0)),
    "timestamp": (tcp4(options=[("Timestamp", (1, 2))]), tcp4(options=[("Timestamp", (1, 3))])),
    "sack": (tcp6(options=[("SAck", (1, 2))]), tcp6(options=[("SAck", (1, 3))])),
    "option left out": (tcp4(flags="S", options=SYN4), tcp4(flags="S", options=SYN4[:2])),
    "mss raised": (tcp4(flags="S", options=SYN4), tcp4(flags="S", options=[("MSS", 1461)]
                                                       + SYN4[1:])),
    "mss of no syn": (tcp4(options=[("MSS", 9)]), tcp4(options=[("MSS", 8)])),
    "ecn": (ecn(tcp4(), 2), ecn(tcp4(), 3)),
    "dscp": (ecn(udp4(), 0x20), ecn(udp4(), 0x40)),
    "ttl": (udp4(ttl=3), udp4(ttl=2)),
    "hop limit": (group6(4, port=5000), group6(3, port=5000)),
    "df": (udp4(flags="DF"), udp4(flags=0)),
    "udp id": (udp4(id=1, flags="DF"), udp4(id=2, flags="DF")),
    "tcp id without df": (ether() / IP(dst=IP_FAR, id=1) / TCP(), ether() / IP(dst=IP_FAR, id=2)
                          / TCP()),
    "udp byte": (udp4(b"abc"), udp4(b"abd")),
    "udp bytes swapped": (udp4(b"abcd"), udp4(b"cdab")),  # the checksum is the same
    "udp zero checksum filled": (ether() / IP(dst=IP_FAR) / UDP(chksum=0) / b"a",
                                 ether() / IP(dst=IP_FAR) / UDP() / b"a"),
    "wrong checksum made right": (ether() / IP(dst=IP_FAR) / UDP(chksum=7) / b"a",
                                  ether() / IP(dst=IP_FAR) / UDP() / b"a"),
    "right checksum made wrong": (ether() / IP(dst=IP_FAR) / TCP() / b"a",
                                  ether() / IP(dst=IP_FAR) / TCP(chksum=7) / b"a"),
    "wrong header checksum made right": (udp4(chksum=7), udp4()),
    "icmp sequence": (ether() / IP(dst=IP_FAR) / ICMP(seq=1), ether() / IP(dst=IP_FAR)
                      / ICMP(seq=2)),
    "flow label": (ether() / IPv6(dst=IP6_FAR, fl=1), ether() / IPv6(dst=IP6_FAR, fl=2)),
    "priority": (vlan(prio=1), vlan(prio=2)),
    "vid": (vlan(vid=1), vlan(vid=2)),
    "tag lost": (vlan(), udp4()),
    "padding": (bytes(udp4()) + bytes(9), bytes(udp4()) + bytes(8) + b"a"),
    "padding cut": (bytes(udp4()) + bytes(9), bytes(udp4())),
    "mdns not mended": (group(1), group(1)),
    "mdns of another port mended": (group(1, port=5000), group(255, port=5000)),
    "ssdp lowered": (group(5, "239.255.255.250", 1900), group(4, "239.255.255.250", 1900)),
    "source": (udp4(), udp4(src="192.168.1.12")),
}


@pytest.mark.cable
@pytest.mark.parametrize("name", CHANGED)
def test_change_is_found(name):
    before, after = (bytes(frame) for frame in built(CHANGED[name]))
    assert found([before], [after])


SAME = {
    "mdns": (group(1), group(255)),
    "mdns untouched": (group(255), group(255)),
    "ssdp": (group(1, "239.255.255.250", 1900), group(4, "239.255.255.250", 1900)),
    "ssdp6": (group6(2), group6(4)),
    "ssdp large": (group6(64), group6(64)),
    "mss": (tcp4(flags="S", options=SYN4), tcp4(flags="S", options=[("MSS", 1300)] + SYN4[1:])),
}


@pytest.mark.cable
@pytest.mark.parametrize("name", SAME)
def test_legal_change_is_none(name):
    before, after = (bytes(frame) for frame in built(SAME[name]))
    assert found([before], [after]) == []


@pytest.mark.cable
def test_order_matters_within_a_flow():
    one, other = built([udp4(b"one"), udp4(b"two")])
    foreign = built([tcp6()])[0]
    assert found([one, other], [other, one])
    assert found([one, foreign, other], [foreign, one, other]) == []


@pytest.mark.cable
def test_what_stays_is_found_when_it_crosses():
    _, maker = some_frames(rounds=1)
    foreign = ether("01:00:5e:01:02:03") / IP(src=IP_NEAR, dst="239.1.2.3") / UDP(dport=5004)
    for frame in built([*maker.stays(), foreign]):
        assert found([frame], []) == [], frame.hex()
        assert found([frame], [frame]), frame.hex()


@pytest.mark.cable
def test_edges_are_excused_and_no_more():
    frame = built([udp4()])[0]
    early, late = Record(100, frame), Record(900, frame)
    for sent, received, clean in (([], [early], True), ([late], [], True), ([early], [], False),
                                  ([], [late], False)):
        books = Books([NEAR, FAR])
        books.add(NEAR, [r._replace(sent=True) for r in sent])
        books.add(FAR, received)
        assert (compare(books, since_us=500, until_us=500).findings == []) == clean


# Large frames: what the kernel cuts, beside what it would become.

SIZE = 500


def partial(data):
    """The frame with the pseudo header's sum in place of its checksum."""
    headers, changed = Headers(data), bytearray(data)
    at = headers.transport + (16 if headers.protocol == 6 else 6)
    total = pseudo_sum(headers, data, headers.end - headers.transport)
    changed[at:at + 2] = total.to_bytes(2, "big")
    return bytes(changed)


def large(frame, gso, size=SIZE):
    return Record(0, partial(built([frame])[0]), partial=True, gso=gso, segment=size)


def cut(frame, kind, flags=None):
    """Its pieces, as scapy makes them; flags of the first, the others and the last."""
    payload, pieces = bytes(frame[kind].payload), []
    for number, start in enumerate(range(0, len(payload), SIZE)):
        one = frame.copy()
        one[kind].remove_payload()
        one = one / Raw(payload[start:start + SIZE])
        if kind is TCP:
            one[TCP].seq += start
            one[TCP].flags = flags[0 if not number else 1 if start + SIZE < len(payload) else 2]
        if IP in one:
            one[IP].id += number
        pieces.append(one)
    return built(pieces)


BYTES = bytes(n * n % 251 for n in range(1900))
LARGE = {
    "tcp4": (tcp4(BYTES, seq=1 << 31, flags="CPA"), GSO_TCP4, TCP, ("CA", "A", "PA")),
    "tcp6": (tcp6(BYTES, flags="FPA", options=[("Timestamp", (1, 2))]), GSO_TCP6, TCP,
             ("A", "A", "FPA")),
    "udp4": (udp4(BYTES, id=7, flags="DF"), GSO_UDP, UDP, None),
}


@pytest.mark.cable
@pytest.mark.parametrize("name", LARGE)
def test_a_large_frame_is_its_pieces(name, tmp_path):
    """Whoever cuts or joins, and with complete checksums or partial ones."""
    frame, gso, kind, flags = LARGE[name]
    whole, pieces = large(frame, gso), cut(frame, kind, flags)
    halves = [Record(0, partial(p), partial=True) for p in pieces]
    for one in ([whole], pieces, halves):
        for other in ([whole], pieces, halves):
            assert found(one, other, tmp_path) == []


@pytest.mark.cable
@pytest.mark.parametrize("name", LARGE)
def test_a_large_frame_changed_is_found(name):
    frame, gso, kind, flags = LARGE[name]
    whole, pieces = large(frame, gso), cut(frame, kind, flags)
    assert found(pieces, [whole._replace(segment=SIZE + 1)])
    assert found(pieces, [whole._replace(partial=False)])
    assert found(pieces, [whole._replace(data=whole.data[:-1] + b"!")])
    assert found(pieces, [whole, pieces[1]])
    for number in range(len(pieces)):
        assert found([whole], pieces[:number] + pieces[number + 1:])
    headers, spoiled = Headers(whole.data), bytearray(whole.data)
    spoiled[headers.transport + (16 if kind is TCP else 6)] ^= 1
    assert found(pieces, [whole._replace(data=bytes(spoiled))])
    if kind is TCP:
        assert found([whole], cut(frame, kind, ("A", "A", "A")))


# ---- the daemons ----

class Tap:
    """framelog on a host's card."""

    def __init__(self, host, folder):
        self.host = host
        self.path = folder / f"{host.name}.frames"
        self.process = host.start([lansplice.TOOLS / "framelog", "eth0", self.path],
                                  name="framelog")
        wait_for(lambda: "ready" in self.process.log() or not self.process.running, 10,
                 "framelog to listen")
        assert self.process.running, self.process.log()

    def stop(self):
        assert self.process.stop() == 0, self.process.log()
        frames, lost = map(int, re.findall(r"=(\d+)", self.process.log().splitlines()[-1]))
        assert lost == 0, f"the capture at {self.host.name} lost {lost} of {frames + lost} frames"
        return frames


def keep_family(home, family):
    """One path only: a flow that moves to another is cut anew, its bytes into other segments."""
    other = 10 - family
    home.router.run(f"ip -{other} route del default; ip -{other} addr flush dev wan scope global")


def splice(lab, pair, way, without, family):
    """The homes' daemons; the hub is a third home without hosts of its own."""
    if way == "hub":
        hub = lab.home("hub")
        lab.daemon(hub).site["hub"] = "yes"
        homes, links = [*pair, hub], [(home, hub) for home in pair]
    else:
        homes, links = pair, [pair]
    for home in homes:
        keep_family(home, family)
    for link in links:
        lab.introduce(*link, family=family)
    for home in homes:
        home.lansplice.test["without"] = f"{without or ''} {NEVER}"
        home.lansplice.start()
    for home in homes:
        home.lansplice.wait_up()
    return homes


def make_jumbo(home):
    home.router.run(f"ip link set h1 mtu {JUMBO_BYTES}; ip link set h2 mtu {JUMBO_BYTES}; "
                    f"ip link set br-lan mtu {JUMBO_BYTES}")
    for host in home.hosts.values():
        host.run(f"ip link set eth0 mtu {JUMBO_BYTES}")


def build(lab, jumbo):
    """Home by home: h1 with a card that does everything, h2 with one that does nothing."""
    hosts = []
    for home in lab.home("a"), lab.home("b"):
        for name in "h1", "h2":
            host = home.host(name)
            soak_traffic.prepare(host, len(hosts) + 1, plain=len(hosts) == 3)
            hosts.append(host)
        offloads_off(home.hosts["h2"])
        soak_traffic.congest(home.hosts["h1"])
        if jumbo:
            make_jumbo(home)
    return hosts


def acquaint(hosts):
    """Every address is known to every host and every bridge."""
    near, far = hosts[:2], hosts[2:]
    wait_route6(near[0], far[0])
    for one in near:
        for other in far:
            for address in other.ip, other.ip6, other.vlan_ip, other.vlan_ip6, other.qinq_ip:
                wait_for(lambda: one.ping(address), 10, address)  # noqa: B023
            for address in one.ip6, one.vlan_ip6:
                wait_for(lambda: other.ping(address), 10, address)  # noqa: B023


def account(lab):
    """Everybody's counters of what was dropped, for a person who asks where it went."""
    rows = []
    for machine in lab.machines:
        for link in json.loads(machine.output("ip -j -s link")):
            for way in "rx", "tx":
                row = {k: v for k, v in link["stats64"][way].items()
                       if v and k not in ("bytes", "packets", "multicast")}
                if row:
                    rows.append(f"{machine.name} {link['ifname']} {way} {row}")
    for daemon in lab.daemons:
        status = daemon.status()
        rows.append(f"{daemon.name}: {json.dumps(status.get('counters'))}")
        rows += [f"{daemon.name}: {json.dumps(p)}" for p in status.get("peers", [])]
    return "\n".join(rows)


def end_daemons(homes):
    """Each ends well, in its time: leaks are looked for. What is found is conftest's to read."""
    for home in homes:
        status = home.lansplice.process.kill(signal.SIGTERM, END_SECONDS)
        assert status == 0, f"{home.name} ended with {status}"


def macs_of(homes):
    """The routers' own, which may speak on their LANs."""
    return {bytes.fromhex(link["address"].replace(":", "")) for home in homes
            for link in json.loads(home.router.output("ip -j link")) if link.get("address")}


def read_books(homes, hosts, taps, routers, begun_us, ended_us):
    """While all captures ran: they begin and end one after the other, and ARP never rests."""
    names = {host.name: next(h.name for h in homes if host in h.hosts.values()) for host in hosts}
    people = [Host(host.name, names[host.name], frozenset(
        bytes.fromhex(host.mac(card).replace(":", "")) for card in ("eth0", "tagged", "inner")))
        for host in hosts]
    books = Books(people)
    for person, tap in zip(people, taps):
        books.add(person, (r for r in read(tap.path) if begun_us <= r.at_us < ended_us))
    strangers = {key: n for key, n in books.strangers.items() if key[1] not in routers}
    assert not strangers, f"frames that nobody sent: {strangers}"
    return books


def show(counts):
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))


@pytest.mark.parametrize("without,way,family", RUNS)
def test_what_is_sent_arrives(lab, tmp_path, record_property, without, way, family):
    if not lansplice.sanitizers():
        pytest.skip(f"{lansplice.BINARY} is built without sanitizers")
    hosts = build(lab, jumbo=way == "jumbo")
    pair = [lab.home("a"), lab.home("b")]
    homes = splice(lab, pair, way, without, family)
    acquaint(hosts)
    for home in pair:
        soak_traffic.keep_on_a_cpu(home)
    taps = [Tap(host, tmp_path) for host in hosts]
    begun_us = time.time_ns() // 1000
    time.sleep(EDGE_US / 1e6)
    soak_traffic.send(*hosts, SECONDS)
    time.sleep(1)  # what is on its way arrives
    ended_us = time.time_ns() // 1000
    for tap in taps:
        tap.stop()
    books = read_books(pair, hosts, taps, macs_of(homes), begun_us, ended_us)
    result = compare(books, begun_us + EDGE_US, ended_us - EDGE_US)
    for name, counts in (("compared", result.kinds), ("with", result.features),
                         ("stayed at home", books.stayed)):
        record_property(name, show(counts))
        print(f"{name}: {show(counts)}")
    assert not result.findings, "\n".join([*result.findings[:20], account(lab)])
    absent = [name for wanted, counts in ((KINDS, result.kinds), (FEATURES, result.features),
                                          (STAYS, books.stayed))
              for name in wanted if not counts[name]]
    assert not absent, f"none was sent of: {absent}"
    for name, fallbacks in LARGE_FRAMES.items():  # what is forced is what was tried
        assert bool(result.features[name]) != bool(fallbacks & set((without or "").split())), name
    end_daemons(homes)
