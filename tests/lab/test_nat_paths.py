# SPDX-License-Identifier: MIT
"""Paths come, go and change; homes with NATs keep each other through all of it."""
import time

import pytest

from machine import wait_for
from nats import PORT_SET, cut, gather, invite, mend, paths, place
from streams import Stream

FOUND_S = 15
BY_SPRAYING_S = 2
PROBES_MAX = 500
PROBE_BYTES_MAX = 64
ELSEWHERE_S = 3
DIRECT_AGAIN_S = 60
LOST_AT_UPGRADE_S = 1
EVERY_S = 0.01
NAMES_LATE_S = 30
FOUND_BY_NAME_S = 10
HANDFUL = 16
VICTIMS = 12


def meet(lab, a, b, c, one, other, path):
    """a and b, behind those, have found each other through c and use that path."""
    for home, kind in (a, one), (b, other), (c, "public"):
        place(home, kind)
    gather(lab, c, a, b)
    invite(a, b)
    wait_path(a, b, path)


def wait_path(a, b, path, seconds=FOUND_S):
    wait_for(lambda: paths(a, b) == [path, path], seconds, f"both to use {path}")


def streams_between(a, b):
    streams = [Stream(a.host("h1"), b.host("h1"), 5001, EVERY_S),
               Stream(b.host("h1"), a.host("h1"), 5002, EVERY_S)]
    for stream in streams:
        stream.wait_flowing(10)
    return streams


def longest_gap_s(stream, since):
    """The longest time without an arrival from a moment on."""
    moments = [since] + [at for at, _ in stream.arrivals if at > since]
    return max(later - earlier for earlier, later in zip(moments, moments[1:]))


def assert_gap(streams, since, most_s):
    gaps = [longest_gap_s(stream, since) for stream in streams]
    assert max(gaps) <= most_s, gaps


@pytest.mark.parametrize("numgen_invites", [True, False])
def test_a_port_set_is_sprayed(lab, a, b, c, numgen_invites):
    """MAP-E with a port per destination against an endpoint-independent NAT."""
    place(a, "mape_numgen")
    place(b, "eim")
    place(c, "public")
    a.host("h1"), b.host("h1")
    gather(lab, c, a, b)
    probes = lab.capture(b.isp, "home", f"udp and dst host {a.wan_ip}")
    invite(*((a, b) if numgen_invites else (b, a)))
    wait_for(lambda: a.lansplice.is_up("b") and b.lansplice.is_up("a"), FOUND_S, "a way", 0.02)
    begin = time.monotonic()
    wait_path(a, b, "direct4", BY_SPRAYING_S)
    assert time.monotonic() - begin <= BY_SPRAYING_S
    ports = [f["UDP"].dport
             for f in probes.frames(lambda f: len(f["UDP"].payload) <= PROBE_BYTES_MAX)]
    assert set(ports) <= set(PORT_SET)
    assert 0 < len(ports) <= PROBES_MAX
    assert a.hosts["h1"].ping(b.hosts["h1"].ip, count=3)


@pytest.mark.parametrize("kinds", [("eim", "cgnat"), ("ip6fw", "ip6fw")], ids="-".join)
def test_a_cut_path_is_replaced_and_comes_back(lab, a, b, c, kinds):
    path = "direct6" if "ip6fw" in kinds else "direct4"
    meet(lab, a, b, c, *kinds, path)
    streams = streams_between(a, b)
    cut(a, b)
    moment = time.monotonic()
    for stream in streams:
        assert stream.back_after(moment + 0.05, 2 * ELSEWHERE_S) <= ELSEWHERE_S
    wait_path(a, b, "relay", ELSEWHERE_S)
    time.sleep(5)
    mend(a)
    moment = time.monotonic()
    wait_path(a, b, path, DIRECT_AGAIN_S)
    time.sleep(2)
    assert_gap(streams, moment, LOST_AT_UPGRADE_S)
    for stream in streams:
        stream.stop()


def works(home, other, family):
    """A path to the other home by that family was answered."""
    valid = [candidate["endpoint"] for candidate in home.lansplice.peer(other.name)["candidates"]
             if candidate["state"] == "valid"]
    return any(endpoint.startswith("[") == (family == 6) for endpoint in valid
               if not endpoint.startswith("via"))


def test_the_other_family_takes_over(lab, a, b, c):
    for home in a, b, c:
        place(home, "public")
    gather(lab, c, a, b)
    invite(a, b)
    for gone, left in (6, 4), (4, 6):
        wait_for(lambda: works(a, b, left) and works(b, a, left), DIRECT_AGAIN_S,  # noqa: B023
                 f"IPv{left} to be there to take over")
        streams = streams_between(a, b)
        moment = time.monotonic()
        cut(a, b, families=[gone])
        wait_path(a, b, f"direct{left}", ELSEWHERE_S)
        time.sleep(1)
        assert_gap(streams, moment, ELSEWHERE_S)
        mend(a)
        for stream in streams:
            stream.stop()


