# SPDX-License-Identifier: MIT
"""Three homes, each with each or by a hub: everyone reaches everyone, nothing comes twice."""
import itertools

import pytest

from captures import UDP
from machine import wait_for

BROADCASTS = 20
SHOUT = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
for n in range(%d):
    s.sendto(b'%s %%d' %% n, ('192.168.1.255', 5555)); time.sleep(0.05)
"""


def full_mesh(lab, homes):
    lab.splice(*homes)


def hub_and_spokes(lab, homes):
    hub, *spokes = homes
    for spoke in spokes:
        lab.introduce(spoke, hub)
    hub.lansplice.site["hub"] = "yes"
    for home in homes:
        home.lansplice.start()
    for home in homes:
        home.lansplice.wait_up()


@pytest.mark.parametrize("shape", [full_mesh, hub_and_spokes])
def test_three_homes(lab, a, b, c, shape):
    homes = [a, b, c]
    hosts = [home.host("h1") for home in homes]
    captures = [lab.capture(host, "eth0", "udp port 5555 or icmp") for host in hosts]
    shape(lab, homes)
    for one, other in itertools.permutations(hosts, 2):
        wait_for(lambda: one.ping(other.ip), 5, "the first ping")  # noqa: B023
        assert one.ping(other.ip, count=5)
    for home, host in zip(homes, hosts):
        host.run(["/usr/bin/python3", "-c", SHOUT % (BROADCASTS, home.name)])
    for host, capture in zip(hosts, captures):
        def texts():
            return [bytes(f[UDP].payload).rstrip(b"\0")  # noqa: B023
                    for f in capture.frames(lambda f: f.haslayer(UDP))]  # noqa: B023
        wait_for(lambda: len(texts()) >= 3 * BROADCASTS, 5, "every broadcast", every=0.2)
        capture.stop()
        heard = texts()
        assert len(heard) == len(set(heard)) == 3 * BROADCASTS
        echoes = [bytes(f.payload) for f in capture.frames(lambda f: f.haslayer("ICMP"))]
        assert len(echoes) == len(set(echoes)), f"an echo came twice at {host.name}"
    for home in homes:
        assert home.lansplice.counter("loop_stopped") == 0
        assert home.lansplice.status()["port_shut"] is False
        assert home.lansplice.counter("storm_dropped") == 0


def test_spokes_without_a_hub_do_not_reach_each_other(lab, a, b, c):
    """hub = no: frames never pass from peer to peer."""
    for spoke in (b, c):
        lab.introduce(spoke, a)
    for home in (a, b, c):
        home.host("h1")
        home.lansplice.start()
    for home in (a, b, c):
        home.lansplice.wait_up()
    assert a.hosts["h1"].ping(b.hosts["h1"].ip)
    assert a.hosts["h1"].ping(c.hosts["h1"].ip)
    assert not b.hosts["h1"].ping(c.hosts["h1"].ip, count=2)
