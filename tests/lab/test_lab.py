# SPDX-License-Identifier: MIT
"""The lab itself, proven without lansplice: two homes that a cable joins, or nothing does."""
import pytest

from captures import IP, UDP, Dot1Q, Ether, IPv6, checksums_good
from machine import wait_for
from programs import (Avahi, MiniDlna, addresses_of, advertise, fetch, find_dlna, lease, serve_dhcp,
                      serve_web)

pytestmark = pytest.mark.cable


def test_homes_are_apart(a, b):
    h1, other = a.host("h1"), b.host("h1")
    assert h1.ping(a.router_ip)
    assert h1.ping(a.prefix6 + "1")
    assert not h1.ping(other.ip)
    assert not h1.ping(other.ip6)
    assert a.router.ping(b.wan_ip)
    assert a.router.ping(b.wan_ip6)


def test_a_cable_joins_homes(lab, a, b):
    h1, other = a.host("h1"), b.host("h1")
    seen = lab.capture(other, "eth0", "icmp")
    lab.cable(a, b)
    assert h1.ping(other.ip, count=3)
    assert seen.stop().count() == 6


def test_provider_lowers_mtu_and_says_so(a, b):
    a.set_mtu(1400)
    assert a.router.ping(b.wan_ip, options="-M do -s 1372")
    assert "mtu = 1400" in a.router.run(f"ping -c 1 -W 1 -M do -s 1373 {b.wan_ip}",
                                        check=False).stdout
    assert "mtu = 1400" in b.router.run(f"ping -c 1 -W 1 -M do -s 1373 {a.wan_ip}",
                                        check=False).stdout


def test_provider_translates_and_forgets(lab, a, b):
    a.nat("snat to " + a.nat_ip + ":5000-5000")
    seen = lab.capture(b.router, "wan", "udp")
    speak = "exec 3<>/dev/udp/%s/9; echo hello >&3" % b.wan_ip
    a.router.run(["bash", "-c", speak])
    a.nat("snat to " + a.nat_ip + ":6000-6000")
    a.router.run(["bash", "-c", speak])
    ports = [(f["IP"].src, f["UDP"].sport) for f in seen.stop().frames()]
    assert ports == [(a.nat_ip, 5000), (a.nat_ip, 6000)]


def test_provider_changes_address(a, b):
    a.change_wan_address(5)
    assert a.router.ping(b.wan_ip)
    assert b.router.ping(a.wan_ip)


def test_programs_find_each_other_over_a_cable(lab, a, b):
    lab.cable(a, b)
    near, far = a.host("h1"), b.host("h1")
    serve_web(far, 7000, "hello")
    listener, speaker = Avahi(near, "tablet"), Avahi(far, "television")
    speaker.publish("Living Room", "_airplay._tcp", 7000, "deviceid=1")
    rows = listener.find("Living Room", "_airplay._tcp")
    assert {row["host"] for row in rows} == {"television.local"}
    assert far.ip in listener.addresses("television.local")
    assert fetch(near, far.ip, 7000) == "hello"
    MiniDlna(far, "Album")
    assert find_dlna(near, "Album").startswith(f"http://{far.ip}:8200/")


def test_leases_and_advertisements(a):
    host = a.host("h1", address=False)
    serve_dhcp(a, 100, 149)
    advertise(a)
    address, router, server = lease(host)
    assert (router, server) == (a.router_ip, a.router_ip)
    assert 100 <= int(address.rsplit(".")[-1]) <= 149
    wait_for(lambda: any(ip.startswith("2001:db8:a1:") for ip in addresses_of(host)), 10)


def test_ttlhop_lowers_ttl_and_mends_the_checksum(lab, a):
    near, far = a.host("h1"), a.host("h2", through=["ttlhop", 3], offload=False)
    seen = lab.capture(near, "eth0", "udp or icmp or vlan")
    assert near.ping(far.ip, count=2)
    far.run(["bash", "-c", f"echo x >/dev/udp/{near.ip}/9"])
    far.send("eth0", Ether(src=far.mac(), dst=near.mac()) / Dot1Q(vlan=7) / IP(dst=near.ip, ttl=2)
             / UDP(sport=9, dport=9) / b"tagged")
    far.send("eth0", Ether(src=far.mac(), dst=near.mac()) / IPv6(dst=near.ip6, hlim=255)
             / UDP(sport=9, dport=9) / b"six")
    wait_for(lambda: seen.count(lambda f: f.src == far.mac()) >= 5, 5, "all five")
    frames = seen.stop().frames(lambda f: f.src == far.mac())
    ttls = [f.getlayer("IP").ttl if f.haslayer("IP") else f["IPv6"].hlim for f in frames]
    assert ttls == [61, 61, 61, 1, 252]
    assert frames[3]["Dot1Q"].vlan == 7
    assert all(checksums_good(frame) for frame in frames)



def test_delaybox_delays_and_loses(lab, a):
    near, far = a.host("h1"), a.host("h2", through=["delaybox", "delay-ms=20", "loss-ppm=200000"])
    text = near.output(f"ping -n -i 0.01 -W 1 -c 200 {far.ip} || true")
    received = int(text.split(" received")[0].split()[-1])
    assert 80 < received < 180, text   # 0.8 squared of 200 is 128
    assert float(text.split("mdev = ")[1].split("/")[0]) >= 40, text
