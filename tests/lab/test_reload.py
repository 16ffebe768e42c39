# SPDX-License-Identifier: MIT
"""Each option, changed while the daemon runs: it holds at once, or a warning names it."""
import re
import time

import pytest

from captures import BOOTP, DHCP, IP, UDP, Ether, ICMPv6ND_RA, IPv6
from control import talk
from coturn import Coturn
from lansplice import TOP, tool, write_secret
from machine import wait_for
from scapy.layers.inet6 import ICMPv6NDOptRouteInfo

# Needs a restart: a legal value that differs.
FIXED = {"name": "renamed", "private-key": "other.key", "port": 7799, "bridge": None,
         "tap": "other0", "control": "/run/other.sock", "ciphers": "chacha20poly1305"}

WAN_IP = "198.51.100.17"  # where the network between the homes begins for home a


# What shows that a new value holds. Each prepares homes that do not run yet and returns a question:
# no under the old value, yes under the new one.

def guard(lab, a, b):
    """Home b's guard sees what home a's now lets out."""
    discover = (Ether(src="02:00:5e:00:53:01", dst="ff:ff:ff:ff:ff:ff")
                / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
                / BOOTP(chaddr=b"\x02\x00\x5e\x00\x53\x01") / DHCP(options=[("message-type", 1),
                                                                           "end"]))

    def is_off():
        a.host("h1").send("eth0", discover)
        time.sleep(0.2)
        return b.lansplice.counter("guard_dhcp") > 0
    return is_off


def ttl_repair(lab, a, b):
    aged = (Ether(src=b.host("h1").mac(), dst="01:00:5e:00:00:fb")
            / IP(src=b.host("h1").ip, dst="224.0.0.251", ttl=254) / UDP(sport=5353, dport=5353))

    def is_on():
        b.host("h1").send("eth0", aged)
        time.sleep(0.2)
        return a.lansplice.counter("ttl_repaired_mdns") > 0
    return is_on


def multicast(lab, a, b):
    lab.daemon(b).site["multicast"] = "all"
    seen = lab.capture(b.host("h1"), "eth0", "dst host 239.1.2.3")
    film = (Ether(src=a.host("h1").mac(), dst="01:00:5e:01:02:03")
            / IP(src=a.host("h1").ip, dst="239.1.2.3", ttl=8) / UDP(sport=5000, dport=5000))

    def is_all():
        a.host("h1").send("eth0", film)
        time.sleep(0.2)
        return seen.count() > 0
    return is_all


def advertised(capture, prefix):
    return capture.count(lambda f: bytes.fromhex(prefix) in bytes(f)) > 0


def ra_routes(lab, a, b):
    lab.daemon(b).site["ra_routes"] = "on"
    seen = lab.capture(b.host("h1"), "eth0", "icmp6 and ip6[40] == 134")
    thread = (Ether(src=a.host("h1").mac(), dst="33:33:00:00:00:01")
              / IPv6(src="fe80::5301", dst="ff02::1", hlim=255) / ICMPv6ND_RA(routerlifetime=0)
              / ICMPv6NDOptRouteInfo(plen=64, rtlifetime=1800, prefix="fd53:5353:5353::"))

    def is_on():
        a.host("h1").send("eth0", thread)
        time.sleep(0.2)
        return advertised(seen, "fd5353535353")
    return is_on


def ipv6_on_link(lab, a, b):
    seen = lab.capture(a.host("h1"), "eth0", "icmp6 and ip6[40] == 134")

    def is_on():
        time.sleep(0.5)
        return advertised(seen, "20010db800a2")
    return is_on


def hub(lab, a, b):
    c = lab.home("c")
    lab.introduce(a, c)
    c.lansplice.start()
    return lambda: b.host("h1").ping(c.host("h1").ip)


def max_datagram(lab, a, b):
    def is_small():
        assert a.host("h1").ping(b.host("h1").ip, options="-s 1120")
        return a.lansplice.counter("fragmented") > 0
    return is_small


def icmp_hint(lab, a, b):
    def is_on():
        a.host("h1").ping(b.host("h1").ip, options="-M do -s 1472")
        return a.lansplice.counter("icmp_hints") > 0
    return is_on


def relay_for_peers(lab, a, b):
    def does():
        time.sleep(0.3)
        return b.lansplice.peer("a")["relays"]
    return does


def stun(lab, a, b):
    """Home a hears how it is seen."""
    Coturn(lab.wan)
    return lambda: a.lansplice.status()["nat"]["ipv4"]["mapped"] is not None


def turn(lab, a, b):
    """The server gives home a an address when it names the server, and has the password."""
    lab.daemon(a).site.setdefault("turn", f"turn:home@{WAN_IP}")
    a.lansplice.site.setdefault("turn_secret", "right.secret")
    write_secret(a.lansplice.folder / "right.secret", "secret")
    write_secret(a.lansplice.folder / "wrong.secret", "guess")
    server = Coturn(lab.wan, {"home": "secret"})
    return lambda: time.sleep(0.5) or server.allocated()


