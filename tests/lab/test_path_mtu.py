# SPDX-License-Identifier: MIT
"""The path's MTU is found to the byte, followed when it changes, and used to the last byte.

Full Ethernet frames cross every line; the outer packets are never IP fragments.
"""
import os
import time

import pytest

from captures import ICMP, IP, TCP, Dot1Q, Ether, IPv6
from homes import offloads_off
from lines import (FULL_PING, Copy, forbid_icmp, goodput, has_found, largest_segment, narrow,
                   outer_fragments, path_mtu, shape, wait_found, wait_route6)
from machine import wait_for
from scapy.layers.inet6 import ICMPv6PacketTooBig
from streams import Stream

# (outer family, MTU): Ethernet; MAP-E; PPPoE on NGN; a cautious tunnel; IPv6's minimum.
LINES = [(4, 1500), (4, 1460), (4, 1454), (4, 1400), (4, 1280), (6, 1280)]
LINE_NAMES = [f"v{family}-{mtu}" for family, mtu in LINES]
# (outer family, MTU, whether routers may say that a packet is too big)
SEARCHES = [(outer, mtu, icmp) for outer, mtu in [*LINES, (6, 1500), (6, 1400)]
            for icmp in (False, True)
            if not icmp or mtu == 1400 or os.environ.get("LANSPLICE_LONG")]
every_line = pytest.mark.parametrize("outer,mtu", LINES, ids=LINE_NAMES)

FORGED = 20  # messages
RAISE_MS = 2000
MBIT = 30  # so little that no processor is the limit


def splice(lab, a, b, outer, **options):
    """By that family alone: a path of the other is found, too, and what fits into it is not the
    same."""
    for home in a, b:
        home.rule(f"meta nfproto {'ipv6' if outer == 4 else 'ipv4'} udp dport 7788 drop")
    lab.splice(a, b, family=outer, **options)


def send_tagged_pings(near, far, count):
    """Put echo requests that fill 1500 bytes, with one VLAN tag, on the link; their bytes."""
    payload = bytes(range(256)) * 5 + bytes(1472 - 1280)
    frames = [Ether(src=near.mac(), dst=far.mac()) / Dot1Q(vlan=42, prio=5)
              / IP(src=near.ip, dst=far.ip, flags="DF", id=n) / ICMP(id=7, seq=n) / payload
              for n in range(count)]
    near.send("eth0", *frames)
    return [bytes(frame) for frame in frames]


def packet_bytes(capture):
    """The size of each IP packet of a capture."""
    return [len(data) - 14 for _, data in capture.raw()]


# The search.

@pytest.mark.parametrize("outer,mtu,icmp", SEARCHES, ids=[
    f"v{outer}-{mtu}" + ("-icmp" if icmp else "") for outer, mtu, icmp in SEARCHES])
def test_the_search_and_full_frames(lab, a, b, outer, mtu, icmp):
    near, far = a.host("h1"), b.host("h1")
    narrow(mtu, a, b)
    if not icmp:
        forbid_icmp(lab, a, b)
    line = {home: lab.capture(home.isp, "home", "udp or ip6 proto 44") for home in (a, b)}
    core = lab.capture(a.isp, "core", "udp or ip6 proto 44 or ip[6:2] & 0x3fff != 0")
    tagged = lab.capture(far, "eth0", "vlan 42")
    splice(lab, a, b, outer)
    assert near.ping(far.ip, count=2, options=FULL_PING)  # nothing waits for the search
    wait_found(mtu, a, b)
    for home, other in ((a, b), (b, a)):
        peer = path_mtu(home, other)
        assert peer["path_mtu_limit"] not in (None, "configuration", "below-base")
        assert peer["path_mtu_proved_s"] <= 5
        measured = {path["family"]: path for path in peer["paths"]}
        assert measured[f"ipv{outer}"]["path_mtu"] == mtu
    # The largest is 1472, and what stops 1473 is the host's own 1500.
    for source, sink in ((near, far), (far, near)):
        assert source.ping(sink.ip, count=5, options=FULL_PING)
        refused = source.run(f"ping -n -c 1 -W 1 -M do -s 1473 {sink.ip}", check=False)
        assert refused.returncode and "mtu=1500" in refused.stdout + refused.stderr
    assert near.ping(far.ip, count=3, options="-s 4000")
    sent = send_tagged_pings(near, far, 5)
    wait_for(lambda: tagged.count() >= 5, 5, "tagged frames")
    assert [data for _, data in tagged.stop().raw()] == sent
    for capture in (*line.values(), core):
        assert capture.stop().count() > 20
        assert not outer_fragments(capture)
    assert max(packet_bytes(core)) == mtu  # and the probes that were larger did not get there


