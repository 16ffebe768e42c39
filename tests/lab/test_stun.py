# SPDX-License-Identifier: MIT
"""What the Internet sees of a home, by STUN servers: behind each NAT, honest or not, there or gone.

The servers are coturn's, on the machine `wan`, which has more addresses for them.
"""
import os
import socket
import struct
import time

import pytest

from control import talk
from coturn import Coturn
from machine import wait_for
from nats import KINDS, place

ONE, TWO, THREE = "203.0.113.1", "203.0.113.2", "203.0.113.3"
ONE6, TWO6 = "2001:db8:ffff::1", "2001:db8:ffff::2"
COOKIE = b"\x21\x12\xa4\x42"
KNOWN_S = 5

# A server that says what it is told to: the mapped endpoint is the true one, or @1; with @2 it has
# another address, which it need not be.
LIAR = """
import socket, struct, sys
def value(text, mask):
    host, port = text.rsplit(':', 1)
    plain = struct.pack('!H', int(port)) + socket.inet_aton(host)
    return b'\\0\\1' + bytes(p ^ m for p, m in zip(plain, mask))
bound = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
bound.bind((sys.argv[1], 3478))
while True:
    request, client = bound.recvfrom(100)
    mapped = sys.argv[2] or '%s:%d' % client
    body = struct.pack('!HH', 0x20, 8) + value(mapped, b'\\x21\\x12\\x21\\x12\\xa4\\x42')
    if sys.argv[3]:
        body += struct.pack('!HH', 0x802c, 8) + value(sys.argv[3], bytes(6))
    bound.sendto(struct.pack('!HH', 0x101, len(body)) + request[4:20] + body, client)
"""


@pytest.fixture
def wan(lab):
    lab.wan.be(ONE, TWO, THREE, ONE6, TWO6)
    return lab.wan


def liar(machine, address, mapped="", other=""):
    machine.start(["/usr/bin/python3", "-c", LIAR, address, mapped, other], name="liar")


def asking(lab, home, *servers):
    daemon = lab.daemon(home)
    daemon.site["stun"] = list(servers)
    return daemon.start()


def nat(daemon, family="ipv4"):
    return daemon.status()["nat"][family]


def wait_known(daemon, family="ipv4", behaviour=None, seconds=KNOWN_S):
    """Until the mapped endpoint is known, and that behaviour."""
    wait_for(lambda: nat(daemon, family)["mapped"] and
             behaviour in (None, nat(daemon, family)["behaviour"]), seconds,
             f"STUN to tell of {family} {behaviour or ''}")
    return nat(daemon, family)


@pytest.mark.parametrize("kind", [name for name in KINDS if KINDS[name].ipv4])
def test_one_server_of_two_addresses_tells_the_mapping(lab, a, wan, kind):
    """RFC 5780 by a server that has another address."""
    place(a, kind)
    Coturn(wan, addresses=[ONE, TWO])
    daemon = asking(lab, a, ONE)
    seen = wait_known(daemon, behaviour=KINDS[kind].mapping)
    address, port = seen["mapped"].split(":")
    assert address == a.wan_ip
    assert seen["port_kept"] == (port == "7788")
    if kind in ("public", "eim"):
        assert seen["port_kept"]
    assert [(one["other"], one["state"]) for one in seen["servers"]] == [
        (False, "answered"), (True, "answered")]
    assert all(one["server"] == f"{ONE}:3478" for one in seen["servers"])


@pytest.mark.parametrize("kind", ["eim", "symmetric"])
def test_two_servers_tell_the_mapping(lab, a, wan, kind):
    place(a, kind)
    for number, address in enumerate((ONE, TWO)):
        Coturn(wan, addresses=[address], port=3478 + number)
    daemon = asking(lab, a, ONE, f"{TWO}:3479")
    seen = wait_known(daemon, behaviour=KINDS[kind].mapping)
    assert [one["address"] for one in seen["servers"]] == [f"{ONE}:3478", f"{TWO}:3479"]
    assert len({one["mapped"] for one in seen["servers"]}) == (1 if kind == "eim" else 2)


@pytest.mark.parametrize("kind", [name for name in KINDS if KINDS[name].ipv6])
def test_ipv6_has_no_mapping(lab, a, wan, kind):
    place(a, kind)
    Coturn(wan, addresses=[ONE6, TWO6])
    daemon = asking(lab, a, f"[{ONE6}]")
    seen = wait_known(daemon, "ipv6", "none")
    assert seen["mapped"] == f"[{a.wan_ip6}]:7788"


def test_a_server_that_is_gone_is_named_and_the_other_asked(lab, a, wan):
    place(a, "eim")
    Coturn(wan, addresses=[TWO])
    daemon = asking(lab, a, ONE, TWO)
    assert wait_known(daemon)["mapped"] == f"{a.wan_ip}:7788"
    wait_for(lambda: f"no answer from the STUN server {ONE}:3478" in daemon.log(), 20,
             "the silent server to be named")
    seen = nat(daemon)
    assert [one["state"] for one in seen["servers"]] == ["silent", "answered"]
    assert seen["behaviour"] == "unknown"
    assert f"STUN server {TWO}" not in daemon.log()


