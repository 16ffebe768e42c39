# SPDX-License-Identifier: MIT
"""Offloads of the kernel that the daemon uses, and what it does where they are missing.

udp_probe.c and tap_probe.c drive the daemon's own udp*.c and tap*.c.
"""
import errno
import os
import re
import signal
import socket
import time

import pytest

from captures import IP, UDP
from lansplice import PROBES
from links import TAP, differences, is_in, links
from machine import link, wait_for
from programs import listening

COUNT = 5000
UDP_SEGMENT = 103
NEEDS_CSUM, GSO_NONE, GSO_UDP_L4 = 1, 0, 5


def values(text):
    return {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", text)}


# ---- UDP ----

@pytest.fixture
def pair(lab):
    """Two machines on one cable."""
    one, other = lab.machine("one"), lab.machine("other")
    link(one, "eth0", other, "eth0")
    for number, machine in (1, one), (2, other):
        machine.run(f"ip addr add 10.0.0.{number}/24 dev eth0; "
                    f"ip addr add fd00::{number}/64 dev eth0 nodad")
    for address in "10.0.0.2", "fd00::2":  # no datagram waits for a neighbour
        wait_for(lambda: one.ping(address), 10, address)  # noqa: B023
    return one, other


def exchange(pair, address="10.0.0.2", size=1400, send="-", receive="-", refusal=0):
    """What the sender and the receiver say."""
    one, other = pair
    sink = other.start([PROBES / "udp_probe", "receive", 5, receive], name="udp_probe")
    wait_for(lambda: "ready" in sink.log(), 3, "the receiver")
    sent = one.output([PROBES / "udp_probe", "send", address, COUNT, size, send, refusal])
    assert sink.popen.wait(10) == 0
    return values(sent), values(sink.log())


@pytest.mark.cable
@pytest.mark.parametrize("line", ["whole", "cut", "cut-and-joined"])
@pytest.mark.parametrize("send,receive", [("-", "-"), ("segment", "-"), ("-", "gro"),
                                          ("segment", "gro")])
@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_datagrams_arrive_as_sent(pair, address, send, receive, line):
    """Each whole and in order, whoever cuts and joins them: nobody, the line, or the receiver."""
    one, other = pair
    if line != "whole":
        one.run("ethtool -K eth0 tx off gso off tso off tx-udp-segmentation off >/dev/null")
    if line == "cut-and-joined":
        other.run("ethtool -K eth0 gro on >/dev/null")
    sent, got = exchange(pair, address, send=send, receive=receive)
    assert sent == {"sent": COUNT, "gso": send == "-", "dropped": 0, "too_large": 0}
    assert (got["received"], got["wrong"], got["gro"]) == (COUNT, 0, receive == "-")


@pytest.mark.cable
@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
@pytest.mark.parametrize("receive", ["-", "gro"])
def test_waiting_is_measured(pair, address, receive):
    """A receiver that was not there for a while knows how long its datagrams waited."""
    one, other = pair
    sink = other.start([PROBES / "udp_probe", "receive", 5, receive], name="udp_probe")
    wait_for(lambda: "ready" in sink.log(), 3, "the receiver")
    os.kill(sink.pid, signal.SIGSTOP)
    one.output([PROBES / "udp_probe", "send", address, 100, 1400, "-", 0])
    time.sleep(0.3)
    for pid in sink.pid, sink.popen.pid:  # nsenter stops with its child
        os.kill(pid, signal.SIGCONT)
    assert sink.popen.wait(10) == 0
    got = values(sink.log())
    assert got["received"] == 100
    assert 250_000 <= got["waited_us"] < 3_000_000


@pytest.mark.cable
def test_outer_packets_are_single_datagrams(lab, pair):
    """On the wire nothing shows: no fragment, DF, none larger than the path."""
    one, other = pair
    one.run("ethtool -K eth0 tx off gso off tso off tx-udp-segmentation off >/dev/null")
    wire = lab.capture(other, "eth0", "udp")
    _, got = exchange(pair, size=1472)
    packets = [frame[IP] for frame in wire.stop().frames()]
    assert len(packets) == got["received"] == COUNT
    assert {str(p.flags) for p in packets} == {"DF"} and {p.frag for p in packets} == {0}
    assert max(p.len for p in packets) == 1500 and len({p.len for p in packets}) > 100
    assert sum(p[UDP].len - 8 for p in packets) == got["bytes"]


@pytest.mark.cable
@pytest.mark.parametrize("code", [errno.EIO, errno.EINVAL, errno.ENOPROTOOPT])
def test_segmentation_refused(pair, code):
    """Found out by trying: gone on without, and nothing is lost on the way."""
    sent, got = exchange(pair, refusal=code)
    assert (sent["gso"], sent["dropped"], sent["too_large"]) == (0, 0, 0)
    assert (got["received"], got["wrong"]) == (COUNT, 0)


@pytest.mark.cable
@pytest.mark.parametrize("address", ["10.0.0.2", "fd00::2"])
def test_too_large_concerns_the_run_alone(pair, address):
    """The larger ones are refused by our own kernel and counted, the smaller ones arrive."""
    sent, got = exchange(pair, address, size=1600)
    assert sent["gso"] == 1 and sent["dropped"] == 0
    assert sent["too_large"] > COUNT * 0.7
    assert got["received"] == COUNT - sent["too_large"]


@pytest.mark.cable
def test_memory_of_the_receiver(pair):
    """128 KiB, however much comes and however it comes."""
    _, small = exchange(pair, receive="gro")
    _, large = exchange(pair)
    assert max(small["rss_kib"], large["rss_kib"]) <= 2048


# ---- TAP ----

def probe_tap(machine, without, seconds=5):
    """The running probe, and what it says is in use."""
    probe = machine.start([PROBES / "tap_probe", "tap0", seconds, without], name="tap_probe")
    wait_for(lambda: "vnet=" in probe.log() or not probe.running, 3, "the probe")
    assert probe.running, probe.log()
    return probe, values(probe.log().splitlines()[0])


def features(machine):
    listed = machine.output("ethtool -k tap0")
    return {name for name in ("tx-checksum-ip-generic", "tx-tcp-segmentation",
                              "tx-tcp6-segmentation", "tx-tcp-ecn-segmentation",
                              "tx-udp-segmentation")
            if f"{name}: on" in listed}


TSO = {"tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-tcp6-segmentation",
       "tx-tcp-ecn-segmentation"}
PERSISTENT = {
    "": None,
    "persistent": "ip tuntap add tap0 mode tap",
    "persistent-vnet": "ip tuntap add tap0 mode tap vnet_hdr",
    "persistent-queues": "ip tuntap add tap0 mode tap multi_queue",
    "persistent-pi": "ip tuntap add tap0 mode tap pi",
}


@pytest.mark.cable
@pytest.mark.parametrize("without,in_use,expected", [
    ("-", (1, 1, 1), TSO | {"tx-udp-segmentation"}),
    ("uso", (1, 1, 0), TSO),
    ("offload", (1, 0, 0), set()),
    ("vnet", (0, 0, 0), set()),
])
@pytest.mark.parametrize("found", PERSISTENT)
def test_tap_offloads(lab, found, without, in_use, expected):
    """Frames as the kernel hands them over and takes them back, and a TAP left as it was found."""
    one = lab.machine("one")
    if PERSISTENT[found]:
        one.run(PERSISTENT[found])
    before = links(one)
    probe, told = probe_tap(one, without)
    assert (told["vnet"], told["tso"], told["uso"]) == in_use
    assert features(one) == expected
    one.run("ip addr add 10.9.9.1/24 dev tap0; ip neigh add 10.9.9.2 lladdr fe:0:0:0:0:2 dev tap0")
    out = one.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.sendmsg([bytes(1000) * 3 + bytes(500)], [(socket.IPPROTO_UDP, UDP_SEGMENT,
                                                  (1000).to_bytes(2, "little"))], 0,
                ("10.9.9.2", 9))
    out.close()
    wait_for(lambda: "frame" in probe.log(), 2, "a frame")
    assert probe.popen.wait(10) == 0
    frames = [values(line) for line in probe.log().splitlines() if line.startswith("frame")]
    plain = {"flags": 0, "gso": GSO_NONE, "segment": 0}
    if in_use == (1, 1, 1):
        assert frames == [{"bytes": 3542, "flags": NEEDS_CSUM, "gso": GSO_UDP_L4, "segment": 1000}]
    else:
        partial = {**plain, "flags": NEEDS_CSUM} if in_use == (1, 1, 0) else plain
        assert frames == [{"bytes": 1042, **partial}] * 3 + [{"bytes": 542, **partial}]
    assert "dropped=0" in probe.log()
    if PERSISTENT[found]:
        one.run("ip addr flush dev tap0; ip link set tap0 down")
        assert features(one) == set()
    after = links(one)
    for state in before, after:
        state.get("tap0", {}).pop("addr_info", None)
    assert differences(before, after) == {}


@pytest.mark.cable
def test_tap_shared_by_queues_is_in_use(lab):
    """Two processes would each see a part of the frames."""
    one = lab.machine("one")
    one.run(PERSISTENT["persistent-queues"])
    probe, _ = probe_tap(one, "-", seconds=2)
    second = one.run([PROBES / "tap_probe", "tap0", 1, "-"], check=False)
    assert second.returncode == 1 and "in use" in second.stderr
    assert probe.popen.wait(10) == 0


# ---- the daemon ----

@pytest.mark.parametrize("without", [None, "vnet", "offload", "uso", "segment", "gro",
                                     "vnet segment gro"])
def test_each_fallback_carries(lab, a, b, without):
    """Pings of many sizes and a TCP stream, with one offload after the other missing."""
    near, far = a.host("h1"), b.host("h1")
    wire = lab.capture(a.isp, "home", "udp port 7788")
    daemon, _ = lab.splice(a, b, test={"without": without} if without else None)
    wait_for(lambda: near.ping(far.ip6), 5, "IPv6 to cross")
    for size in 0, 64, 1000, 1472, 4000, 9000:
        assert near.ping(far.ip, options=f"-s {size}"), size
        assert near.ping(far.ip6, options=f"-s {size}"), size
    far.start(["iperf3", "-s", "-1"], name="iperf3")
    wait_for(lambda: 5201 in listening(far, "tcp"), 5, "iperf3")
    near.run(["iperf3", "-c", far.ip, "-n", "20M"], seconds=30)
    packets = [frame[IP] for frame in wire.stop().frames() if IP in frame]
    assert len(packets) > 1000  # tcpdump itself may miss some
    assert {p.frag for p in packets} == {0} and {str(p.flags) for p in packets} == {"DF"}
    assert max(p.len for p in packets) <= 1500


@pytest.mark.parametrize("how", ["vnet_hdr", "multi_queue", ""])
def test_daemon_on_a_tap_it_found(lab, a, b, how):
    a.router.run(f"ip tuntap add {TAP} mode tap {how}")
    before = links(a.router)
    near, far = a.host("h1"), b.host("h1")
    daemon, _ = lab.splice(a, b)
    assert is_in(a.router, "br-lan")
    assert near.ping(far.ip, count=3) and far.ping(near.ip, count=3)
    assert daemon.stop() == 0
    time.sleep(0.1)
    after = links(a.router)
    for found in before, after:
        found[TAP].pop("addr_info", None)
    assert differences(before[TAP], after[TAP]) == {}
