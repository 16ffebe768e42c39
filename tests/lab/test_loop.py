# SPDX-License-Identifier: MIT
"""A second path between the same bridges: the loop is stopped within a second, and forgiven."""
import time

from captures import ARP, Ether
from machine import link, wait_for

STOPPED_WITHIN_S = 1.0
BROADCAST = "ff:ff:ff:ff:ff:ff"
FRAMES_MOST = 20000  # of a loop left to itself: millions


def shut(homes):
    return [h for h in homes if h.lansplice.status()["port_shut"]]


def join(one, other):
    """The second path: a cable from bridge to bridge, which nobody in his senses plugs in."""
    link(one.router, "second", other.router, "second")
    for home in (other, one):
        home.router.run("ip link set second master br-lan")
    return time.monotonic()


def unplug(home):
    home.router.run("ip link del second")


def provoke(host, number):
    """Broadcasts that a loop multiplies."""
    mac = host.mac()
    host.send("eth0", *[Ether(src=mac, dst=BROADCAST)
                        / ARP(hwsrc=mac, psrc=host.ip, pdst=f"192.168.1.{200 + n}")
                        for n in range(number)])


def check_loop_is_stopped(homes, joined, seen, near):
    provoke(near, 3)
    wait_for(lambda: shut(homes), 5, "a port to be shut", every=0.01)
    took = time.monotonic() - joined
    provoke(near, 3)
    time.sleep(2)  # frames that still run are to be seen
    first = seen.count()
    assert first < FRAMES_MOST
    time.sleep(1)
    assert seen.count() - first < 100, "frames still run in a circle"
    assert took < STOPPED_WITHIN_S + 0.3, took  # the status command takes its time as well
    return shut(homes)


def test_second_path_between_two_homes(lab, a, b):
    near, far = a.host("h1"), b.host("h1")
    lab.splice(a, b)
    assert near.ping(far.ip)
    seen = lab.capture(near, "eth0", "arp", snap_bytes=64)
    joined = join(a, b)
    stopped = check_loop_is_stopped([a, b], joined, seen, near)
    assert len(stopped) == 1, "one of the two keeps its port"
    daemon = stopped[0].lansplice
    assert daemon.counter("loop_stopped") >= 1
    other = "b" if stopped[0] is a else "a"
    told = [line for line in daemon.log().splitlines() if "loop" in line]
    assert any(f" {other}:" in line and "shut" in line for line in told), told
    for host in (near, far):  # the bridges learn anew where they are
        provoke(host, 1)
    assert near.ping(far.ip, count=3), "the cable is there"
    assert stopped[0].lansplice.is_up(), "the peer is not lost by a loop"
    unplug(a)
    wait_for(lambda: not shut([a, b]), 60, "the port to be opened", every=0.2)

    def reached():
        for host in (near, far):  # each is believed to live at both ends for 10 s more
            provoke(host, 1)
        return near.ping(far.ip)
    wait_for(reached, 15, "a ping through the tunnel again")


def test_a_mesh_with_two_hubs(lab, a, b, c):
    """Two hubs in a full mesh make a circle of peers: it is stopped and everyone is reached."""
    hosts = [home.host("h1") for home in (a, b, c)]
    seen = lab.capture(hosts[0], "eth0", "arp", snap_bytes=64)
    for home in (a, b):
        lab.daemon(home).site["hub"] = "yes"
    lab.splice(a, b, c)
    provoke(hosts[0], 3)
    provoke(hosts[2], 3)
    time.sleep(2)
    first = seen.count()
    assert first < FRAMES_MOST
    time.sleep(1)
    assert seen.count() - first < 100, "frames still run in a circle"
    assert any("loop" in home.lansplice.log() for home in (a, b, c))
    for host in hosts[1:]:
        wait_for(lambda: hosts[0].ping(host.ip), 10, "everyone to be reached")  # noqa: B023
