# SPDX-License-Identifier: MIT
"""The traffic of a soak: programs on four hosts, two in each home, and a loop of our own beside.

In each home h1's card cuts and sums for it (TSO, USO, checksums), h2's does nothing and sees what a
cable carries. h1s do ECN; home b's h2 knows no TCP options. All of it is paced: a soak shows what
is changed, and loss under load would hide it.
"""
import contextlib
import os
import random
import socket
import struct
import threading
import time
from pathlib import Path

from machine import wait_for
from programs import listening
from soak_raw import Maker

SOURCE = Path(__file__).resolve().parent / "soak_vlan.c"
VLAN, SERVICE, CUSTOMER = 5, 100, 7
IPERF_TCP, IPERF_UDP = 5300, 5400
SINK = 9000
UDP_SIZES = (64, 200, 1000, 1450, 1472, 8000)
PING_BYTES_MAX = 9000
PING_PAUSE_S = 0.03
ROUND_S, ROUNDS_MADE = 0.25, 15  # made anew each time they would take all of a CPU
UDP_SEGMENT = 103
GROUPS = (("224.0.0.251", 5353), ("239.255.255.250", 1900), ("ff02::fb", 5353), ("ff02::c", 1900),
          ("ff05::c", 1900), ("224.0.0.252", 5355))
FOREIGN_GROUPS = (("239.1.2.3", 5004), ("ff05::1234", 5004))


class Vlan:
    """An interface of the host whose frames leave by its card with tags, by soak_vlan.c."""

    def __init__(self, host, name, vid, kind=0x8100, inner=0, mtu=1500):
        host.run(f"ip link add {name} mtu {mtu} type veth peer name trunk-{name} mtu {mtu}; "
                 f"ip link set {name} up; ip link set trunk-{name} up")
        card, trunk = ("$(cat /sys/class/net/%s/ifindex)" % n for n in ("eth0", f"trunk-{name}"))
        built = host.folder / f"{host.name}-{name}.o"
        host.run(f"""
            clang -O2 -target bpf -I/usr/include/$(gcc -print-multiarch) -DCARD={card} \
                -DTRUNK={trunk} -DVID={vid} -DTYPE={kind} -DINNER_VID={inner} \
                -c {SOURCE} -o {built}
            tc qdisc add dev trunk-{name} clsact
            tc filter add dev trunk-{name} ingress bpf da obj {built} sec out
            tc qdisc show dev eth0 | grep -q clsact || tc qdisc add dev eth0 clsact
            tc filter add dev eth0 ingress prio {vid} bpf da obj {built} sec in""")


def prepare(host, number, plain):
    """Addresses on the VLANs and the host's TCP; plain: no TCP options at all."""
    host.number = number
    host.vlan_ip, host.vlan_ip6 = f"10.5.0.{number}", f"fd05::{number}"
    host.qinq_ip = f"10.7.0.{number}"
    Vlan(host, "tagged", VLAN)
    Vlan(host, "inner", SERVICE, kind=0x88A8, inner=CUSTOMER, mtu=1496)
    host.run(f"""
        ip addr add {host.vlan_ip}/24 dev tagged
        ip addr add {host.vlan_ip6}/64 dev tagged
        ip addr add {host.qinq_ip}/24 dev inner""")
    host.sysctl("net.ipv4.tcp_congestion_control", "reno")  # BBR sends more and more to see
    host.sysctl("net.ipv4.icmp_ratelimit", 0)
    if plain:
        for key in "timestamps", "sack", "window_scaling":
            host.sysctl(f"net.ipv4.tcp_{key}", 0)


def congest(host):
    """ECN, and every thirtieth packet leaves with CE as if a queue had been long."""
    host.sysctl("net.ipv4.tcp_ecn", 1)
    host.run("""
        nft add table inet congestion
        nft 'add chain inet congestion output { type filter hook output priority 0; }'
        nft add rule inet congestion output ip ecn ect0 numgen random mod 30 0 ip ecn set ce
        nft add rule inet congestion output ip6 ecn ect0 numgen random mod 30 0 ip6 ecn set ce""")


def cpu_of(home):
    cpus = sorted(os.sched_getaffinity(0))
    return cpus[home.number % len(cpus)]