def is_up(lab, a, b):
    def up():
        time.sleep(0.5)
        return a.lansplice.is_up("b")
    return up


def rendezvous_command(lab, a, b):
    """The program, once it is the option's, leaves a trace."""
    a.router.run("printf '#!/bin/sh\\ncat >/run/stored\\n' >/run/rendezvous; "
                 "chmod 755 /run/rendezvous")
    return lambda: a.router.ok("test -s /run/stored")


def event_command(lab, a, b):
    """The program, once it is the option's, is told that the peer is up."""
    a.router.run("printf '#!/bin/sh\\necho $LANSPLICE_EVENT >/run/told\\n' >/run/event; "
                 "chmod 755 /run/event")
    return lambda: a.router.ok("grep -qx peer-up /run/told")


SITE = {"guard": (None, "off", guard), "ttl-repair": ("off", "mdns", ttl_repair),
        "multicast": ("discovery", "all", multicast), "ra-routes": ("off", "on", ra_routes),
        "ipv6-on-link": ("off", "on", ipv6_on_link), "hub": ("no", "yes", hub),
        "max-datagram": ("auto", 1200, max_datagram), "icmp-hint": ("off", "on", icmp_hint),
        "relay-for-peers": ("no", "yes", relay_for_peers),
        "stun": (None, WAN_IP, stun), "turn": (None, f"turn:home@{WAN_IP}", turn),
        "turn-secret": ("wrong.secret", "right.secret", turn),
        "rendezvous-command": (None, "/run/rendezvous", rendezvous_command),
        "event-command": (None, "/run/event", event_command)}
PEER = {"public-key": ("other", "right", is_up), "preshared-key": ("none", "right", is_up),
        "endpoint": ("192.0.2.99:7788", "right", is_up)}


def test_every_option_stands_here():
    listed = (TOP / "daemon/config_options.h").read_text()
    site = re.findall(r'X\("([a-z0-9-]+)"', listed.split("PEER_OPTIONS(X)")[0])
    peer = re.findall(r'X\("([a-z0-9-]+)"', re.split("(?:PEER|TEST)_OPTIONS", listed)[1])
    assert sorted(site) == sorted([*FIXED, *SITE])
    assert sorted(peer) == sorted([*PEER, "keepalive"])


def reload(home, path="/run/lansplice.sock"):
    home.lansplice.write()
    return talk(home.router, '{"command":"reload"}\n', path)[0]


def holds_after_reload(lab, a, b, options, option, old, new, prepare):
    for home in a, b:
        home.host("h1")
    shown = prepare(lab, a, b)
    key = option.replace("-", "_")
    options[key] = old
    b.lansplice.start()
    a.lansplice.start()
    if prepare is not is_up:
        a.lansplice.wait_up("b")
    assert not shown()
    options[key] = new
    assert reload(a) == {"ok": True}
    wait_for(shown, 15, f"{option} = {new}")
    assert "has changed" not in a.lansplice.log()


@pytest.mark.parametrize("option", SITE)
def test_site_option(lab, a, b, option):
    lab.introduce(a, b)
    holds_after_reload(lab, a, b, a.lansplice.site, option, *SITE[option])


@pytest.mark.parametrize("option", PEER)
def test_peer_option(lab, a, b, option):
    """Home b does not know where a is, so that only a's values bring them together."""
    old, new, prepare = PEER[option]
    psk = tool("genpsk") if option == "preshared-key" else None
    lab.daemon(a).add_peer(lab.daemon(b), b.endpoint(), psk)
    b.lansplice.add_peer(a.lansplice, None, psk, keepalive="off")
    options = a.lansplice.peers["b"]
    values = {"right": options.get(option.replace("-", "_")), "none": None,
              "other": tool("pubkey", input=tool("genkey"))}
    holds_after_reload(lab, a, b, options, option, values.get(old, old), values.get(new, new),
                       prepare)


def test_keepalive(lab, a, b):
    """Probes for loops are sent more often, so that it cannot be seen; but the session goes on."""
    daemon, _ = lab.splice(a, b)
    handshakes = daemon.counter("handshakes")
    daemon.peers["b"]["keepalive"] = 1
    assert reload(a) == {"ok": True}
    time.sleep(1)
    assert daemon.is_up("b") and daemon.counter("handshakes") == handshakes
    assert "has changed" not in daemon.log()


@pytest.mark.parametrize("option", FIXED)
def test_fixed_option(lab, a, option):
    daemon = lab.daemon(a)
    write_secret(daemon.folder / "other.key", tool("genkey"))
    daemon.start()
    daemon.site[option.replace("-", "_")] = FIXED[option]
    for _ in range(2):  # it is said as often as it is so
        assert reload(a) == {"ok": True}
    warned = [line for line in daemon.log().splitlines() if "has changed" in line]
    assert len(warned) == 2 and all(f"'{option}' has changed" in line for line in warned)
