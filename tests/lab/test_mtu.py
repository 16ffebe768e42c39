# SPDX-License-Identifier: MIT
"""Full Ethernet frames cross narrow lines, and the outer packets are never IP fragments."""
import pytest

from captures import ICMP, IP, Dot1Q, Ether, IPv6
from machine import wait_for

FULL_PING = "-M do -s 1472"  # 1500 bytes of IP packet, not to be fragmented on its way


def outer_fragments(capture):
    """The fragments among the outer packets, both families, and those without DF."""
    return capture.frames(lambda f: (f.haslayer(IP) and (f[IP].frag or "MF" in f[IP].flags
                                                         or "DF" not in f[IP].flags))
                          or (f.haslayer(IPv6) and f[IPv6].nh == 44))


def send_tagged_pings(near, far, count):
    """Put echo requests that fill 1500 bytes, with one VLAN tag, on the link; their bytes."""
    payload = bytes(range(256)) * 5 + bytes(1472 - 1280)
    frames = [Ether(src=near.mac(), dst=far.mac()) / Dot1Q(vlan=42, prio=5)
              / IP(src=near.ip, dst=far.ip, flags="DF", id=n) / ICMP(id=7, seq=n) / payload
              for n in range(count)]
    near.send("eth0", *frames)
    return [bytes(frame) for frame in frames]


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("icmp", [True, False], ids=["icmp", "icmp-blocked"])
@pytest.mark.parametrize("mtu", [1500, 1400])
def test_full_frames_cross(lab, a, b, mtu, icmp, family):
    near, far = a.host("h1"), b.host("h1")
    for home in (a, b):
        home.set_mtu(mtu)
        if not icmp:
            for chain in "forward", "output":
                home.rule("meta l4proto icmp drop", chain)
                home.rule("icmpv6 type packet-too-big drop", chain)
    if not icmp:
        lab.wan.run("""
            nft add table inet rules
            nft 'add chain inet rules output { type filter hook output priority 0; }'
            nft add rule inet rules output meta l4proto icmp drop
            nft add rule inet rules output icmpv6 type packet-too-big drop""")
    outer = {home: lab.capture(home.isp, "home", "udp") for home in (a, b)}
    core = lab.capture(a.isp, "core", "udp or ip6 proto 44 or ip[6:2] & 0x3fff != 0")
    tagged = lab.capture(far, "eth0", "vlan 42")
    lab.splice(a, b, family=family)
    # Discovery of the path's MTU may cost packets at first; after that, none.
    wait_for(lambda: near.ping(far.ip, options=FULL_PING), 10, "a full frame to cross")
    assert near.ping(far.ip, count=5, options=FULL_PING)
    assert far.ping(near.ip, count=5, options=FULL_PING)
    assert near.ping(far.ip, count=3, options="-s 4000")
    sent = send_tagged_pings(near, far, 5)
    wait_for(lambda: tagged.count() >= 5, 5, "tagged frames")
    assert [data for _, data in tagged.stop().raw()] == sent
    for capture in (*outer.values(), core):
        assert capture.stop().count() > 20
        assert not outer_fragments(capture)
        assert max(len(data) - 14 for _, data in capture.raw()) <= 1500
    assert max(len(data) - 14 for _, data in core.raw()) <= mtu
    for home, other in ((a, b), (b, a)):
        assert 1200 <= home.lansplice.peer(other.name)["path_mtu"] <= mtu


def test_the_mtu_falls_under_way(lab, a, b):
    """The line becomes narrower while in use: full frames cross again, by themselves."""
    near, far = a.host("h1"), b.host("h1")
    lab.splice(a, b)
    assert near.ping(far.ip, count=3, options=FULL_PING)
    for home in (a, b):
        home.set_mtu(1300)
    wait_for(lambda: near.ping(far.ip, options=FULL_PING), 20, "a full frame to cross again")
    assert near.ping(far.ip, count=5, options=FULL_PING)
