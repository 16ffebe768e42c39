# SPDX-License-Identifier: MIT
"""A router that does MAP-E itself listens at one of its home's own ports."""
import json
import time

from machine import wait_for
from nats import MapERouter, gather, invite, paths, place, port_set
from streams import Stream

FOUND_S = 15
MOVED_S = 10
OTHER_PSID = 0x35


def begin(lab, a, b, c):
    """a does MAP-E, b is behind a symmetric NAT, c is where they meet; a's daemon chose a port."""
    a.border = MapERouter(a)
    place(b, "symmetric")
    place(c, "public")
    lab.daemon(a).site["port"] = "auto"
    gather(lab, c, a, b)
    wait_for(lambda: a.lansplice.status()["port"] in port_set(), MOVED_S, "a port of the set")
    return a.lansplice.status()["port"]


def findings(home):
    return {f["check"]: f for f in json.loads(
        home.lansplice.command("doctor", "--json", check=False).stdout)["findings"]}


def test_a_symmetric_nat_reaches_it(lab, a, b, c):
    port = begin(lab, a, b, c)
    invite(a, b)
    wait_for(lambda: paths(a, b) == ["relay", "relay"], FOUND_S, "both to meet")
    assert f"let UDP {port} in" in findings(a)["map-e"]["advice"]
    a.border.let_in(port)
    wait_for(lambda: paths(a, b) == ["direct4", "direct4"], FOUND_S, "both to be direct")
    assert b.lansplice.peer("a")["endpoint"] == f"{a.wan_ip}:{port}"
    assert a.host("h1").ping(b.host("h1").ip, count=3)


def test_the_port_is_kept(lab, a, b, c):
    port = begin(lab, a, b, c)
    a.lansplice.stop()
    a.router.run("rm /run/map-wan.rules")  # not there yet when the router starts
    a.lansplice.restart()
    assert a.lansplice.status()["port"] == port


def test_another_set_moves_the_port(lab, a, b, c):
    """Peers that are there stay so, and b, which must call, finds the new port."""
    port = begin(lab, a, b, c)
    a.border.let_in(port)
    invite(a, b)
    wait_for(lambda: paths(a, b) == ["direct4", "direct4"], FOUND_S, "both to be direct")
    stream = Stream(a.host("h1"), b.host("h1"), 5001, 0.05)
    stream.wait_flowing(10)
    a.border.set_ports(OTHER_PSID, last=5)
    wait_for(lambda: a.lansplice.status()["port"] in port_set(OTHER_PSID), MOVED_S, "to move")
    moved = a.lansplice.status()["port"]
    a.border.let_in(moved)
    wait_for(lambda: b.lansplice.peer("a")["endpoint"] == f"{a.wan_ip}:{moved}", 60,
             "b to find the new port")
    assert time.monotonic() - stream.arrivals[-1][0] < 2
    assert b.lansplice.is_up("a") and a.lansplice.is_up("b", "c")
    assert "is down" not in b.lansplice.log()
    stream.stop()


def test_any_other_line_has_the_usual_port(lab, a, b):
    """Behind a gateway that does MAP-E, and without MAP-E."""
    place(a, "mape_eim")
    lab.daemon(a).site["port"] = lab.daemon(b).site["port"] = "auto"
    lab.introduce(a, b, both=False)
    a.lansplice.test["map_rules"] = "/run/map-*.rules"
    for home in a, b:
        home.lansplice.start()
    a.lansplice.wait_up("b")
    assert {home.lansplice.status()["port"] for home in (a, b)} == {7788}
