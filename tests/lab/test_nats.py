# SPDX-License-Identifier: MIT
"""The NATs and firewalls of nats.py, without lansplice: each is what it says."""
import select
import socket

import pytest

from nats import KINDS, PORT_SET, cut, mend, place

pytestmark = pytest.mark.cable

FAR = ["203.0.113.1", "203.0.113.2", "203.0.113.3"]
FAR6 = ["2001:db8:ffff::1", "2001:db8:ffff::2", "2001:db8:ffff::3"]
PORT = 7788
ARRIVES_S = 0.2


class Prober:
    """A UDP socket on a home's router, and one at each of three addresses of the world."""

    def __init__(self, lab, home, family=4):
        self.family = socket.AF_INET6 if family == 6 else socket.AF_INET
        addresses = FAR6 if family == 6 else FAR
        lab.wan.be(*addresses)
        self.near = self.open(home.router, "::" if family == 6 else "0.0.0.0", PORT)
        self.far = [self.open(lab.wan, address, PORT) for address in addresses]
        self.wan = lab.wan

    def open(self, machine, address, port):
        bound = machine.socket(self.family, socket.SOCK_DGRAM)
        bound.bind((address, port))
        return bound

    def mapping(self, far):
        """The address and port by which that far socket knows the near one; None: not at all."""
        self.near.sendto(b"out", far.getsockname())
        if not select.select([far], [], [], ARRIVES_S)[0]:
            return None
        return far.recvfrom(100)[1][:2]

    def mappings(self):
        return [self.mapping(far) for far in self.far]

    def enters(self, far, to):
        far.sendto(b"in", to)
        arrived = bool(select.select([self.near], [], [], ARRIVES_S)[0])
        return arrived and self.near.recv(100) == b"in"


@pytest.mark.parametrize("name", [n for n in KINDS if KINDS[n].ipv4])
def test_mapping_and_filtering(lab, a, name):
    kind = KINDS[name]
    place(a, name)
    probe = Prober(lab, a)
    seen = probe.mappings()
    assert {address for address, _ in seen} == {a.wan_ip}
    ports = [port for _, port in seen]
    assert len(set(ports)) == (3 if kind.mapping == "dependent" else 1)
    assert probe.mappings() == seen, "a mapping stays while it is used"
    assert all(port in PORT_SET for port in ports) == kind.port_set
    if kind.mapping == "none":
        assert ports[0] == PORT
    other_port = probe.open(probe.wan, FAR[0], PORT + 1)
    assert probe.enters(probe.far[0], seen[0])
    assert probe.enters(other_port, seen[0]) != kind.filters


@pytest.mark.parametrize("name", ["eim", "restricted", "mape_eim", "cgnat"])
def test_who_was_not_spoken_to_stays_outside_and_changes_nothing(lab, a, name):
    """A datagram that came too early does not spoil the mapping either."""
    place(a, name)
    probe = Prober(lab, a)
    first = probe.mapping(probe.far[0])
    assert not probe.enters(probe.far[1], first)
    assert probe.mapping(probe.far[1]) == first
    assert probe.enters(probe.far[1], first)
    assert not probe.enters(probe.far[2], first)


@pytest.mark.parametrize("name", [n for n in KINDS if KINDS[n].ipv6])
def test_ipv6_is_not_translated(lab, a, name):
    place(a, name)
    probe = Prober(lab, a, family=6)
    assert probe.enters(probe.far[2], (a.wan_ip6, PORT)) != KINDS[name].filters
    assert probe.mappings() == 3 * [(a.wan_ip6, PORT)]
    assert all(probe.enters(far, (a.wan_ip6, PORT)) for far in probe.far)


@pytest.mark.parametrize("name", KINDS)
def test_families(lab, a, name):
    """A home has the families that its kind says, and those only."""
    place(a, name)
    lab.wan.be(FAR[0], FAR6[0])
    assert a.router.ping(FAR[0]) == KINDS[name].ipv4
    assert a.router.ping(FAR6[0]) == KINDS[name].ipv6


@pytest.mark.parametrize("firewall", [True, False])
@pytest.mark.parametrize("name", ["eim", "cgnat"])
def test_ipv6_appears_and_goes(lab, a, name, firewall):
    border = place(a, name)
    border.add_ipv6(firewall)
    probe = Prober(lab, a, family=6)
    assert probe.enters(probe.far[0], (a.wan_ip6, PORT)) != firewall
    assert probe.mapping(probe.far[0]) == (a.wan_ip6, PORT)
    assert probe.enters(probe.far[0], (a.wan_ip6, PORT))
    border.remove_ipv6()
    assert not a.router.ping(FAR6[0])
    assert a.router.ping("198.51.100.17")  # the world's end of its line


@pytest.mark.parametrize("name", ["eim", "mape_numgen", "cgnat"])
def test_reboot_changes_the_address_and_forgets(lab, a, name):
    border = place(a, name)
    probe = Prober(lab, a)
    before = probe.mapping(probe.far[0])
    border.reboot(5)
    assert not probe.enters(probe.far[0], before)
    after = probe.mapping(probe.far[0])
    assert before[0] != after[0] == a.wan_ip
    assert probe.enters(probe.far[0], after)
    assert not probe.enters(probe.far[1], after)


def test_a_mapping_dies_of_silence(lab, a):
    border = place(a, "symmetric")
    border.mapping_seconds(1)
    probe = Prober(lab, a)
    first = probe.mapping(probe.far[0])
    for _ in range(4):
        assert not select.select([probe.near], [], [], 0.5)[0]
        assert probe.mapping(probe.far[0]) == first
    assert not select.select([probe.near], [], [], 2.5)[0]
    assert not probe.enters(probe.far[0], first)
    assert probe.mapping(probe.far[0]) != first


@pytest.mark.parametrize("kind", ["public", "cgnat"])
def test_cut_parts_two_homes_alone(lab, a, b, c, kind):
    place(a, kind)
    place(b, "eim").add_ipv6(firewall=False)
    ways = [(a, b.wan_ip), (b, a.wan_ip)]
    if kind == "public":
        ways += [(a, b.wan_ip6), (b, a.wan_ip6)]
    assert all(home.router.ping(far) for home, far in ways)
    cut(a, b)
    assert not any(home.router.ping(far) for home, far in ways)
    assert a.router.ping(c.wan_ip)
    assert b.router.ping(c.wan_ip6)
    mend(a)
    assert all(home.router.ping(far) for home, far in ways)
