# SPDX-License-Identifier: MIT
"""Two homes whose LANs have different MTUs: nothing disappears without a word.

Home a's LAN carries 1500 bytes. In home b a bridge port, the bridge itself, or all of them carry
less, and a bridge drops what is larger than a port's MTU silently.
"""
import re
import socket
from contextlib import closing

import pytest

from captures import IP, IPv6
from homes import offloads_off
from lines import Copy, wait_route6
from links import TAP, link_of
from machine import wait_for

IP_MTU_DISCOVER, IP_PMTUDISC_DONT = 10, 0


class Case:
    """What home b lowers, and what it leads to."""

    def __init__(self, name, lan, tap, commands, host=None):
        self.name, self.lan, self.tap, self.commands = name, lan, tap, commands
        self.host = host or 1500  # the MTU of b's host itself


CASES = [
    Case("port", 1492, 1500, "ip link set h1 mtu 1492", 1492),
    Case("bridge", 1400, 1500, "ip link set br-lan mtu 1400"),
    Case("all", 1400, 1400, "ip link set h1 mtu 1400; ip link set h2 mtu 1400; "
                            "ip link set br-lan mtu 1400", 1400),
]


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request, lab, a, b):
    chosen = request.param
    for home in a, b:
        home.host("h1")
    b.host("h2")
    b.router.run(chosen.commands)
    for host in (b.host("h1"), b.host("h2")):
        if host is b.host("h1") or chosen.name == "all":
            host.run(f"ip link set eth0 mtu {chosen.host}")
    lab.splice(a, b)
    for home, tap, lan in ((a, 1500, 1500), (b, chosen.tap, chosen.lan)):
        assert link_of(home.router)["mtu"] == tap
        assert home.lansplice.status()["lan_mtu"] == lan
    return chosen


def large(daemon):
    return daemon.counter("lan_too_large")


def forget_path_mtu(host):
    host.run("ip route flush cache; ip -6 route flush cache")


def ping(host, address, options):
    return host.run(f"ping -n -c 1 -W 1 {options} {address}", check=False).stdout


def udp_crosses(source, sink, size):
    """A datagram without DF, byte for byte."""
    payload = bytes(n * 7 % 256 for n in range(size))
    with closing(sink.socket(socket.AF_INET, socket.SOCK_DGRAM)) as into, \
            closing(source.socket(socket.AF_INET, socket.SOCK_DGRAM)) as out:
        into.bind((sink.ip, 5005))
        into.settimeout(2)
        out.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT)
        out.sendto(payload, (sink.ip, 5005))
        return into.recv(65536) == payload


def copies(source, sink, family, port):
    """A TCP copy that comes through."""
    copy = Copy(source, sink, family, port)
    wait_for(lambda: copy.arrivals and copy.arrivals[-1][1] > 300_000, 8, "300 kB")
    copy.stop()


def test_what_may_be_cut_arrives(lab, a, b, case):
    near, far, other = a.host("h1"), b.host("h1"), b.host("h2")
    seen = lab.capture(far, "eth0", "ip proto 17")
    for size in 1472, 1465, 2000, 4000:
        assert udp_crosses(near, far, size)
        assert udp_crosses(near, other, size)
        assert udp_crosses(far, near, size)
        assert near.ping(far.ip, options=f"-M dont -s {size}")
        assert far.ping(near.ip, options=f"-M dont -s {size}")
        assert near.ping(b.router_ip, options=f"-M dont -s {size}")
    assert large(b.lansplice) > 0 and large(a.lansplice) == 0
    sizes = [f[IP].len for f in seen.stop().frames() if f.haslayer(IP) and f[IP].src == near.ip]
    assert max(sizes) <= case.lan and len(sizes) > 8


def test_who_sends_too_large_is_told(a, b, case):
    """As a router with such a link would: the first ping hears the size, the next ones keep it."""
    near, far = a.host("h1"), b.host("h1")
    told = ping(near, far.ip, "-M do -s 1472")
    assert re.search(rf"From {far.ip} .*mtu ?= ?{case.lan}", told), told
    assert near.ping(far.ip, count=3, options=f"-M do -s {case.lan - 28}")
    assert not near.ping(far.ip, options=f"-M do -s {case.lan - 27}")  # it has learned
    assert far.ping(near.ip, count=3, options=f"-M do -s {case.lan - 28}")
    counters = b.lansplice.status()["counters"]
    assert counters["lan_too_large"] > 0 and counters["icmp_hints"] > 0


def test_ipv6_is_told(a, b, case):
    near, far = a.host("h1"), b.host("h1")
    wait_route6(near, far)
    told = ping(near, far.ip6, "-6 -M do -s 1452")
    assert re.search(rf"From {far.ip6} .*mtu ?= ?{case.lan}", told), told
    assert near.ping(far.ip6, count=3, options=f"-6 -M do -s {case.lan - 48}")
    assert far.ping(near.ip6, count=3, options=f"-6 -M do -s {case.lan - 48}")
    for size in 1452, 4000:  # now the sender cuts them itself
        assert near.ping(far.ip6, count=2, options=f"-6 -s {size}")
        assert far.ping(near.ip6, count=2, options=f"-6 -s {size}")


@pytest.mark.parametrize("family", [4, 6])
def test_tcp_copies_complete(lab, a, b, case, family):
    """Both directions, and no segment is larger than the smaller LAN."""
    near, far = a.host("h1"), b.host("h1")
    if family == 6:
        wait_route6(near, far)
    offloads_off(near, far)
    seen = lab.capture(far, "eth0", "tcp or ip6 proto 6", snap_bytes=128)
    too_large = large(b.lansplice)
    copies(near, far, family, 5010)
    copies(far, near, family, 5011)
    frames = seen.stop().frames()
    sizes = [f[IP].len if f.haslayer(IP) else f[IPv6].plen + 40 for f in frames]
    assert 1200 < max(sizes) <= case.lan
    assert large(b.lansplice) == too_large, "the MSS should have seen to it"


def test_the_routers_own_address(a, b, case):
    """Its bridge may carry less than the ports; TCP to it completes, too."""
    near = a.host("h1")
    assert near.ping(b.router_ip, count=3, options=f"-M do -s {case.lan - 28}")
    b.router.ip = b.router_ip
    copies(near, b.router, 4, 5010)
    copies(b.router, near, 4, 5011)


def test_a_port_changes_while_it_runs(lab, a, b):
    """Lowered and raised again: what is told and cut follows at once."""
    near, far = a.host("h1"), b.host("h1")
    lab.splice(a, b)
    assert near.ping(far.ip, count=2, options="-M do -s 1472")
    b.router.run("ip link set h1 mtu 1420")
    far.run("ip link set eth0 mtu 1420")
    wait_for(lambda: b.lansplice.status()["lan_mtu"] == 1420, 3, "1420")
    assert near.ping(far.ip, options="-M dont -s 4000")
    assert "mtu" in ping(near, far.ip, "-M do -s 1472")
    b.router.run("ip link set h1 mtu 1500")
    far.run("ip link set eth0 mtu 1500")
    wait_for(lambda: b.lansplice.status()["lan_mtu"] == 1500, 3, "1500")
    forget_path_mtu(near)
    before = large(b.lansplice)
    assert near.ping(far.ip, count=2, options="-M do -s 1472")
    assert large(b.lansplice) == before
    assert link_of(b.router, TAP)["mtu"] == link_of(b.router, "br-lan")["mtu"] == 1500