# What TCP makes of it.

def announced(capture, flags):
    """The MSS that each SYN (or SYN-ACK) carries there."""
    return {dict(frame[TCP].options)["MSS"] for frame in capture.frames(
        lambda f: f.haslayer(TCP) and f[TCP].flags == flags)}


def copied(source, sink, family):
    copy = Copy(source, sink, family)
    time.sleep(0.6)
    return copy.stop()


@every_line
def test_a_segment_fills_one_datagram(lab, a, b, outer, mtu):
    near, far = a.host("h1"), b.host("h1")
    offloads_off(near, far)
    narrow(mtu, a, b)
    splice(lab, a, b, outer)
    wait_found(mtu, a, b)
    wait_route6(near, far)
    for inner in 4, 6:
        assert_one_datagram_each(lab, a, b, inner, largest_segment(mtu, outer, inner), mtu)


def assert_one_datagram_each(lab, a, b, inner, segment, mtu):
    near, far = a.host("h1"), b.host("h1")
    before = [home.lansplice.status()["counters"] for home in (a, b)]
    inside = {host: lab.capture(host, "eth0", "tcp port 5010")
              for host in (near, far)}
    sender = f"src host {a.wan_ip} or src host {a.wan_ip6}"
    outside = lab.capture(b.isp, "home", f"udp and ({sender})")
    count = copied(near, far, inner)
    for capture in (*inside.values(), outside):
        capture.stop()
    after = [home.lansplice.status()["counters"] for home in (a, b)]
    assert announced(inside[far], "S") == {segment}
    assert announced(inside[near], "SA") == {segment}
    # Every segment in one datagram, whose last byte is the MTU's last byte.
    full_segment = segment + (40 if inner == 4 else 60)
    segments = packet_bytes(inside[far]).count(full_segment)
    assert segments > 0.9 * count / segment
    assert max(packet_bytes(inside[far])) == full_segment
    datagrams = packet_bytes(outside)
    assert max(datagrams) == mtu
    probes = after[0]["mtu_probes"] - before[0]["mtu_probes"]
    dropped = after[1]["queue_dropped"] - before[1]["queue_dropped"]  # where others are busy
    assert segments <= datagrams.count(mtu) <= segments + probes + dropped
    assert [c["fragmented"] for c in after] == [c["fragmented"] for c in before]
    assert not outer_fragments(outside)


@every_line
def test_goodput(lab, a, b, outer, mtu):
    """Within 10 % of what the path allows: a full segment in each of its packets.

    The rate of the line, tc's tbf, counts Ethernet headers. What is still in its queue when iperf3
    stops counting makes the upper bound soft; the bound shows that the line is the limit. A second
    in which other programs had the processors says nothing of the line: then another one counts.
    """
    near, far = a.host("h1"), b.host("h1")
    narrow(mtu, a, b)
    shape(MBIT, a, b)
    splice(lab, a, b, outer)
    wait_found(mtu, a, b)
    for source, sink, inner in ((near, far, 4), (far, near, 6)):
        wait_route6(source, sink)
        allowed = MBIT * 1e6 * largest_segment(mtu, outer, inner) / (mtu + 14)
        rates = []
        while len(rates) < 5 and max(rates, default=0) < 0.9 * allowed:
            rates.append(goodput(source, sink, inner))
        assert 0.9 * allowed <= max(rates) <= 1.05 * allowed, rates


# The path changes.

@pytest.mark.parametrize("outer,icmp", [(4, False), (6, False), (4, True)],
                         ids=["v4", "v6", "v4-icmp"])
def test_the_mtu_falls_and_rises_during_a_transfer(lab, a, b, outer, icmp):
    near, far = a.host("h1"), b.host("h1")
    if not icmp:
        forbid_icmp(lab, a, b)
    splice(lab, a, b, outer, test={"raise_after_ms": RAISE_MS})
    wait_found(1500, a, b)
    copy = Copy(near, far)
    # A frame that fills one datagram of 1450 bytes or so: one of 1500 is cut in two anyway, and
    # the halves fit the narrow line as well.
    streams = [Stream(source, sink, payload_bytes=1320) for source, sink in
               ((near, far), (far, near))]
    for stream in streams:
        stream.wait_flowing()
    fell = time.monotonic()
    narrow(1280, a, b)
    assert_followed(a, b, 1280, fell, streams, within_s=0.8 if icmp else 3)
    copy.pause_after(time.monotonic())
    safe = [stream.sent for stream in streams]
    wait_found(1280, a, b)
    assert near.ping(far.ip, count=3, options=FULL_PING)
    rose = time.monotonic()
    narrow(1500, a, b)
    for home, other in ((a, b), (b, a)):
        wait_for(lambda: path_mtu(home, other)["path_mtu"] == 1500,  # noqa: B023
                 rose + RAISE_MS / 1000 + 1 - time.monotonic(), f"{home.name} to notice 1500")
    copy.pause_after(time.monotonic())
    for stream, first in zip(streams, safe):
        lost, twice = stream.stop()
        assert not [number for number in lost if number >= first]  # nothing, once it was noticed
        assert not twice
    copy.stop()


