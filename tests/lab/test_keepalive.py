# SPDX-License-Identifier: MIT
"""How often something is sent so that NATs do not forget us: as seldom as it will do.

The path in use is kept by the tunnel's own loop probes, one a second. What may fall silent is the
path that stands by: it is checked every 15 s.
"""
import time

from machine import wait_for
from nats import place
from streams import Stream

FORGETS_S = 12
STANDBY_S = 15
LEARNED_S = 75
WATCHED_S = 30
COUNTED_S = 12
PROBE_BYTES = 60
SETTLED_S, IDLE_S = 45, 60  # the MTU was found, and looked for once more
IDLE_BYTES_MOST = 400  # a second, both ways


def ports_of(capture, home):
    return [f["UDP"].sport for f in capture.stop().frames(lambda f: f["IP"].src == home.wan_ip)]


def is_standby(home, other, family):
    return any(c["standby"] and c["endpoint"].startswith("[") == (family == 6)
               for c in home.lansplice.peer(other.name)["candidates"])


def test_a_nat_that_forgets_soon_is_learned(lab, a, b):
    """IPv6 is in use, IPv4 stands by behind a NAT that gives it another port after 12 s."""
    place(a, "symmetric").add_ipv6()
    place(b, "public")
    a.border.mapping_seconds(FORGETS_S)
    for family in 4, 6:
        lab.introduce(a, b, both=False, family=family)
    lab.daemon(a).add_peer(lab.daemon(b), [b.endpoint(), b.endpoint(family=6)])
    for home in b, a:
        home.lansplice.start()
    a.lansplice.wait_up("b")
    wait_for(lambda: a.lansplice.peer("b")["path"] == "direct6" and is_standby(a, b, 4), 30,
             "IPv4 to stand by")
    assert a.lansplice.peer("b")["keepalive_s"] == 20
    before = lab.capture(b.router, "wan", "ip and udp dst port 7788")
    wait_for(lambda: a.lansplice.peer("b")["keepalive_s"] == 10, LEARNED_S, "10 s to be learned")
    assert len(set(ports_of(before, a))) > 1, "the NAT has not forgotten anything"
    time.sleep(STANDBY_S)
    after = lab.capture(b.router, "wan", "ip and udp dst port 7788")
    time.sleep(WATCHED_S)
    ports = ports_of(after, a)
    assert len(set(ports)) == 1, ports
    checks, answers = WATCHED_S / 10, WATCHED_S / STANDBY_S
    assert checks - 1 <= len(ports) <= checks + answers + 2, ports
    assert b.lansplice.peer("a")["keepalive_s"] == 20


def test_nothing_is_sent_where_traffic_keeps_it(lab, a, b):
    """Ten frames a second each way, and a keepalive of 1 s that has nothing to do. What carries no
    frame is small; the search for the MTU answers in bursts, so seconds are counted."""
    place(a, "eim")
    place(b, "public")
    lab.introduce(a, b, both=False, keepalive=1)
    for home in b, a:
        home.lansplice.start()
    a.lansplice.wait_up("b")
    streams = [Stream(a.host("h1"), b.host("h1"), 5001, 0.1),
               Stream(b.host("h1"), a.host("h1"), 5002, 0.1)]
    for stream in streams:
        stream.wait_flowing(10)
    time.sleep(STANDBY_S)  # a settled path
    capture = lab.capture(b.router, "wan", f"udp and src host {a.wan_ip}")
    time.sleep(COUNTED_S)
    seen = capture.stop().frames()
    for stream in streams:
        stream.stop()
    small = [f for f in seen if len(f["UDP"].payload) < PROBE_BYTES]
    assert len(seen) - len(small) >= 9 * COUNTED_S, "the hosts' frames are missing"
    assert len({int(f.time) for f in small}) < COUNTED_S / 2, [float(f.time) for f in small]


def test_an_idle_tunnel_is_nearly_silent(lab, a, b):
    """It may run over a telephone's line. What is sent in a minute, all of it: a loop probe each
    second, a check of the path now and then, and keys that change in every other minute."""
    place(a, "eim")
    place(b, "public")
    lab.introduce(a, b, both=False)
    for home in b, a:
        home.lansplice.start()
    a.lansplice.wait_up("b")
    time.sleep(SETTLED_S)
    capture = lab.capture(b.router, "wan", "udp port 7788")
    time.sleep(IDLE_S)
    seen = capture.stop().frames()
    for home in a, b:
        sent = [f for f in seen if f["IP"].src == home.wan_ip]
        assert IDLE_S - 2 <= len(sent) <= 1.5 * IDLE_S, len(sent)
    assert sum(f["IP"].len for f in seen) < IDLE_S * IDLE_BYTES_MOST
