# SPDX-License-Identifier: MIT
"""Real Avahi finds real Avahi, and SSDP a real minidlna, in the other home; then they are used."""
import time

import pytest

from captures import DNS, DNSRR, UDP
from machine import wait_for
from programs import (Avahi, MiniDlna, addresses_of, advertise, discover_ssdp, fetch, find_dlna,
                      serve_web)

SERVICES = {"_airplay._tcp": 7000, "_ipp._tcp": 6310}


def addresses_announced(capture, name):
    """Every A and AAAA of a host name in the mDNS of a capture."""
    found = set()
    for frame in capture.frames(lambda f: f.haslayer(UDP) and f.haslayer(DNS)):
        dns = frame[DNS]
        for section, count in (("an", dns.ancount), ("ns", dns.nscount), ("ar", dns.arcount)):
            record = getattr(dns, section)
            for _ in range(count):
                if (isinstance(record, DNSRR) and record.type in (1, 28)
                        and record.rrname.decode().rstrip(".").lower() == name):
                    found.add(record.rdata)
                record = record.payload
    return found


@pytest.fixture
def two_avahis(lab, a, b):
    """A listener in a, a television in b, and RAs of a /64 of its own in each home."""
    near, far = a.host("h1"), b.host("h1")
    for home, host in ((a, near), (b, far)):
        advertise(home)
        wait_for(lambda: len(addresses_of(host)) >= 2, 15, "an address by RA")  # noqa: B023
    for port in SERVICES.values():
        serve_web(far, port, f"port {port} of b")
    listener, speaker = Avahi(near, "tablet"), Avahi(far, "television")
    for service, port in SERVICES.items():
        speaker.publish("Living Room", service, port)
    return listener, near, far


def test_services_are_found_and_every_address_works(lab, a, b, two_avahis):
    listener, near, far = two_avahis
    seen = lab.capture(near, "eth0", "udp port 5353")
    lab.splice(a, b)
    for service, port in SERVICES.items():
        rows = listener.find("Living Room", service, seconds=15)
        assert {(row["host"], row["port"]) for row in rows} == {("television.local", port)}
    wait_for(lambda: b.prefix6 in near.output("ip -6 route"), 5, "b's prefix to be on a's link")
    announced = addresses_announced(seen.stop(), "television.local")
    assert announced == {far.ip, *addresses_of(far)}
    for address in sorted(announced):
        for port in SERVICES.values():
            assert fetch(near, address, port) == f"port {port} of b", address


def test_without_ipv6_on_link_the_aaaa_is_useless(lab, a, b, two_avahis):
    listener, near, far = two_avahis
    lab.splice(a, b, site={"ipv6_on_link": "off"})
    listener.find("Living Room", "_airplay._tcp", seconds=15)
    assert fetch(near, far.ip, 7000) == "port 7000 of b"
    for address in addresses_of(far):
        assert fetch(near, address, 7000, seconds=2) is None


@pytest.mark.parametrize("snooping", [False, True], ids=["flooding", "snooping"])
def test_dlna_server_is_found_and_described(lab, a, b, snooping):
    near, far = a.host("h1"), b.host("h1")
    if snooping:
        for home in (a, b):
            home.snooping_with_querier()
    MiniDlna(far, "Holiday Films")
    if snooping:
        wait_for(lambda: "239.255.255.250" in b.router.output("bridge mdb show"), 10)
    lab.splice(a, b)
    assert find_dlna(near, "Holiday Films", seconds=20) == f"http://{far.ip}:8200/rootDesc.xml"


MEMBER = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
group = socket.inet_aton("239.255.255.250") + socket.inet_aton("0.0.0.0")
s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group)
time.sleep(600)
"""
SEARCHES = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 4)
for _ in range(20):
    s.sendto(b"M-SEARCH * HTTP/1.1\\r\\n\\r\\n", ("239.255.255.250", 1900))
"""


@pytest.mark.parametrize("mcast_router,crossing", [(None, 20), (0, 0)], ids=["as set", "cleared"])
def test_a_snooping_bridge_sends_all_groups_to_the_tap(lab, a, b, mcast_router, crossing):
    """Somebody at home has joined the group, so the bridge knows where it belongs: not to the TAP.
    The port attribute is what lets searches out all the same."""
    near = a.host("h1")
    for home in (a, b):
        home.snooping_with_querier()
    lab.splice(a, b)
    if mcast_router is not None:
        a.router.run(f"bridge link set dev lansplice0 mcast_router {mcast_router}")
    a.host("h2").start(["/usr/bin/python3", "-c", MEMBER], name="member")
    wait_for(lambda: "239.255.255.250" in a.router.output("bridge mdb show"), 10, "the member")
    time.sleep(2)  # the first queries and their answers, after which the bridge filters
    seen = lab.capture(a.router, "lansplice0", "udp dst port 1900")
    near.run(["/usr/bin/python3", "-c", SEARCHES])
    wait_for(lambda: crossing == 0 or len(seen.frames()) >= crossing, 5, "the searches")
    assert len(seen.stop().frames()) == crossing


def test_a_bridge_that_calls_iptables(lab, a, b):
    """bridge-nf sends bridged frames through conntrack and joins fragments: they still cross."""
    near, far = a.host("h1"), b.host("h1")
    for home in (a, b):
        for table in "arp", "ip", "ip6":
            home.router.sysctl(f"net.bridge.bridge-nf-call-{table}tables", 1)
    lab.splice(a, b)
    assert near.ping(far.ip, count=3)
    wait_for(lambda: near.ping(far.ip6), 5, "IPv6 to cross")
    assert near.ping(far.ip, count=3, options="-s 4000")