def test_ipv6_appears_and_goes(lab, a, b, c):
    """Behind NATs that leave only the relay, IPv6 is the way out, as long as it is there."""
    meet(lab, a, b, c, "symmetric", "symmetric", "relay")
    streams = streams_between(a, b)
    moment = time.monotonic()
    a.border.add_ipv6()
    b.border.add_ipv6()
    wait_path(a, b, "direct6", DIRECT_AGAIN_S)
    time.sleep(2)
    assert_gap(streams, moment, LOST_AT_UPGRADE_S)
    b.border.remove_ipv6()
    moment = time.monotonic()
    for stream in streams:
        assert stream.back_after(moment + 0.05, 2 * ELSEWHERE_S) <= ELSEWHERE_S
    wait_path(a, b, "relay", 2 * ELSEWHERE_S)
    for stream in streams:
        stream.stop()


def test_a_nat_reboots_with_a_new_address(lab, a, b, c):
    """The other home calls first or hears first; the meeting point is there meanwhile."""
    meet(lab, a, b, c, "cgnat", "restricted", "direct4")
    streams = streams_between(a, b)
    for home in a, b:
        moment = time.monotonic()
        home.border.reboot(5)
        for stream in streams:
            assert stream.back_after(moment + 0.2, 3 * ELSEWHERE_S) <= 2 * ELSEWHERE_S
        other = b if home is a else a
        wait_for(lambda: home.wan_ip in other.lansplice.peer(home.name)["endpoint"],  # noqa: B023
                 DIRECT_AGAIN_S, f"{other.name} to use {home.name}'s new address")
        wait_path(a, b, "direct4", DIRECT_AGAIN_S)
    for stream in streams:
        stream.stop()


def name_homes(*homes):
    """Each knows the others' names by their addresses of now."""
    text = "127.0.0.1 localhost\n" + "".join(f"{h.wan_ip} {h.name}.example\n" for h in homes)
    for home in homes:
        home.router.run(["sh", "-ec", """
            cat >/run/hosts
            grep -q ' /etc/hosts ' /proc/self/mounts || mount --bind /run/hosts /etc/hosts"""],
            input=text)


@pytest.mark.parametrize("kind", ["eim", "public"])
def test_both_reboot_and_their_names_follow(lab, a, b, kind):
    """Nothing but dynamic DNS, which is late, joins the two."""
    for home in a, b:
        place(home, kind).remove_ipv6()
        home.host("h1")
    name_homes(a, b)
    for one, other in (a, b), (b, a):
        lab.daemon(one).add_peer(lab.daemon(other), f"{other.name}.example:7788")
    for home in a, b:
        home.lansplice.start()
    wait_path(a, b, "direct4")
    for home in a, b:  # at once: neither hears the other from its new address
        home.rule("meta l4proto udp drop")
    for home in a, b:
        home.border.reboot(5) if home.border.boxes else home.change_wan_address(5)
    for home in a, b:
        home.clear_rules()
    time.sleep(NAMES_LATE_S)
    assert not a.hosts["h1"].ping(b.hosts["h1"].ip)
    name_homes(a, b)
    wait_for(lambda: a.hosts["h1"].ping(b.hosts["h1"].ip, seconds=0.3), FOUND_BY_NAME_S, "a ping")


def test_victims_that_a_peer_names_are_hardly_touched(lab, a, b, c):
    """The peer says that it is at addresses of others."""
    c.router.run("\n".join(f"ip addr add 203.0.113.{n}/32 dev lo" for n in range(VICTIMS)))
    for n in range(VICTIMS):
        lab.wan.run(f"ip route add 203.0.113.{n}/32 via {c.nat_ip}")
        c.isp.run(f"ip route add 203.0.113.{n}/32 via {c.wan_ip}")
    b.router.run("ip link add lies type veth peer name end\n"
                 "ip link set end up\nip link set lies up\n" + "\n".join(
        f"ip addr add 203.0.113.{n}/32 dev lies" for n in range(VICTIMS)))
    seen = lab.capture(c.router, "wan", f"ip and udp and src host {a.wan_ip}")
    lab.introduce(a, b, both=False)
    b.lansplice.start()
    a.lansplice.start().wait_up("b")
    assert b.lansplice.is_up("a")
    time.sleep(20)
    for _ in range(3):  # said again and again
        b.router.run("ip addr del 203.0.113.3/32 dev lies")
        time.sleep(1)
        b.router.run("ip addr add 203.0.113.3/32 dev lies")
        time.sleep(2)
    targets = [f["IP"].dst for f in seen.stop().frames()]
    assert targets, "the lie was not even tried: this test sees nothing"
    assert max(map(targets.count, set(targets))) <= HANDFUL, targets
    sizes = [len(f["UDP"].payload) for f in seen.frames()]
    assert max(sizes) <= 200, sizes