def keep_on_a_cpu(home):
    """All that a home's LAN does is done by one CPU, its programs too (on_a_cpu()): two would let
    frames of a flow overtake each other before the tunnel and behind it."""
    for machine in (home.router, *home.hosts.values()):
        machine.run(f"""for queue in /sys/class/net/*/queues/rx-*/rps_cpus; do
            echo {1 << cpu_of(home):x} >$queue
        done""")
    for host in home.hosts.values():
        host.cpu = cpu_of(home)


def on_a_cpu(host):
    return ["taskset", "-c", host.cpu]


class Iperf:
    """One iperf3, client and server; ends by itself."""

    def __init__(self, source, sink, address, port, seconds, *options):
        sink.start([*on_a_cpu(sink), "iperf3", "-s", "-1", "-p", port, "-B", address],
                   name=f"iperf3-server-{port}")
        wait_for(lambda: port in listening(sink, "tcp"), 10, f"iperf3 on {port}")
        self.client = source.start([*on_a_cpu(source), "iperf3", "-c", address, "-p", port, "-t",
                                    seconds, *options], name=f"iperf3-{port}")

    def end(self, seconds):
        """What it thinks of the result is not asked: the captures judge."""
        self.client.popen.wait(seconds)


def start_tcp(a1, a2, b1, b2, seconds):
    """Each with a window small enough that no queue overflows."""
    rows = [
        (a1, b1, b1.ip, "-b 2M -P 2"), (a1, b1, b1.ip6, "-b 2M -P 2 -R"),
        (b2, a2, a2.ip, "-b 2M --bidir"), (b2, a1, a1.ip6, "-b 2M"),
        (a1, b2, b2.ip, "-b 2M"), (b1, a2, a2.ip6, "-b 2M"),
        (a1, b1, b1.vlan_ip, "-b 2M --bidir"), (b2, a1, a1.vlan_ip6, "-b 2M"),
        (b1, a1, a1.qinq_ip, "-b 2M"), (a2, b2, b2.qinq_ip, "-b 1M -M 700"),
    ]
    return [Iperf(source, sink, address, IPERF_TCP + n, seconds, "-w", "128K", "-l", "32K",
                  *options.split()) for n, (source, sink, address, options) in enumerate(rows)]


def start_pings(source, address, seconds, dice):
    sizes = " ".join(map(str, dice.sample(range(1, PING_BYTES_MAX + 1), 2000)))
    return source.start([*on_a_cpu(source), "timeout", seconds, "sh", "-c", f"""
        for size in {sizes}; do
            ping -n -q -c 1 -W 2 -s $size {address} >/dev/null || true  # the captures judge
            sleep {PING_PAUSE_S}
        done"""], name="ping")


class Sink:
    """A port that takes and forgets; TCP and UDP, both families, and never an ICMP error."""

    PROGRAM = """
import selectors, socket, sys
ready = selectors.DefaultSelector()
for kind in socket.SOCK_STREAM, socket.SOCK_DGRAM:
    sock = socket.socket(socket.AF_INET6, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(('::', int(sys.argv[1])))
    if kind == socket.SOCK_STREAM:
        sock.listen(64)
    ready.register(sock, selectors.EVENT_READ, kind == socket.SOCK_STREAM)
while True:
    for key, _ in ready.select():
        if key.data:
            ready.register(key.fileobj.accept()[0], selectors.EVENT_READ)
            continue
        try:
            data = key.fileobj.recv(65536)
        except ConnectionError:
            data = b''
        if not data and key.data is None:
            ready.unregister(key.fileobj)
            key.fileobj.close()
"""

    def __init__(self, host):
        host.start([*on_a_cpu(host), "/usr/bin/python3", "-c", self.PROGRAM, SINK], name="sink")
        wait_for(lambda: SINK in listening(host, "tcp"), 10, "the sink")


