# SPDX-License-Identifier: MIT
"""Lines that carry less than Ethernet: how a test makes one, and what is seen and timed on it."""
import contextlib
import hashlib
import json
import random
import socket
import threading
import time

from captures import IP, IPv6
from machine import wait_for
from programs import listening

FULL_PING = "-M do -s 1472"  # 1500 bytes of IP packet, not to be fragmented on its way
IP_HEADER_BYTES = {4: 20, 6: 40}
# UDP, data header, AEAD tag, chunk header, Ethernet: what stands between the outer IP header and
# the inner one when a frame fills a datagram.
TUNNEL_BYTES = 8 + 16 + 16 + 2 + 14
TCP_HEADER_BYTES = 20


def largest_segment(mtu, outer, inner):
    """The MSS whose segments fill one datagram on a path; the families are 4 or 6."""
    return mtu - IP_HEADER_BYTES[outer] - TUNNEL_BYTES - IP_HEADER_BYTES[inner] - TCP_HEADER_BYTES


def narrow(mtu, *homes):
    for home in homes:
        home.set_mtu(mtu)


def forbid_icmp(lab, *homes):
    """Nobody between the homes says that a packet was too big: they just vanish."""
    for home in homes:
        for chain in "forward", "output":
            home.rule("meta l4proto icmp drop", chain)
            home.rule("icmpv6 type packet-too-big drop", chain)
    lab.wan.run("""
        nft add table inet rules
        nft 'add chain inet rules output { type filter hook output priority 0; }'
        nft add rule inet rules output meta l4proto icmp drop
        nft add rule inet rules output icmpv6 type packet-too-big drop""")


def shape(mbit, *homes):
    """Slow the homes' lines down, both ways, so that no processor is the limit."""
    for home in homes:
        home.isp.run(f"tc qdisc add dev core root tbf rate {mbit}mbit burst 32kb latency 50ms")


def path_mtu(home, other):
    return home.lansplice.peer(other.name)


def has_found(home, other, mtu):
    """What status says of the path, once the search has ended with that MTU."""
    peer = path_mtu(home, other)
    found = peer.get("path_mtu") == mtu and peer.get("path_mtu_state") in ("found", "confirming")
    return peer if found else None


def wait_found(mtu, *homes, seconds=5):
    """Wait until both homes have found the MTU of the path between them."""
    end = time.monotonic() + seconds
    for home, other in (homes, homes[::-1]):
        wait_for(lambda: has_found(home, other, mtu),  # noqa: B023
                 max(0, end - time.monotonic()), f"{home.name} to find {mtu}")


def wait_route6(*hosts):
    """Wait until hosts of different homes reach each other by IPv6: an RA makes it so."""
    for host in hosts[1:]:
        wait_for(lambda: hosts[0].ping(host.ip6), 10, "IPv6 between the homes")  # noqa: B023


def outer_fragments(capture):
    """The fragments among the outer packets, both families, and those without DF."""
    return capture.frames(lambda f: (f.haslayer(IP) and (f[IP].frag or "MF" in f[IP].flags
                                                         or "DF" not in f[IP].flags))
                          or (f.haslayer(IPv6) and f[IPv6].nh == 44))


class Copy:
    """A TCP copy from one host to another, from construction until stop(), at a modest pace."""

    BLOCK = random.Random(7).randbytes(1 << 14)

    def __init__(self, source, sink, family=4, port=5010, bytes_per_s=2_000_000):
        self.arrivals = []  # (monotonic s, bytes so far)
        self.pace_s = len(self.BLOCK) / bytes_per_s
        self.sent, self.received = hashlib.sha256(), hashlib.sha256()
        self.stopping = threading.Event()
        kind, address = ((socket.AF_INET, sink.ip) if family == 4 else
                         (socket.AF_INET6, sink.ip6))
        with contextlib.closing(sink.socket(kind)) as listener:
            listener.bind((address, port))
            listener.listen(1)
            self.out = source.socket(kind)
            self.out.settimeout(20)
            self.out.connect((address, port))
            self.into = listener.accept()[0]
        self.into.settimeout(20)
        self.threads = [threading.Thread(target=run, daemon=True)
                        for run in (self._send, self._receive)]
        for thread in self.threads:
            thread.start()

    def _send(self):
        due = time.monotonic()
        while not self.stopping.is_set():
            self.out.sendall(self.BLOCK)
            self.sent.update(self.BLOCK)
            due = max(due + self.pace_s, time.monotonic() - 0.1)
            time.sleep(max(0, due - time.monotonic()))
        self.out.shutdown(socket.SHUT_WR)

    def _receive(self):
        count = 0
        while data := self.into.recv(1 << 16):
            self.received.update(data)
            count += len(data)
            self.arrivals.append((time.monotonic(), count))

    def pause_after(self, moment, seconds=10):
        """How long after a moment (monotonic seconds) the next bytes arrived."""
        return wait_for(lambda: next((at for at, _ in self.arrivals if at > moment), None),
                        seconds, "the copy to go on", every=0.01) - moment

    def stop(self):
        """End; all that was sent has arrived, byte for byte."""
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
        self.out.close()
        self.into.close()
        assert self.sent.digest() == self.received.digest()
        return self.arrivals[-1][1]


def goodput(source, sink, family=4, seconds=1):
    """What TCP carries from one host to another, in bit/s of payload, by iperf3's receiver."""
    address = sink.ip if family == 4 else sink.ip6
    server = sink.start(["iperf3", "-s", "-1", "-B", address], name="iperf3")
    wait_for(lambda: 5201 in listening(sink, "tcp"), 5, "iperf3 to listen")
    # The first second is TCP's slow start and is left out.
    report = source.output(["iperf3", "-c", address, "-J", "-O", 1, "-t", seconds])
    server.popen.wait(5)
    return json.loads(report)["end"]["sum_received"]["bits_per_second"]