def assert_followed(a, b, mtu, moment, streams, within_s):
    """Both homes use an MTU that fits, and what was lost crosses again, in that time."""
    end = moment + within_s
    for stream in streams:
        assert stream.back_after(moment + 0.05, within_s) <= within_s
    for home, other in ((a, b), (b, a)):
        wait_for(lambda: path_mtu(home, other)["path_mtu"] <= mtu,  # noqa: B023
                 max(0, end - time.monotonic()), f"{home.name} to notice {mtu}", every=0.02)


# The size is fixed.

def test_a_fixed_size_is_kept_and_not_probed(lab, a, b):
    near, far = a.host("h1"), b.host("h1")
    line = lab.capture(a.isp, "home", "udp")
    lab.splice(a, b, site={"max_datagram": 1320}, test={"raise_after_ms": 500})
    assert near.ping(far.ip, count=5, options=FULL_PING)
    time.sleep(1)
    copied(near, far, 4)
    for home, other in ((a, b), (b, a)):
        assert home.lansplice.counter("mtu_probes") == 0
        peer = path_mtu(home, other)
        assert (peer["path_mtu"], peer["path_mtu_state"], peer["path_mtu_limit"]) == (
            1320, "fixed", "configuration")
    assert max(packet_bytes(line.stop())) == 1320


def test_the_size_is_fixed_and_freed_by_a_reload(lab, a, b):
    near, far = a.host("h1"), b.host("h1")
    narrow(1454, a, b)
    lab.splice(a, b, site={"max_datagram": 1320})
    for value, state, mtu in (("auto", "found", 1454), (1320, "fixed", 1320),
                              ("auto", "found", 1454)):
        a.lansplice.site["max_datagram"] = value
        a.lansplice.write()
        a.lansplice.reload()
        wait_for(lambda: (path_mtu(a, b)["path_mtu_state"],  # noqa: B023
                          path_mtu(a, b)["path_mtu"]) == (state, mtu), 5, f"{state} {mtu}")
        assert near.ping(far.ip, count=2, options=FULL_PING)
        assert path_mtu(b, a)["path_mtu"] == 1320  # each direction has its own


# ICMP that anyone may have sent.

def forge_too_big(lab, home, quoted, mtu):
    """What a router at the core would say about that packet, if it were true."""
    ip = Ether(quoted)[1]
    frame = Ether(src=lab.wan.mac(f"to-{home.name}"), dst=home.isp.mac("core"))
    if ip.version == 4:
        frame /= IP(src="198.51.100.17", dst=ip.src)
        frame /= ICMP(type=3, code=4, nexthopmtu=mtu) / bytes(ip)[:528]
    else:
        frame /= IPv6(src="2001:db8:ff01::1", dst=ip.src)
        frame /= ICMPv6PacketTooBig(mtu=mtu) / bytes(ip)[:1232]
    lab.wan.send(f"to-{home.name}", frame)


@pytest.mark.parametrize("outer", [4, 6])
def test_forged_icmp_changes_nothing(lab, a, b, outer):
    near, far = a.host("h1"), b.host("h1")
    sent = f"src host {a.wan_ip} or src host {a.wan_ip6}"
    line = lab.capture(a.isp, "core", f"udp and greater 1400 and ({sent})")
    splice(lab, a, b, outer)
    wait_found(1500, a, b)
    stream = Stream(near, far, payload_bytes=1320)
    stream.wait_flowing()
    quoted = line.stop().raw()[-1][1]
    hints = a.lansplice.counter("path_hints")
    for n in range(FORGED):
        for mtu in (576, 1280):
            forge_too_big(lab, a, quoted, mtu)
        assert path_mtu(a, b)["path_mtu"] == 1500
        if n % 5 == 0:
            assert near.ping(far.ip, options=FULL_PING)
    wait_for(lambda: a.lansplice.counter("path_hints") > hints, 3, "the hints to be counted")
    wait_for(lambda: has_found(a, b, 1500), 3, "the search to be at rest")
    assert a.lansplice.counter("mtu_black_holes") == 0
    assert stream.stop() == ([], 0)
