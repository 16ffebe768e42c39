# SPDX-License-Identifier: MIT
"""Endpoints that are names of SRV records: a real DNS server tells host and port."""

import pytest

from machine import wait_for
from programs import listening

NAME = "_lansplice._udp.home.example"


class Names:
    """dnsmasq on a home's router, and a resolv.conf that says so; tell() makes it say else."""

    def __init__(self, home):
        self.router = home.router
        self.process = None
        self.router.run("echo nameserver 127.0.0.1 >/run/resolv.conf\n"
                        "mount --bind /run/resolv.conf /etc/resolv.conf")

    def tell(self, **records):
        if self.process:
            self.process.stop()
        words = [f"--{key.replace('_', '-')}={value}" for key, values in records.items()
                 for value in values]
        self.process = self.router.start(
            ["dnsmasq", "-k", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--user=root",
             "--pid-file=/run/dns.pid", "--listen-address=127.0.0.1", "--bind-interfaces",
             "--local=/example/", *words], name="dnsmasq")
        wait_for(lambda: 53 in listening(self.router, "udp"), 5, "dnsmasq to listen")


def record(host, port, priority=0, weight=0):
    return f"{NAME},{host},{port},{priority},{weight}"


@pytest.fixture
def homes(lab, a, b):
    """a knows b by that name alone; b's port is not the usual one."""
    first, second = lab.daemon(a), lab.daemon(b)
    second.site["port"] = 7799
    first.add_peer(second, NAME)
    second.add_peer(first)
    second.start()
    return first, second


@pytest.mark.parametrize("family", [4, 6])
def test_it_tells_host_and_port(a, b, homes, family):
    first, second = homes
    address = b.wan_ip if family == 4 else b.wan_ip6
    Names(a).tell(srv_host=[record("b.example", 7799)], host_record=[f"b.example,{address}"])
    first.start().wait_up("b")
    assert first.peer("b")["endpoint"] == b.endpoint(7799, family)


def test_it_has_several(a, b, homes):
    """Of all that it names one answers; of two that do not exist nothing comes."""
    Names(a).tell(srv_host=[record("none.example", 7799), record("a.example", 7799, 1),
                            record("b.example", 7788, 2, 9), record("b.example", 7799, 2)],
                  host_record=[f"a.example,{a.nat_ip}", f"b.example,{b.wan_ip}"])
    homes[0].start().wait_up("b")


@pytest.mark.parametrize("wrong,words", [
    ({}, "no such name"),
    ({"txt_record": [f"{NAME},hello"]}, "no SRV record"),
    ({"srv_host": [NAME]}, "no SRV record"),  # the root: there is no such service
    ({"srv_host": [record("b.example", 7799)]}, "has no address"),
])
def test_it_is_wrong_and_then_right(a, b, homes, wrong, words):
    """What is wrong is said once; what was wrong is asked for again."""
    first, names = homes[0], Names(a)
    names.tell(**wrong)
    first.start()
    wait_for(lambda: words in first.log(), 10, words)
    names.tell(srv_host=[record("b.example", 7799)], host_record=[f"b.example,{b.wan_ip}"])
    first.wait_up("b")
    assert first.log().count("cannot resolve") == 1


def test_it_moves(a, b, homes):
    first, second = homes
    names = Names(a)
    names.tell(srv_host=[record("b.example", 7799)], host_record=[f"b.example,{b.wan_ip}"])
    first.start().wait_up("b")
    second.stop()
    (second.folder / "state/endpoints").unlink()  # it shall be called, not call
    second.site["port"] = 7788
    second.start()
    names.tell(srv_host=[record("b.example", 7788)], host_record=[f"b.example,{b.wan_ip}"])
    first.wait_up("b", seconds=15)
