# SPDX-License-Identifier: MIT
"""The address of a home changes, its NAT forgets: traffic is back within 2 s by itself."""
import time

import pytest

from machine import wait_for
from streams import Stream

BACK_WITHIN_S = 2.0


@pytest.mark.parametrize("knowing", ["a", "b", "ab"])
def test_wan_address_changes(lab, a, b, knowing):
    one, other = (a, b) if "a" in knowing else (b, a)
    lab.introduce(one, other, both=knowing == "ab")
    for home in (other, one):
        home.lansplice.start()
    a.lansplice.wait_up()
    streams = [Stream(a.host("h1"), b.host("h1"), 5001), Stream(b.host("h1"), a.host("h1"), 5002)]
    for stream in streams:
        stream.wait_flowing()
    for last in (5, 6):
        a.change_wan_address(last)
        moment = time.monotonic()
        for stream in streams:
            assert stream.back_after(moment + 0.02) < BACK_WITHIN_S
            stream.wait_flowing()
        assert a.wan_ip in b.lansplice.peer("a")["endpoint"]
    for stream in streams:
        stream.stop()


@pytest.mark.parametrize("way", ["out", "both"])
def test_nat_forgets_and_gives_another_port(lab, a, b, way):
    a.nat(f"snat to {a.nat_ip}:5000-5000")
    lab.introduce(a, b, both=False)
    b.lansplice.start()
    a.lansplice.start().wait_up()
    assert b.lansplice.peer("a")["endpoint"] == f"{a.nat_ip}:5000"
    streams = [Stream(a.host("h1"), b.host("h1"), 5001)]
    if way == "both":
        streams.append(Stream(b.host("h1"), a.host("h1"), 5002))
    for stream in streams:
        stream.wait_flowing()
    for port in (6000, 7000):
        a.nat(f"snat to {a.nat_ip}:{port}-{port}")
        moment = time.monotonic()
        for stream in streams:
            assert stream.back_after(moment + 0.02) < BACK_WITHIN_S
            stream.wait_flowing()
        assert b.lansplice.peer("a")["endpoint"] == f"{a.nat_ip}:{port}"
    for stream in streams:
        stream.stop()


def test_the_wan_goes_down_and_comes_back(lab, a, b):
    """The line is gone for longer than a peer counts as up; its routes are, too."""
    lab.splice(a, b)
    stream = Stream(a.host("h1"), b.host("h1"), 5001)
    stream.wait_flowing()
    a.wan_down()
    wait_for(lambda: not a.lansplice.is_up("b"), 10, "a to notice")
    a.wan_up()
    moment = time.monotonic()
    assert stream.back_after(moment) < BACK_WITHIN_S
    stream.stop()


def test_the_ipv6_prefix_is_another_one(lab, a, b):
    """Renumbered by the provider, at one end and then at the other, under traffic."""
    lab.splice(a, b, family=6)
    streams = [Stream(a.host("h1"), b.host("h1"), 5001), Stream(b.host("h1"), a.host("h1"), 5002)]
    for stream in streams:
        stream.wait_flowing()
    for home, other in (a, b), (b, a):
        home.renumber()
        moment = time.monotonic()
        for stream in streams:
            assert stream.back_after(moment + 0.02) < BACK_WITHIN_S
            stream.wait_flowing()
        # By IPv4 meanwhile, on a machine so busy that the new address is not heard of at once.
        wait_for(lambda: home.wan_ip6 in other.lansplice.peer(home.name)["endpoint"],  # noqa: B023
                 60, f"{home.name}'s new IPv6 address")
    for stream in streams:
        stream.stop()