class Odd(threading.Thread):
    """Raw frames, groups, segmented UDP, urgent data and rude ends, a little of each per round."""

    def __init__(self, pairs, seconds, dice):
        super().__init__(daemon=True)
        self.pairs, self.dice, self.seconds = pairs, dice, seconds
        self.rounds = int(seconds / ROUND_S)
        self.frames = [[Maker(near, far, dice).round() for _ in range(ROUNDS_MADE)]
                       for near, far in pairs]
        self.wires = [near.packet_socket("eth0") for near, _ in pairs]
        self.groups = [self._group_sockets(near) for near, _ in pairs]
        self.streams = [self._connect(near, far) for near, far in pairs]
        self.error = None

    def _group_sockets(self, host):
        sockets = {}
        for family, address, level, hops in (
                (socket.AF_INET, host.ip, socket.IPPROTO_IP, socket.IP_MULTICAST_TTL),
                (socket.AF_INET6, host.ip6, socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS)):
            sockets[family] = host.socket(family, socket.SOCK_DGRAM), level, hops
            sockets[family][0].bind((address, 0))
        return sockets

    @staticmethod
    def _connect(near, far):
        out = near.socket(socket.AF_INET, socket.SOCK_STREAM)
        out.connect((far.ip, SINK))
        out.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return out

    def run(self):
        try:
            begun = time.monotonic()
            for number in range(self.rounds):
                for place, (near, far) in enumerate(self.pairs):
                    self._one(place, near, far, self.frames[place][number % ROUNDS_MADE])
                time.sleep(max(0, begun + (number + 1) * ROUND_S - time.monotonic()))
        except Exception as why:  # told by end(), in the test's own thread
            self.error = why
        for sock in self.wires + self.streams:
            sock.close()

    def _one(self, place, near, far, frames):
        for frame in frames:
            self.wires[place].send(frame)
        self._groups(place)
        self._urgent(self.streams[place])
        self._segmented(near, far)
        if self.dice.random() < 0.3:
            self._rude(near, far)

    def _groups(self, place):
        for address, port in GROUPS + FOREIGN_GROUPS:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            sock, level, hops = self.groups[place][family]
            sock.setsockopt(level, hops, self.dice.choice((255, 1, 2)))
            sock.sendto(self.dice.randbytes(self.dice.randrange(1, 1200)), (address, port))

    def _urgent(self, stream):
        stream.send(self.dice.randbytes(self.dice.randrange(1, 3000)))
        stream.send(b"!", socket.MSG_OOB)
        stream.send(self.dice.randbytes(10))

    def _segmented(self, near, far):
        """Many datagrams by one call: large ones to the TAP where the card cuts (USO)."""
        for family, address in ((socket.AF_INET, far.ip), (socket.AF_INET6, far.ip6)):
            with contextlib.closing(near.socket(family, socket.SOCK_DGRAM)) as sock:
                size = self.dice.randrange(100, 1400)
                count = self.dice.randrange(1, 12)
                data = self.dice.randbytes(size * count + self.dice.randrange(1, size))
                sock.sendmsg([data], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))],
                             0, (address, SINK))

    def _rude(self, near, far):
        """A connection that is cut off."""
        with contextlib.closing(self._connect(near, far)) as out:
            out.send(self.dice.randbytes(20000))
            out.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def end(self):
        self.join()
        if self.error:
            raise self.error


def datagrams(a1, a2, b1, b2, seconds):
    """iperf3's UDP: one size after the other, both ways and families, and tagged."""
    rows = [(a1, b1, b1.ip), (b1, a1, a1.ip6), (b2, a2, a2.ip), (a2, b1, b1.vlan_ip)]
    each = max(1, int(seconds / len(UDP_SIZES)))
    end = time.monotonic() + seconds
    for number, size in enumerate(UDP_SIZES * 100):
        if time.monotonic() + each > end:
            break
        rate = "300K" if size < 1000 else "1500K"
        running = [Iperf(source, sink, address, IPERF_UDP + 10 * number % 500 + n, each, "-u", "-l",
                         size, "-b", rate) for n, (source, sink, address) in enumerate(rows)]
        for one in running:
            one.end(each + 20)


def send(a1, a2, b1, b2, seconds, seed=1):
    """All of it, for that long."""
    dice = random.Random(seed)
    for host in (a1, a2, b1, b2):
        Sink(host)
    odd = Odd([(a1, b1), (b1, a2), (a2, b2), (b2, a1)], seconds, dice)
    streams = start_tcp(a1, a2, b1, b2, seconds)
    pings = [start_pings(source, address, seconds, dice) for source, address in
             ((a1, b1.ip), (b1, a2.ip6), (a2, b2.ip6), (b2, a1.ip), (a1, b2.vlan_ip))]
    odd.start()
    datagrams(a1, a2, b1, b2, seconds)
    for one in streams:
        one.end(seconds + 20)
    odd.end()
    for one in pings:
        one.popen.wait(10)
