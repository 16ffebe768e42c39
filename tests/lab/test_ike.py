# SPDX-License-Identifier: MIT
"""IKEv2 with large certificates between two homes, where a middlebox drops every IP fragment.

IKE_AUTH with certificates of RSA 4096 and without IKE's own fragmentation is larger than any MTU
here, so the host sends it as IP fragments: what commonly dies on tethered and cheap lines. Through
the tunnel it has to arrive whole; over the same line without it, it must not, or nothing is proved.
"""
from collections import Counter

import pytest

from captures import IP, IPv6
from machine import wait_for
from scapy.layers.inet6 import IPv6ExtHdrFragment
from strongswan import Authority, StrongSwan

LINES = [(1500, 4), (1460, 4), (1454, 4), (1400, 4), (1280, 4), (1280, 6)]
every_line = pytest.mark.parametrize(("mtu", "family"), LINES,
                                     ids=[f"{mtu}-ipv{family}" for mtu, family in LINES])

FRAGMENTS = "ip[6:2] & 0x3fff != 0 or ip6 proto 44"


@pytest.fixture(scope="session")
def certified(tmp_path_factory):
    """An authority, and the credentials of two peers by id."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    return authority, {name: authority.certify(name) for name in ("a.example", "b.example")}


def run_charon(machines, certified, **how):
    authority, credentials = certified
    return [StrongSwan(machine, id, credentials[id], authority, **how)
            for machine, id in zip(machines, credentials, strict=True)]


def connect(near, far, name, near_ip, far_ip):
    near.connect(name, far.id, near_ip, far_ip)
    far.connect(name, near.id, far_ip, near_ip)


def fragmented_bytes(capture):
    """What was carried by the fragments of each datagram that had any: sender -> list of bytes."""
    sizes = Counter()
    for frame in capture.frames():
        if frame.haslayer(IPv6ExtHdrFragment):
            header = frame[IPv6ExtHdrFragment]
            sizes[frame[IPv6].src, header.id] += frame[IPv6].plen - 8
        elif frame.haslayer(IP) and (frame[IP].frag or "MF" in frame[IP].flags):
            sizes[frame[IP].src, frame[IP].id] += frame[IP].len - 4 * frame[IP].ihl
    return {sender: [size for (one, _), size in sizes.items() if one == sender]
            for sender, _ in sizes}


def splice_over(lab, a, b, mtu, family, icmp_too):
    """Two homes spliced over a line of that MTU that takes no fragments; their first hosts."""
    hosts = [home.host("h1") for home in (a, b)]
    for home, host, other in zip((a, b), hosts, (b, a), strict=True):
        home.set_mtu(mtu)
        home.drop_fragments(icmp_too)
        host.run(f"ip -6 route add {other.prefix6}/64 dev eth0")
    lab.splice(a, b, family=family)
    return hosts


def assert_ike_comes_up(lab, near, far, certified):
    """By IPv4 and IPv6, at the first try, though each IKE_AUTH leaves its host as fragments."""
    pair = run_charon((near, far), certified)
    connect(*pair, "inner-ipv4", near.ip, far.ip)
    connect(*pair, "inner-ipv6", near.ip6, far.ip6)
    seen = lab.capture(near, "eth0", FRAGMENTS)
    for name in ("inner-ipv4", "inner-ipv6"):
        assert pair[0].initiate(name), pair[0].log()
    for one in pair:
        assert one.established() == {"inner-ipv4", "inner-ipv6"}
        assert "retransmit" not in one.log()
    sizes = fragmented_bytes(seen.stop())
    assert sizes.keys() == {near.ip, far.ip, near.ip6, far.ip6}
    assert all(max(of_sender) > 1500 for of_sender in sizes.values()), sizes


def assert_no_outer_fragments(*homes):
    """The fragments in the LAN were cut again for the tunnel, and the WAN saw none."""
    for home in homes:
        assert home.lansplice.counter("fragmented") > 0
        assert home.lansplice.counter("reassembled") > 0
        assert home.dropped("fragments") == 0


@every_line
@pytest.mark.parametrize("icmp_too", [False, True], ids=["fragments", "fragments-and-icmp"])
def test_ike_through_the_tunnel(lab, a, b, certified, icmp_too, mtu, family):
    """From the first second on, while the path's MTU is still being searched."""
    hosts = splice_over(lab, a, b, mtu, family, icmp_too)
    assert_ike_comes_up(lab, *hosts, certified)
    assert_no_outer_fragments(a, b)


def test_ike_when_the_mtu_is_found(lab, a, b, certified):
    hosts = splice_over(lab, a, b, 1454, 4, icmp_too=True)
    for home, other in ((a, b), (b, a)):
        wait_for(lambda: home.lansplice.peer(other.name)["path_mtu_state"] == "found", 15,
                 "the search to end")
        assert home.lansplice.peer(other.name)["path_mtu"] == 1454
    assert a.dropped("icmp_errors") > 0  # the search had no help
    assert_ike_comes_up(lab, *hosts, certified)
    assert_no_outer_fragments(a, b)


def assert_ike_auth_is_lost(lab, pair, home, sender):
    """IKE_SA_INIT is answered, IKE_AUTH goes out as fragments, and none of it arrives."""
    initiator, responder = pair
    written = [len(one.log()) for one in pair]
    seen = lab.capture(home.router, "wan", FRAGMENTS)
    assert not initiator.initiate("plain")
    assert not any(one.established() for one in pair)
    assert "parsed IKE_SA_INIT response" in initiator.log()[written[0]:]
    assert "parsed IKE_SA_INIT request" in responder.log()[written[1]:]
    assert "parsed IKE_AUTH" not in responder.log()[written[1]:]
    assert max(fragmented_bytes(seen.stop())[sender]) > 1500


@pytest.mark.cable
@every_line
def test_ike_without_the_tunnel(lab, a, b, certified, mtu, family):
    """The control: over the line itself IKE_SA comes up, until fragments are dropped there."""
    ends = [home.wan_ip6 if family == 6 else home.wan_ip for home in (a, b)]
    for home in (a, b):
        home.set_mtu(mtu)
    pair = run_charon((a.router, b.router), certified, retransmit_s=0.25, tries=3)
    connect(*pair, "plain", *ends)
    wait_for(lambda: pair[0].initiate("plain"), 20, "IKE_SA over the line alone")
    assert all(one.established() == {"plain"} for one in pair)
    pair[0].terminate("plain")
    for icmp_too in False, True:
        for home in (a, b):
            home.drop_fragments(icmp_too)
        before = a.dropped("fragments")
        assert_ike_auth_is_lost(lab, pair, a, ends[0])
        assert a.dropped("fragments") > before


@pytest.mark.cable
@pytest.mark.parametrize("family", [4, 6])
def test_middlebox_swallows_icmp(lab, a, b, family):
    """Too large for the line and not to be fragmented: nobody hears of it any more."""
    target = b.wan_ip6 if family == 6 else b.wan_ip
    options = f"-M do -s {1500 - (48 if family == 6 else 28)}"

    def told():
        done = a.router.run(f"ping -n -c 1 -W 1 {options} {target}", check=False)
        assert done.returncode != 0
        return "mtu" in done.stdout.lower() + done.stderr.lower()

    a.set_mtu(1400)
    a.drop_fragments(icmp_too=True)
    assert not told()
    assert a.dropped("icmp_errors") > 0
    a.drop_fragments()
    assert told()
    assert a.router.ping(target)
