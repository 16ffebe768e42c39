# SPDX-License-Identifier: MIT
"""Two DHCP servers and two routers: each home hears only its own. With the guard off, both."""
import contextlib
import select
import time

from captures import BOOTP, DHCP, IP, UDP, Ether, ICMPv6ND_RA, IPv6
from machine import wait_for
from programs import advertise, lease, serve_dhcp

CLIENTS = 20


OFFER, ACK = 2, 5


def dhcp_frame(host, number, kind, *options):
    """What new machine `number` on the host's cable says to whoever serves leases."""
    mac = f"02:00:00:00:{host.ip.split('.')[-1].zfill(2)}:{number:02x}"
    return bytes(
        Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255")
        / UDP(sport=68, dport=67)
        / BOOTP(chaddr=bytes.fromhex(mac.replace(":", "")), xid=number + 1, flags=0x8000)
        / DHCP(options=[("message-type", kind), ("param_req_list", [1, 3]), *options, "end"]))


def dhcp_heard(host, seconds=3):
    """CLIENTS new machines take the first lease they are offered. Sets of (server, router,
    address, machine): of all the offers, and of the leases."""
    heard = {OFFER: set(), ACK: set()}
    asked = set()
    with contextlib.closing(host.packet_socket("eth0")) as raw:
        for number in range(CLIENTS):
            raw.send(dhcp_frame(host, number, "discover"))
        end = time.monotonic() + seconds
        while select.select([raw], [], [], max(0, end - time.monotonic()))[0]:
            frame = Ether(raw.recv(4096))
            if not frame.haslayer(DHCP) or frame[UDP].dport != 68:
                continue
            options = {o[0]: o[1] for o in frame[DHCP].options if isinstance(o, tuple)}
            kind, client = options["message-type"], frame[BOOTP].xid
            if kind in heard:
                heard[kind].add((options["server_id"], options.get("router"),
                                 frame[BOOTP].yiaddr, client))
            if kind == OFFER and client not in asked:
                asked.add(client)
                raw.send(dhcp_frame(host, client - 1, "request",
                                    ("server_id", options["server_id"]),
                                    ("requested_addr", frame[BOOTP].yiaddr)))
    return heard[OFFER], heard[ACK]


def default_routers(host):
    return {line.split()[2] for line in
            host.output("ip -6 route show default proto ra").splitlines()}


def routers_heard(capture):
    """Who offered himself as a router while the capture ran."""
    return {f[IPv6].src for f in capture.frames(
        lambda f: f.haslayer(ICMPv6ND_RA) and f[ICMPv6ND_RA].routerlifetime)}


def link_local(machine, interface="br-lan"):
    text = machine.output(f"ip -6 -o addr show dev {interface} scope link")
    return text.split()[3].split("/")[0]


def test_each_home_hears_only_its_own_servers(lab, a, b):
    hosts = {home: home.host("h1") for home in (a, b)}
    fresh = {home: home.host("h2", address=False) for home in (a, b)}
    for home in (a, b):
        serve_dhcp(home, 100, 149) if home is a else serve_dhcp(home, 150, 199)
        advertise(home)
    lab.splice(a, b)
    seen = {home: lab.capture(hosts[home], "eth0", "icmp6") for home in (a, b)}
    for home, other, low in ((a, b, 100), (b, a, 150)):
        for heard in dhcp_heard(hosts[home]):
            assert {(server, router) for server, router, _, _ in heard} == {(home.router_ip,) * 2}
            assert {client for _, _, _, client in heard} == set(range(1, CLIENTS + 1))
            assert len({ip for _, _, ip, _ in heard}) == CLIENTS
            assert all(low <= int(ip.split(".")[-1]) < low + 50 for _, _, ip, _ in heard)
        assert lease(fresh[home])[1:] == (home.router_ip, home.router_ip)
        wait_for(lambda: default_routers(fresh[home]), 10, "a router by RA")  # noqa: B023
        assert default_routers(fresh[home]) == {link_local(home.router)}
        # Whatever else is said by RA, such as b's prefix on a's link, offers no router.
        heard = wait_for(lambda: routers_heard(seen[home]), 10, "an RA")  # noqa: B023
        assert heard == {link_local(home.router)}
        assert home.lansplice.counter("guard_dhcp") > 0
    assert a.lansplice.counter("guard_ra") + b.lansplice.counter("guard_ra") > 0


def test_without_the_guard_both_answer(lab, a, b):
    """The check above can fail: it does when guard is off."""
    near, fresh = a.host("h1"), a.host("h2", address=False)
    for home, first in ((a, 100), (b, 150)):
        serve_dhcp(home, first, first + 49)
        advertise(home)
    lab.splice(a, b, site={"guard": "off"})
    offers, _ = dhcp_heard(near)
    assert {server for server, *_ in offers} == {a.router_ip, b.router_ip}
    both = {link_local(a.router), link_local(b.router)}
    wait_for(lambda: default_routers(fresh) == both, 10, "both homes' routers by RA")
