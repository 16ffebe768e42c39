# SPDX-License-Identifier: MIT
"""Two homes and the way between them, as plain as can be: what every peer is measured in.

    a-h1 --- br-lan [a-router] wan --- to-a [wan] to-b --- wan [b-router] br-lan --- b-h1

Five machines of the lab (tests/lab/machine.py), no NAT, no packet filter, and every offload as the
kernel sets it up. Both LANs are one subnet, 192.168.1.0/24; there is no route between them.

A condition is what the way is like:

    plain   WAN MTU 1500
    narrow  the link between wan and b-router carries 1400 bytes
    lossy   a delaybox stands in it: each frame 20 ms later, each way, and of each way's 1 %
            lost. What enters the box is then single packets, as on a line, not what segmentation
            offload would make them: losing 64 KiB at once would be another experiment.
    box     the same, but nothing is lost or late: what the box itself can carry

A network belongs to one peer under one condition and is thrown away afterwards, so that no route,
path MTU or bridge entry is inherited. Closing it kills all that runs in it.
"""
import itertools
import tempfile
import time
from pathlib import Path

from lansplice import TOOLS
from machine import Machine, link, wait_for

CONDITIONS = ("plain", "narrow", "lossy", "box")
NARROW_MTU = 1400
BOXES = {"lossy": ["delay-ms=20", "loss-ppm=10000", "queue=100000"], "box": ["queue=100000"]}
SEEDS = itertools.count(1)  # else the same packets of each handshake would be lost
NO_SEGMENTATION = "ethtool -K {} tx off tso off gso off tx-udp-segmentation off >/dev/null"


class Site:
    """A home: its router, the one host in it, and the processes of the peer under test."""

    def __init__(self, network, name, number):
        self.network, self.name, self.number = network, name, number
        self.wan_ip = f"192.0.2.{16 * number + 2}"
        self.wan_gateway = f"192.0.2.{16 * number + 1}"
        self.router = network.machine(f"{name}-router")
        self.host = network.machine(f"{name}-h1")
        self.host.ip = f"192.168.1.{10 * number + 1}"
        self.daemons = []

    def wire_lan(self):
        link(self.host, "eth0", self.router, "h1")
        self.router.run(f"""
            ip link add br-lan type bridge mcast_snooping 0 forward_delay 0
            ip link set br-lan up
            ip link set h1 master br-lan
            ip addr add 192.168.1.{self.number}/24 dev br-lan""")
        self.host.run(f"ip addr add {self.host.ip}/24 dev eth0")

    def address_wan(self):
        self.router.run(f"""
            ip addr add {self.wan_ip}/28 dev wan
            ip route add default via {self.wan_gateway}""")

    def start(self, command, name=None, env=None):
        """A program of the peer under test: its CPU time and memory are counted."""
        self.network.started_s = time.monotonic()
        self.daemons.append(self.router.start(command, name, env))
        return self.daemons[-1]


class Network:
    """The five machines, under one condition."""

    def __init__(self, condition="plain"):
        self.condition = condition
        self.started_s = None  # when the last of the peer's programs began
        self._folder = tempfile.TemporaryDirectory(prefix="lansplice-bench-")
        self.folder = Path(self._folder.name)
        self.machines = []
        try:
            self._build()
        except BaseException:
            self.close()
            raise

    def _build(self):
        self.wan = self.machine("wan")
        self.wan.run("echo 1 >/proc/sys/net/ipv4/ip_forward")
        self.sites = self.a, self.b = Site(self, "a", 1), Site(self, "b", 2)
        for site in self.sites:
            site.wire_lan()
            far = self.join(site.router, "wan", self.wan, f"to-{site.name}",
                            boxed=site is self.b)
            self.wan.run(f"ip addr add {site.wan_gateway}/28 dev {far}")
            site.address_wan()
        # Whoever asks by ARP while the tunnel is not up asks again after a second: no peer's fault.
        for one, other in (self.sites, self.sites[::-1]):
            one.host.run(f"ip neigh replace {other.host.ip} lladdr {other.host.mac()} dev eth0")
        if self.condition == "narrow":
            self.b.router.run(f"ip link set wan mtu {NARROW_MTU}")
            self.wan.run(f"ip link set to-b mtu {NARROW_MTU}")

    def machine(self, name):
        self.machines.append(Machine(name, self.folder))
        return self.machines[-1]

    def join(self, one, one_name, other, other_name, boxed=True):
        """A cable, with the condition's box in it if it has one; the other end's name."""
        if not boxed or self.condition not in BOXES:
            link(one, one_name, other, other_name)
            return other_name
        box = self.machine(f"{one.name}-{one_name}-box")
        link(one, one_name, box, "near")
        link(box, "far", other, other_name)
        for machine, name in (one, one_name), (other, other_name):
            machine.run(NO_SEGMENTATION.format(name))
        process = box.start([TOOLS / "delaybox", "near", "far", *BOXES[self.condition],
                             f"seed={next(SEEDS)}"], name="delaybox")
        wait_for(lambda: "ready" in process.log(), 5, "delaybox to be ready")
        return other_name

    def logs(self):
        """The last lines of each program's output, for a peer that did not connect."""
        return "\n".join(f"   {p.log_path.name}: {line}" for m in self.machines
                         for p in m.processes for line in p.log().splitlines()[-8:])

    def close(self):
        for machine in self.machines:
            machine.close()
        self._folder.cleanup()
