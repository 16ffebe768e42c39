# SPDX-License-Identifier: MIT
"""Packets as large as QUIC's, DNS answers and EAP-TLS in IP fragments: all arrive, and whole."""
import random
import socket
import struct
import time
from contextlib import closing

import pytest

from captures import DNS
from lines import narrow, wait_found, wait_route6
from machine import wait_for
from programs import listening
from scapy.layers.dns import DNSQR, DNSRROPT

# (outer family, MTU, relay in home a's line)
LINES = [(6, 1280, None), (4, 1454, None), (4, 1500, None),
         (4, 1454, ["delaybox", "delay-ms=4", "reorder-ppm=200000"])]
LINE_NAMES = ["v6-1280", "v4-1454", "v4-1500", "v4-1454-reordered"]

QUIC_BYTES = [1200, 1252, 1350, 1400, 1452, 1472]
RADIUS_BYTES = [1450, 1473, 1600, 3000, 4096]
EACH = 20
DNS_BYTES = 4096
EAPOL_BYTES = 1498
EAPOL_GROUP = "01:80:c2:00:00:03"


@pytest.fixture(params=LINES, ids=LINE_NAMES)
def line(request, lab):
    """Two spliced homes with that line between them: (home a, home b, whether it reorders)."""
    family, mtu, relay = request.param
    a, b = lab.home("a", line=relay), lab.home("b")
    hosts = [home.host("h1") for home in (a, b)]
    narrow(mtu, a, b)
    lab.splice(a, b, family=family)
    wait_found(mtu, a, b)
    wait_route6(*hosts)
    return a, b, relay is not None


def both_ways(a, b):
    near, far = a.host("h1"), b.host("h1")
    return (near, far), (far, near)


def udp(host, family, port=0):
    sock = host.socket(socket.AF_INET if family == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.settimeout(2)
    sock.bind((host.ip if family == 4 else host.ip6, port))
    return sock


def set_df(sock, family, on):
    """IP_MTU_DISCOVER: do (2) or don't (0). A v6 packet is cut by its sender or by nobody."""
    if family == 4:
        sock.setsockopt(socket.IPPROTO_IP, 10, 2 if on else 0)


def cross(source, sink, family, payloads, df):
    """Send each payload once; what arrived, in its order."""
    with closing(udp(sink, family)) as into, closing(udp(source, family)) as out:
        set_df(out, family, df)
        for payload in payloads:
            out.sendto(payload, into.getsockname())
            time.sleep(0.001)  # far below what any socket's buffer holds
        arrived = []
        try:
            while len(arrived) < len(payloads):
                arrived.append(into.recv(65536))
        except TimeoutError:
            pass
        into.settimeout(0.05)
        try:
            arrived.append(into.recv(65536))  # one that came twice
        except TimeoutError:
            pass
        return arrived


def assert_all_cross(line, payloads, df):
    """Every payload arrives once, byte for byte, each way and in both families, and in order where
    the line keeps it; whether any came out of order."""
    a, b, reorders = line
    disordered = False
    for source, sink in both_ways(a, b):
        for family in 4, 6:
            arrived = cross(source, sink, family, payloads, df)
            assert sorted(arrived) == sorted(payloads), (source.name, family)
            assert arrived == payloads or reorders, (source.name, family)
            disordered = disordered or arrived != payloads
    return disordered


def test_quic(lab, line):
    dice = random.Random(1)
    payloads = [dice.randbytes(size) for _ in range(EACH) for size in QUIC_BYTES]
    a, b, _ = line
    cut = [lab.capture(home.host("h1"), "eth0", "ip[6:2] & 0x3fff != 0") for home in (a, b)]
    assert assert_all_cross(line, payloads, df=True) == line[2], "the line should reorder"
    assert [capture.stop().count() for capture in cut] == [0, 0]


# DNS: a real server, dnsmasq, whose answer has exactly DNS_BYTES.

TEXTS = [[letter * 255] * 3 + [letter * last] for letter, last in zip("abcd", (237, 237, 237, 236))]


def serve_texts(host):
    records = [f"--txt-record=big.lan,{','.join(texts)}" for texts in TEXTS]
    host.start(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv",
                "--no-hosts", "--user=root", "--pid-file", "--port=53",
                f"--edns-packet-max={DNS_BYTES}", "--log-facility=-", *records], name="dnsmasq")
    wait_for(lambda: 53 in listening(host, "udp"), 5, "dnsmasq to listen")


