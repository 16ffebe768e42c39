# SPDX-License-Identifier: MIT
"""A hop in the other home lowers TTLs; strict Avahi finds the service because of the repair."""
import pytest

from captures import DNS, IP, TCP, UDP, Dot1Q, Ether, IPv6, checksums_good
from machine import wait_for
from programs import Avahi

GROUP4, GROUP6 = "224.0.0.251", "ff02::fb"
MAC4, MAC6 = "01:00:5e:00:00:fb", "33:33:00:00:00:fb"


def ttl_of(frame):
    return frame[IP].ttl if frame.haslayer(IP) else frame[IPv6].hlim


def mdns_from(capture, mac):
    """The multicast mDNS frames a machine sent."""
    return capture.frames(lambda f: f.src == mac and f.haslayer(UDP) and f[UDP].dport == 5353
                          and f.dst in (MAC4, MAC6))


def television(lab, a, b, hop=None, hop_after=None):
    """A strict listener in a, a television in b, with a hop on either's cable."""
    near = a.host("h1", through=hop_after and ["ttlhop", hop_after], offload=False)
    far = b.host("h1", through=hop and ["ttlhop", hop], offload=False)
    speaker = Avahi(far, "television")
    speaker.publish("Living Room", "_airplay._tcp", 7000)
    return near, far, Avahi(near, "tablet")


@pytest.mark.parametrize("hop", [1, 2, 254])  # 254 leaves TTL 1
def test_repair_makes_the_service_found(lab, a, b, hop):
    near, far, listener = television(lab, a, b, hop=hop)
    raw = lab.capture(b.router, "h1", "udp port 5353")
    mended = lab.capture(near, "eth0", "udp port 5353")
    lab.splice(a, b)
    listener.find("Living Room", "_airplay._tcp", seconds=15)
    assert {ttl_of(f) for f in mdns_from(raw.stop(), far.mac())} == {255 - hop}
    frames = mdns_from(mended.stop(), far.mac())
    assert {f.type for f in frames} == {0x0800, 0x86DD}
    assert {ttl_of(f) for f in frames} == {255}
    assert all(checksums_good(f) for f in frames)
    assert a.lansplice.counter("ttl_repaired_mdns") >= len(frames)


@pytest.mark.parametrize("hop", [1, 2])
def test_without_repair_strict_avahi_ignores_it(lab, a, b, hop):
    near, far, listener = television(lab, a, b, hop=hop)
    seen = lab.capture(near, "eth0", "udp port 5353")
    lab.splice(a, b, site={"ttl_repair": "off"})
    assert not [row for row in listener.browse("_airplay._tcp", resolve=False)
                if row["name"] == "Living Room"]
    # It was not for want of answers.
    answers = wait_for(lambda: [f for f in mdns_from(seen, far.mac()) if f[DNS].qr], 10)
    assert {ttl_of(f) for f in answers} == {255 - hop}
    assert a.lansplice.counter("ttl_repaired_mdns") == 0


def test_a_hop_after_the_tap_cannot_be_mended(lab, a, b):
    near, far, listener = television(lab, a, b, hop_after=1)
    seen = lab.capture(near, "eth0", "udp port 5353")
    lab.splice(a, b)
    assert not [row for row in listener.browse("_airplay._tcp", resolve=False)
                if row["name"] == "Living Room"]
    answers = wait_for(lambda: [f for f in mdns_from(seen, far.mac()) if f[DNS].qr], 10)
    assert {ttl_of(f) for f in answers} == {254}


def test_what_is_repaired_and_what_is_not(lab, a, b):
    """Raw frames, tagged and not: only the groups' own UDP ports, and SSDP never lowered."""
    near, far = a.host("h1"), b.host("h1")
    near_mac, mac = near.mac(), far.mac()
    lab.splice(a, b)
    assert near.ping(far.ip)  # MAC addresses are learnt
    seen = lab.capture(near, "eth0", f"ether src {mac}")

    def frame(dst_mac, ip, sport, dport, tags=(), proto=UDP):
        head = Ether(src=mac, dst=dst_mac)
        for number, kind in enumerate(tags):
            head = head / Dot1Q(vlan=number + 2)
            if kind:
                head.type = kind
        return head / ip / proto(sport=sport, dport=dport) / f"n{len(table)}".encode()

    ssdp4, ssdp6 = ("01:00:5e:7f:ff:fa", "239.255.255.250"), ("33:33:00:00:00:0c", "ff02::c")
    table = []  # (frame, TTL expected at near)

    def row(ttl, *frame_of, **options):
        table.append((frame(*frame_of, **options), ttl))

    for tags in (), (0,), (0x88A8, 0):
        row(255, MAC4, IP(src=far.ip, dst=GROUP4, ttl=1), 5353, 5353, tags=tags)
        row(255, MAC6, IPv6(src=far.ip6, dst=GROUP6, hlim=1), 5353, 5353, tags=tags)
        row(4, ssdp4[0], IP(src=far.ip, dst=ssdp4[1], ttl=1), 1900, 1900, tags=tags)
        row(4, ssdp6[0], IPv6(src=far.ip6, dst=ssdp6[1], hlim=1), 1900, 1900, tags=tags)
    row(64, ssdp4[0], IP(src=far.ip, dst=ssdp4[1], ttl=64), 1900, 1900)
    row(3, near_mac, IP(src=far.ip, dst=near.ip, ttl=3), 5353, 5353)
    row(3, near_mac, IP(src=far.ip, dst=near.ip, ttl=3), 1900, 40000)
    row(3, near_mac, IP(src=far.ip, dst=near.ip, ttl=3), 1900, 1900)
    row(3, MAC4, IP(src=far.ip, dst=GROUP4, ttl=3), 5353, 9999)
    row(3, near_mac, IP(src=far.ip, dst=near.ip, ttl=3), 5353, 5353, proto=TCP)
    for sent, _ in table:
        far.send("eth0", sent)
    arrived = {}

    def all_arrived():
        for f in seen.frames(lambda f: bytes(f)[-3:].lstrip(b"\0")[:1] == b"n"
                             or b"n" in bytes(f)[-3:]):
            arrived[int(bytes(f).rsplit(b"n", 1)[1].rstrip(b"\0"))] = f
        return len(arrived) == len(table)
    wait_for(all_arrived, 5, "every frame", every=0.2)
    for number, (sent, ttl) in enumerate(table):
        assert ttl_of(arrived[number]) == ttl, sent.summary()
        assert checksums_good(arrived[number]), sent.summary()
        assert bytes(arrived[number])[:14] == bytes(sent)[:14]
