# SPDX-License-Identifier: MIT
"""Errors that come back for outer packets: understood, counted, and never more than a hint."""
import time

import pytest

from captures import ICMP, IP, UDP, Ether, IPv6
from machine import wait_for
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig
from streams import Stream

FULL_PING = "-M do -s 1472"
PORT = 7788


def forged(a, b, family, kind, mtu=1280):
    """An ICMP error, as if a router told home a of a datagram to home b."""
    if family == 6:
        quoted = IPv6(src=a.wan_ip6, dst=b.wan_ip6) / UDP(sport=PORT, dport=PORT, len=1408)
        error = ICMPv6PacketTooBig(mtu=mtu) if kind == "too-big" else ICMPv6DestUnreach(code=4)
        packet = IPv6(src="2001:db8:bad::1", dst=a.wan_ip6) / error / quoted
    else:
        quoted = IP(src=a.wan_ip, dst=b.wan_ip, flags="DF", len=1428) / UDP(sport=PORT, dport=PORT,
                                                                           len=1408)
        error = ICMP(type=3, code=4, nexthopmtu=mtu) if kind == "too-big" else ICMP(type=3, code=3)
        packet = IP(src="203.0.113.1", dst=a.wan_ip) / error / quoted
    return bytes(Ether(src=a.isp.mac("home"), dst=a.router.mac("wan")) / packet / bytes(64))


def cpu_s(daemon):
    with open(f"/proc/{daemon.process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


@pytest.mark.parametrize("family", [4, 6])
def test_one_peers_closed_port_costs_the_other_nothing(lab, a, b, c, family):
    """Home c's daemon dies: its kernel answers each datagram by 'port unreachable', and the next
    call on a's socket fails, be it about home b."""
    for key in "ipv4/icmp_ratelimit", "ipv4/icmp_msgs_per_sec", "ipv6/icmp/ratelimit":
        c.router.run(f"echo {100000 if 'per_sec' in key else 0} >/proc/sys/net/{key}")
    for home in a, b, c:
        home.host("h1")
    daemon, *_ = lab.splice(a, b, c, family=family)
    for home in b, c:
        assert a.host("h1").ping(home.host("h1").ip)
    dropped = daemon.counter("send_dropped")
    to_b = Stream(a.host("h1"), b.host("h1"), every_s=0.002)
    to_c = Stream(a.host("h1"), c.host("h1"), every_s=0.001)
    to_b.wait_flowing()
    c.lansplice.kill()
    wait_for(lambda: daemon.counter("icmp_errors") > 200, 10, "ICMP errors")
    time.sleep(0.5)
    lost, twice = to_b.stop()
    to_c.stop()
    assert (lost, twice) == ([], 0) and to_b.sent > 100
    assert daemon.counter("send_dropped") == dropped
    assert daemon.is_up("b")


@pytest.mark.parametrize("kind", ["too-big", "unreachable"])
@pytest.mark.parametrize("family", [4, 6])
def test_forged_icmp_flood(lab, a, b, family, kind):
    """Anyone can forge ICMP: nothing is lost, nothing is believed, and the daemon rests after."""
    near, far = a.host("h1"), b.host("h1")
    daemon, _ = lab.splice(a, b, family=family)
    assert near.ping(far.ip, options=FULL_PING)
    counter = "path_hints" if kind == "too-big" else "icmp_errors"
    before = daemon.counter(counter)
    stream = Stream(near, far, every_s=0.005)
    stream.wait_flowing()
    error = forged(a, b, family, kind)
    for _ in range(20):
        a.isp.send("home", *[error] * 200)
        time.sleep(0.02)
    wait_for(lambda: daemon.counter(counter) > before, 5, counter)
    lost, twice = stream.stop()
    assert daemon.is_up("b") and daemon.counter("send_dropped") == 0
    assert (lost, twice) == ([], 0) and stream.sent > 50
    assert near.ping(far.ip, count=3, options=FULL_PING)
    used = cpu_s(daemon)
    time.sleep(1)
    assert cpu_s(daemon) - used < 0.2, "it does not rest"


@pytest.mark.parametrize("family", [4, 6])
def test_a_router_says_too_big(lab, a, b, family):
    """Not forged: the provider's link carries 1400, and the search hears of it."""
    near, far = a.host("h1"), b.host("h1")
    b.set_mtu(1400)
    daemon, other = lab.splice(a, b, family=family)
    wait_for(lambda: daemon.counter("path_hints") > 0, 5, "a hint")
    wait_for(lambda: daemon.peer("b")["path_mtu_state"] == "found", 5, "the search to end")
    peer = daemon.peer("b")
    assert (peer["path_mtu"], peer["path_mtu_limit"]) == (1400, "router")
    assert peer["paths"] == [{"family": f"ipv{family}", "path_mtu": 1400, "state": "found",
                              "limit": "router", "told": 1400,
                              "proved_s": peer["paths"][0]["proved_s"]}]
    wait_for(lambda: other.peer("a")["path_mtu"] == 1400, 5, "b's search")
    assert near.ping(far.ip, count=3, options=FULL_PING)
    assert far.ping(near.ip, count=3, options=FULL_PING)


@pytest.mark.parametrize("family", [4, 6])
def test_our_own_kernel_refuses(lab, a, b, family):
    """The WAN's own MTU falls while large datagrams are sent: sendmmsg() says EMSGSIZE."""
    near, far = a.host("h1"), b.host("h1")
    daemon, _ = lab.splice(a, b, family=family)
    wait_for(lambda: daemon.peer("b")["path_mtu_state"] == "found", 10, "the search to end")
    assert daemon.peer("b")["path_mtu"] == 1500
    assert daemon.counter("path_hints") > 0, "no probe was refused"
    assert daemon.counter("send_too_large") == 0, "a refused probe is no loss"
    assert near.ping(far.ip, count=3, options=FULL_PING)
    stream = Stream(near, far, every_s=0.005, payload_bytes=1300)  # a frame fills one datagram
    stream.wait_flowing()
    a.router.run("ip link set wan mtu 1300")
    changed = time.monotonic()
    stream.wait_flowing(2)
    wait_for(lambda: daemon.peer("b")["path_mtu"] == 1300, 3, "1300")
    known_s = time.monotonic() - changed
    time.sleep(0.5)
    first = stream.sent
    time.sleep(0.5)
    lost, _ = stream.stop()
    assert [n for n in lost if n >= first] == [], f"known after {known_s:.1f} s"
    assert len(lost) * 0.005 < 1, "much was lost before it was known"
    assert daemon.peer("b")["path_mtu_limit"] == "interface"
    status = daemon.status()["counters"]
    assert status["send_too_large"] > 0 and status["path_hints"] > 0
    assert near.ping(far.ip, count=3, options=FULL_PING)
    assert far.ping(near.ip, count=3, options=FULL_PING)