def ask_texts(host, address):
    """The answer to TXT big.lan, as a resolver with EDNS takes it over UDP."""
    family = 6 if ":" in address else 4
    query = DNS(id=7, rd=1, qd=DNSQR(qname="big.lan", qtype="TXT"), ar=DNSRROPT(rclass=DNS_BYTES))
    with closing(udp(host, family)) as sock:
        sock.sendto(bytes(query), (address, 53))
        return sock.recv(65536)


def test_a_dns_answer_of_4096_bytes(line):
    a, b, _ = line
    for client, server in both_ways(a, b):
        serve_texts(server)
        for address in server.ip, server.ip6:
            for _ in range(5):
                answer = ask_texts(client, address)
                assert len(answer) == DNS_BYTES
                message = DNS(answer)
                assert not message.tc
                assert sorted([part.decode() for part in message.an[n].rdata]
                              for n in range(message.ancount)) == TEXTS


# EAP-TLS: between an access point and a RADIUS server, and between a station and an access point.

def radius(number, size, dice):
    """An Access-Request of that size (RFC 2865) with a piece of EAP-TLS in EAP-Message attributes
    (RFC 3579 s.3.1)."""
    room = size - 20
    counts = [253] * (room // 255) + [room % 255 - 2]
    if counts[-1] < 1:  # what is left is no attribute: take it from the one before
        counts[-2:] = [counts[-2] + counts[-1] - 1, 1]
    attributes = b"".join(struct.pack("!BB", 79, count + 2) + dice.randbytes(count)
                          for count in counts)
    return struct.pack("!BBH", 1, number % 256, size) + dice.randbytes(16) + attributes


def test_eap_tls_in_radius(line):
    dice = random.Random(2)
    packets = [radius(n, size, dice) for n in range(EACH) for size in RADIUS_BYTES]
    assert [len(packet) for packet in packets] == RADIUS_BYTES * EACH
    assert_all_cross(line, packets, df=False)


def eapol(source, destination, dice):
    """An EAPOL frame (802.1X-2004) that carries EAP_BYTES of EAP-TLS."""
    body = struct.pack("!BBHB", 1, dice.randrange(256), EAPOL_BYTES - 4, 13)
    body += dice.randbytes(EAPOL_BYTES - 4 - len(body))
    return (bytes.fromhex((destination + source).replace(":", "")) + b"\x88\x8e"
            + struct.pack("!BBH", 2, 0, len(body)) + body)


@pytest.mark.parametrize("guard", ["dhcp ra gateway hosts querier", None], ids=["no-stp", "stp"])
def test_eapol(lab, a, b, guard):
    """802.1X is a link's own affair: the guard's word stp keeps it at home. Without the word a
    unicast frame (pre-authentication) crosses whole; the group's never does, by the bridge."""
    near, far = a.host("h1"), b.host("h1")
    narrow(1280, a, b)
    lab.splice(a, b, family=6, site={"guard": guard})
    assert near.ping(far.ip) and far.ping(near.ip)  # the MAC addresses are known now
    dice = random.Random(3)
    for source, sink, home in ((near, far, a), (far, near, b)):
        seen = lab.capture(sink, "eth0", "ether proto 0x888e")
        unicast = [eapol(source.mac(), sink.mac(), dice) for _ in range(5)]
        group = [eapol(source.mac(), EAPOL_GROUP, dice) for _ in range(5)]
        source.send("eth0", *group, *unicast)
        if guard is None:
            wait_for(lambda: home.lansplice.counter("guard_stp") >= 5, 5,  # noqa: B023
                     "the guard")
        else:
            wait_for(lambda: seen.count() >= 5, 5, "EAPOL to cross")  # noqa: B023
        assert source.ping(sink.ip)  # whatever crosses has crossed by now
        assert [data for _, data in seen.stop().raw()] == ([] if guard is None else unicast)