@pytest.mark.skipif(not os.environ.get("LANSPLICE_LONG"), reason="it takes 45 s; check-long")
def test_a_server_that_comes_back_is_asked_again(lab, a, wan):
    place(a, "eim")
    daemon = asking(lab, a, ONE)
    wait_for(lambda: nat(daemon)["servers"][0]["state"] == "silent", 20, "the server to be silent")
    Coturn(wan, addresses=[ONE])
    wait_known(daemon, seconds=35)


def test_a_new_address_is_known_at_once(lab, a, wan):
    Coturn(wan, addresses=[ONE, TWO])
    daemon = asking(lab, a, ONE)
    wait_known(daemon, behaviour="none")
    for last in (5, 6):
        a.change_wan_address(last)
        wait_for(lambda: nat(daemon)["mapped"] == f"{a.wan_ip}:7788", 3, "the new address")
    assert nat(daemon)["behaviour"] == "none"


def test_a_nat_that_restarts_behind_the_router(lab, a, b, wan):
    """Nothing changes at the router, and all its peers are up: the next round is minutes away. A
    peer's answer tells that we are elsewhere."""
    place(a, "eim")
    Coturn(wan, addresses=[ONE, TWO])
    lab.introduce(a, b, both=False)
    b.lansplice.start()
    daemon = asking(lab, a, ONE)
    daemon.wait_up("b")
    wait_known(daemon, behaviour="independent")
    time.sleep(5)
    a.border.reboot(5)
    wait_for(lambda: nat(daemon)["mapped"] == f"{a.wan_ip}:7788", 20, "the new address")
    assert f"{a.wan_ip}:7788 reflexive" in daemon.status()["nat"]["candidates"]


def test_a_name_that_dns_does_not_know_yet(lab, a, wan):
    """At boot DNS comes late."""
    Coturn(wan, addresses=[ONE])
    a.router.run("cat >/run/hosts", input=f"{ONE} stun.example\n")
    daemon = asking(lab, a, "stun.example")
    wait_for(lambda: "STUN server: cannot resolve stun.example:3478" in daemon.log(), 10,
             "the failure to be told")
    assert [one["state"] for one in nat(daemon)["servers"]] == ["unresolved"]
    a.router.run("mount --bind /run/hosts /etc/hosts")
    seen = wait_known(daemon, seconds=20)
    assert [(one["server"], one["address"]) for one in seen["servers"]] == [
        ("stun.example:3478", f"{ONE}:3478")]


def test_servers_change_by_a_reload(lab, a, wan):
    Coturn(wan, addresses=[ONE, TWO])
    daemon = asking(lab, a, THREE)
    assert nat(daemon)["mapped"] is None
    for servers, known in (([THREE, ONE], True), ([], False), ([TWO], True)):
        daemon.site["stun"] = servers
        daemon.write()
        assert talk(a.router, '{"command":"reload"}\n', "/run/lansplice.sock")[0] == {"ok": True}
        wait_for(lambda: (nat(daemon)["mapped"] is not None) == known, KNOWN_S, f"{servers}")
        assert {one["server"] for one in nat(daemon)["servers"]} == {f"{s}:3478" for s in servers}


# ---- hostile ----

def forged(transaction, mapped):
    """A success that tells of that address, as if no server had asked for more."""
    value = b"\0\1" + bytes(p ^ m for p, m in zip(
        struct.pack("!H", 6666) + socket.inet_aton(mapped), COOKIE[:2] + COOKIE))
    return struct.pack("!HHHH", 0x101, 12, 0x2112, 0xa442) + transaction + b"\0\x20\0\x08" + value


def test_spoofed_answers_are_refused(lab, a, wan):
    """From the server's very address and port, before and after it answered."""
    place(a, "public")
    server = Coturn(wan, addresses=[ONE])
    daemon = asking(lab, a, ONE)
    true, before = wait_known(daemon)["mapped"], nat(daemon)["refused"]
    server.stop()
    wait_for(lambda: not server.process.running, 5, "coturn to end")
    spoofer = wan.socket(socket.AF_INET, socket.SOCK_DGRAM)
    spoofer.bind((ONE, 3478))
    stranger = wan.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for n in range(100):
        for sender in spoofer, stranger:
            sender.sendto(forged(n.to_bytes(12, "big"), "198.18.0.1"), (a.wan_ip, 7788))
    wait_for(lambda: nat(daemon)["refused"] == before + 200, KNOWN_S, "200 answers to be refused")
    assert nat(daemon)["mapped"] == true


@pytest.mark.parametrize("mapped", ["127.0.0.1:80", "224.0.0.1:7788", "0.0.0.0:7788",
                                    "192.0.2.9:0"])
def test_what_no_nat_maps_to_is_not_believed(lab, a, wan, mapped):
    liar(wan, ONE, mapped)
    daemon = asking(lab, a, ONE)
    wait_for(lambda: nat(daemon)["refused"] >= 1, KNOWN_S, "the answer to be refused")
    assert nat(daemon)["mapped"] is None


def test_a_server_cannot_aim_us_at_a_victim(lab, a, wan):
    """Its other address gets five requests of 20 bytes in 8 s, and no more until the next round."""
    seen = lab.capture(wan, "any", f"udp and dst host {THREE} and dst port 53")
    liar(wan, ONE, other=f"{THREE}:53")
    daemon = asking(lab, a, ONE)
    wait_known(daemon)
    time.sleep(9)
    assert nat(daemon)["servers"][1]["address"] == f"{THREE}:53"
    assert 5 <= seen.count() <= 10, "each may be captured on two interfaces, or two rounds begun"
