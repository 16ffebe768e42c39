# SPDX-License-Identifier: MIT
"""Two homes with the same router address and the same host address: each keeps its own."""
import time

import pytest

from captures import ARP, IP, UDP, Ether, ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from machine import wait_for
from programs import Avahi, fetch, serve_web

ROUTER, TWIN = "192.168.1.1", "192.168.1.50"
BROADCAST = "ff:ff:ff:ff:ff:ff"
PROVOCATION_SECONDS = 60


@pytest.fixture
def twins(lab):
    """Homes a and b, both with router 192.168.1.1 and a host 192.168.1.50 that serves the web."""
    homes = [lab.home(name, router_ip=ROUTER) for name in "ab"]
    for home in homes:
        home.router.run("ip addr add fe80::1/64 dev br-lan")
        host = home.host("h1", address=False)
        host.run(f"ip addr add {TWIN}/24 dev eth0; ip route add default via {ROUTER}")
        serve_web(host, 80, f"home {home.name}")
        home.host("h2")
    return homes


def provocations(home, victim):
    """Everything by which a's clients might come to believe in b's router and host."""
    frames = []
    for machine, interface, address in ((home.router, "br-lan", ROUTER),
                                        (home.hosts["h1"], "eth0", TWIN)):
        mac = machine.mac(interface)

        def arp(dst, **fields):
            frames.append((machine, interface,  # noqa: B023
                           Ether(src=mac, dst=dst) / ARP(hwsrc=mac, **fields)))  # noqa: B023
        arp(BROADCAST, op=1, psrc=address, pdst=victim.ip)
        arp(BROADCAST, op=1, psrc=address, pdst=address)
        arp(BROADCAST, op=2, psrc=address, pdst=address, hwdst=BROADCAST)
        arp(victim.mac(), op=2, psrc=address, pdst=victim.ip, hwdst=victim.mac())
        arp(BROADCAST, op=1, psrc="0.0.0.0", pdst=address)
    mac = home.router.mac("br-lan")
    frames.append((home.router, "br-lan", Ether(src=mac, dst="33:33:00:00:00:01")
                   / IPv6(src="fe80::1", dst="ff02::1", hlim=255)
                   / ICMPv6ND_NA(tgt="fe80::1", R=1, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)))
    return frames


def neighbour(machine, address):
    words = machine.output(f"ip neigh show {address} dev eth0").split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else None


def believes_in(client, home):
    """The client's own router and host are who it speaks with."""
    return (neighbour(client, ROUTER) == home.router.mac("br-lan")
            and neighbour(client, "fe80::1") == home.router.mac("br-lan")
            and neighbour(client, TWIN) == home.hosts["h1"].mac())


def learn_neighbours(client):
    client.run(f"ping -c 1 -W 2 {ROUTER} >/dev/null; ping -c 1 -W 2 fe80::1%eth0 >/dev/null;"
               f"ping -c 1 -W 2 {TWIN} >/dev/null")


def test_each_home_keeps_its_own(lab, twins):
    a, b = twins
    clients = {home: home.hosts["h2"] for home in twins}
    lab.splice(a, b)
    for home in twins:
        learn_neighbours(clients[home])
        assert believes_in(clients[home], home)
    frames = provocations(b, clients[a]) + provocations(a, clients[b])
    end = time.monotonic() + PROVOCATION_SECONDS
    rounds = 0
    while time.monotonic() < end:
        for machine, interface, frame in frames:
            machine.send(interface, frame)
        for home in twins:
            assert believes_in(clients[home], home), f"after {rounds} rounds"
            assert fetch(clients[home], TWIN, 80) == f"home {home.name}"
            # Both are asked: the kernel forgets a neighbour that nobody speaks with for a minute.
            assert clients[home].ping(ROUTER) and clients[home].ping("fe80::1%eth0")
        rounds += 1
    assert rounds >= 10
    for daemon in (a.lansplice, b.lansplice):
        assert daemon.counter("guard_gateway") > 0
        named = {(c["kind"], c["address"]) for c in daemon.status()["clashes"]}
        assert {("gateway", ROUTER), ("host", TWIN)} <= named
        for told in daemon.command("status").stdout, daemon.log():
            assert ROUTER in told and TWIN in told
    # They are otherwise one network.
    assert clients[a].ping(clients[b].ip)


def test_without_the_guard_beliefs_change(lab, twins):
    """The test above can fail."""
    a, b = twins
    client = a.hosts["h2"]
    lab.splice(a, b, site={"guard": "off"})
    learn_neighbours(client)

    def converted():
        for machine, interface, frame in provocations(b, client):
            machine.send(interface, frame)
        return not believes_in(client, a)
    wait_for(converted, 10, "the client to take b's for a's")


FLOOD = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 16)
s.connect(('232.0.1.1', 5004))
packet, start, sent = bytes(1316), time.monotonic(), 0
while time.monotonic() - start < 20:
    if sent * 1316 * 8 < 20e6 * (time.monotonic() - start):
        s.send(packet); sent += 1
    else:
        time.sleep(0.001)
"""


def test_television_by_multicast_stays_at_home(lab, a, b):
    """20 Mbit/s of IPTV in b: none of it in a, and discovery goes on beside it."""
    near, far = a.host("h1"), b.host("h1")
    seen = lab.capture(near, "eth0", "dst 232.0.1.1")
    at_home = lab.capture(b.host("h2"), "eth0", "dst 232.0.1.1", snap_bytes=96)
    lab.splice(a, b)
    listener, speaker = Avahi(near, "tablet"), Avahi(far, "television")
    source = far.start(["/usr/bin/python3", "-c", FLOOD], name="iptv")
    wait_for(lambda: at_home.count() > 1000, 10, "the flood to be at home")
    speaker.publish("Living Room", "_airplay._tcp", 7000)
    listener.find("Living Room", "_airplay._tcp", seconds=10)
    assert near.ping(far.ip, count=5)
    wait_for(lambda: not source.running, 30, "the flood to end")
    rows = at_home.stop().raw()
    seconds = (rows[-1][0] - rows[0][0]) / 1e6
    assert len(rows) * 1316 * 8 / seconds > 15e6, "the flood was a flood"
    assert seen.stop().count() == 0


def test_multicast_all_lets_it_cross(lab, a, b):
    """... and a packet of it does cross for those who asked for it."""
    near, far = a.host("h1"), b.host("h1")
    seen = lab.capture(near, "eth0", "dst 232.0.1.1")
    lab.splice(a, b, site={"multicast": "all"})
    far.send("eth0", Ether(src=far.mac(), dst="01:00:5e:00:01:01")
             / IP(src=far.ip, dst="232.0.1.1") / UDP(sport=5004, dport=5004) / b"television")
    wait_for(lambda: seen.count() == 1, 5, "the packet")
