# SPDX-License-Identifier: MIT
"""Two homes behind any two NATs find each other by an invite and a relative's home between them.

Whatever they are behind, they see each other; and directly, where the NATs' rules let them. The
token names no endpoint. `make check` runs some pairs, LANSPLICE_LONG=1 every one, in both orders.
"""
import itertools
import os
import time

import pytest

from machine import wait_for
from nats import KINDS, gather, invite, paths, place

FIRST_PING_S = 10
SETTLED_S = 60
HOLDS_S = 4

# Of each two outlooks (below) that meet: how. Others do not: the port that the one will have
# towards the other is known to neither before the other has let its first datagram in.
MEETS = {
    ("open", "open"): "either calls",
    ("open", "foreseen"): "the one behind a NAT calls",
    ("open", "set"): "the one behind a NAT calls",
    ("open", "unforeseen"): "the one behind a NAT calls",
    ("foreseen", "foreseen"): "both send at once",
    ("foreseen", "set"): "one punches all ports of the other's set",
}

REPRESENTATIVE = [
    ("public", "public"), ("symmetric", "public"), ("eim", "restricted"), ("mape_eim", "eim"),
    ("cgnat", "cgnat"), ("restricted", "cgnat"), ("eim", "symmetric"), ("symmetric", "symmetric"),
    ("mape_numgen", "eim"), ("mape_numgen", "symmetric"), ("ip6fw", "ip6fw"), ("public", "ip6fw"),
    ("ip6fw", "eim"),
]
PAIRS = (list(itertools.product(KINDS, repeat=2)) if os.environ.get("LANSPLICE_LONG")
         else REPRESENTATIVE)


def outlook(kind, family):
    """How a home looks to one who wants to send to it; None: it has no such address."""
    if not (kind.ipv6 if family == 6 else kind.ipv4):
        return None
    if not kind.filters:
        return "open"
    if family == 6 or kind.mapping != "dependent":
        return "foreseen"
    return "set" if kind.port_set else "unforeseen"


def meets(one, other, family):
    """How the two meet directly by that family, or None."""
    pair = tuple(outlook(KINDS[name], family) for name in (one, other))
    return MEETS.get(pair) or MEETS.get(pair[::-1])


def expected(one, other):
    """The best path that there can be between two kinds, and why."""
    for family in 6, 4:
        if meets(one, other, family):
            return f"direct{family}", meets(one, other, family)
    common = any(None not in (outlook(KINDS[one], f), outlook(KINDS[other], f)) for f in (6, 4))
    return "relay", "neither port is known in advance" if common else "no family in common"


@pytest.mark.cable
@pytest.mark.parametrize("one, other, path", [
    ("public", "public", "direct6"), ("public", "ip6fw", "direct6"), ("ip6fw", "ip6fw", "direct6"),
    ("public", "symmetric", "direct4"), ("public", "mape_numgen", "direct4"),
    ("eim", "restricted", "direct4"), ("mape_eim", "cgnat", "direct4"),
    ("cgnat", "mape_numgen", "direct4"), ("restricted", "mape_numgen", "direct4"),
    ("eim", "symmetric", "relay"), ("mape_eim", "symmetric", "relay"),
    ("symmetric", "symmetric", "relay"), ("mape_numgen", "mape_numgen", "relay"),
    ("mape_numgen", "symmetric", "relay"), ("ip6fw", "cgnat", "relay"),
])
def test_what_is_expected(one, other, path):
    assert expected(one, other)[0] == path
    assert expected(other, one)[0] == path


def accepted(one, other):
    """What may be seen in its place. IPv6 is preferred by 3 ms, which a busy machine's jitter
    exceeds; and two who both punch into the other's port set may be lucky."""
    by_luck = outlook(KINDS[one], 4) == outlook(KINDS[other], 4) == "set"
    return {expected(one, other)[0], *(f"direct{f}" for f in (6, 4) if meets(one, other, f)),
            *(["direct4"] if by_luck else [])}


@pytest.fixture(scope="module")
def table(request):
    """Rows that are printed when all pairs are through."""
    rows = []
    yield rows
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("\n" + "\n".join("{:12} {:12} {:8} {:>5} s {:>5} s  {}".format(*row)
                               for row in rows))


@pytest.mark.parametrize("one, other", PAIRS, ids=lambda name: name)
def test_pair(lab, a, b, c, one, other, table, record_property):
    path, why = expected(one, other)
    may_be = accepted(one, other)
    for home, kind in (a, one), (b, other), (c, "public"):
        place(home, kind)
    near, far = a.host("h1"), b.host("h1")
    gather(lab, c, a, b)
    invite(a, b)
    begin = time.monotonic()
    wait_for(lambda: near.ping(far.ip, seconds=0.3), FIRST_PING_S, "the first ping")
    first_s = time.monotonic() - begin
    wait_for(lambda: set(paths(a, b)) <= may_be, SETTLED_S, f"{path}, as {why}")
    settled_s = time.monotonic() - begin
    used = "/".join(sorted(see_it_hold(lab, (a, b, c), may_be)))
    table.append((one, other, used, f"{first_s:.1f}", f"{settled_s:.1f}", why))
    record_property(f"{one} x {other}",
                    f"{used}: {why}; first ping {first_s:.1f} s, settled {settled_s:.1f} s")


def see_it_hold(lab, homes, may_be):
    """It stays so under traffic; and a capture at the meeting point, not the daemons' word, tells
    whether that goes through it. Returns the paths that were used."""
    a, b, c = homes
    sized = lab.capture(c.router, "wan", "udp and greater 860 and less 1100")  # these pings alone
    end = time.monotonic() + HOLDS_S
    seen, sent = set(paths(a, b)), 0
    while time.monotonic() < end:
        assert a.hosts["h1"].ping(b.hosts["h1"].ip, count=5, options="-s 800")
        sent += 5
        seen |= set(paths(a, b))
    assert seen <= may_be
    through = sized.stop().count()
    if seen == {"relay"}:
        assert through > 3 * sent, (through, sent)
    if "relay" not in seen:
        assert through == 0, through
    return seen
