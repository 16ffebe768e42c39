# SPDX-License-Identifier: MIT
r"""Homes, their providers and the network between them.

       home a                                               home b
  a-h1 --+                                                     +-- b-h1
         br-lan [a-router] wan --- [a-isp] --- [wan] --- [b-isp] --- wan [b-router] br-lan
  a-h2 --+  lansplice0                                           lansplice0  +-- b-h2

The provider (isp) of a home is a router where a test may do NAT, drop packets and forbid ICMP, and
the link between it and `wan` is where an MTU lower than 1500 is found. There is no route between
the homes' LANs but what lansplice makes. Homes have numbers 1, 2, 3; for home n:

    LAN           192.168.1.0/24, router .n, hosts .(10 n + 1), .(10 n + 2)      (one subnet)
                  2001:db8:a<n>::/64, router ::1, hosts ::(10 n + 1) ...   (each home its own)
    router's WAN  192.0.2.(16 n + 2)/28 and 2001:db8:<n>::2/64, provider at 1
    provider's    198.51.100.(16 n + 2)/28 and 2001:db8:ff0<n>::2/64, wan at 1; NAT'ed from here
"""
import json

from captures import Capture
from lansplice import TOOLS, Lansplice
from machine import Machine, link, wait_for

# Empties the connection table, as a NAT that restarts does: nfnetlink's CT_DELETE, no tuple.
FORGET = """
import socket, struct
s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)
s.send(struct.pack('=IHHII', 20, 1 << 8 | 2, 5, 1, 0) + struct.pack('=BBH', 0, 0, 0))
error = struct.unpack('=i', s.recv(4096)[16:20])[0]
assert error == 0, error
"""


def offloads_off(*hosts):
    """Captures show segments as they cross a real cable, with finished checksums, not the kernel's
    larger ones: at both ends of the host's cable."""
    for host in hosts:
        for machine, interface in host.cable:
            machine.run(f"ethtool -K {interface} tx off tso off gso off gro off >/dev/null")


class Home:
    """A router with a bridge, a provider, and hosts plugged into the bridge.

    line is a relay between the router and the provider: ["delaybox", "delay-ms=10"].
    """

    def __init__(self, lab, name, number, router_ip=None, line=None):
        self.lab, self.name, self.number, self.line = lab, name, number, line
        self.router_ip = router_ip or f"192.168.1.{number}"
        self.prefix6 = f"2001:db8:a{number}::"
        self.wan_ip = f"192.0.2.{16 * number + 2}"
        self.wan_ip6 = f"2001:db8:{number}::2"
        self.nat_ip = f"198.51.100.{16 * number + 2}"
        self.router = lab.machine(f"{name}-router")
        self.isp = lab.machine(f"{name}-isp")
        self.hosts = {}
        self.lansplice = None
        self._wire()

    def _wire(self):
        n = self.number
        self._plug(self.router, "wan", self.isp, "home", self.line)
        link(self.isp, "core", self.lab.wan, f"to-{self.name}")
        self.router.run(f"""
            ethtool -K wan tx off tso off gso off tx-udp-segmentation off >/dev/null  # as on a line
            ip link add br-lan type bridge mcast_snooping 0 forward_delay 0
            ip link set br-lan up
            ip addr add {self.router_ip}/24 dev br-lan
            ip addr add {self.prefix6}1/64 dev br-lan
            ip addr add {self.wan_ip}/28 dev wan
            ip addr add {self.wan_ip6}/64 dev wan
            ip route add default via 192.0.2.{16 * n + 1}
            ip -6 route add default via 2001:db8:{n}::1
            echo 1 >/proc/sys/net/ipv4/ip_forward
            echo 1 >/proc/sys/net/ipv6/conf/all/forwarding""")
        self.isp.run(f"""
            ip addr add 192.0.2.{16 * n + 1}/28 dev home
            ip addr add 2001:db8:{n}::1/64 dev home
            ip addr add {self.nat_ip}/28 dev core
            ip addr add 2001:db8:ff0{n}::2/64 dev core
            ip route add default via 198.51.100.{16 * n + 1}
            ip -6 route add default via 2001:db8:ff0{n}::1
            echo 1 >/proc/sys/net/ipv4/ip_forward
            echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
            nft add table ip nat
            nft 'add chain ip nat post {{ type nat hook postrouting priority 100; }}'
            nft add table inet rules
            nft 'add chain inet rules forward {{ type filter hook forward priority 0; }}'
            nft 'add chain inet rules output {{ type filter hook output priority 0; }}'""")
        self.lab.wan.run(f"""
            ip addr add 198.51.100.{16 * n + 1}/28 dev to-{self.name}
            ip addr add 2001:db8:ff0{n}::1/64 dev to-{self.name}
            ip route add 192.0.2.{16 * n}/28 via {self.nat_ip}
            ip -6 route add 2001:db8:{n}::/64 via 2001:db8:ff0{n}::2""")

    def _plug(self, one, one_name, other, other_name, relay=None):
        """A cable, or two with a box between them that runs a relay: [tool, option...]."""
        if not relay:
            return link(one, one_name, other, other_name)
        box = self.lab.machine(f"{one.name}-{relay[0]}")
        link(one, one_name, box, "near")
        link(box, "far", other, other_name)
        process = box.start([TOOLS / relay[0], "near", "far", *relay[1:]], name=relay[0])
        return wait_for(lambda: "ready" in process.log(), 5, f"{relay[0]} to be ready")

    def host(self, name, address=True, router=None, through=None, offload=True):
        """The host of that name, plugged in on first use; h1 is .(10 n + 1) and so on.

        Without an address it has none but its link-local one: DHCP and RA may give it some.
        through is a relay between it and the bridge: ["ttlhop", 1]. With offload=False captures see
        what a real cable carries: see offloads_off().
        """
        if name in self.hosts:
            return self.hosts[name]
        host = self.hosts[name] = self.lab.machine(f"{self.name}-{name}")
        self._plug(host, "eth0", self.router, name, through)
        self.router.run(f"ip link set {name} master br-lan")
        host.cable = (host, "eth0"), (self.router, name)
        if not offload:
            offloads_off(host)
        if address:
            tail = 10 * self.number + int(name.lstrip("h"))
            host.ip, host.ip6 = f"192.168.1.{tail}", f"{self.prefix6}{tail}"
            host.run(f"""
                ip addr add {host.ip}/24 dev eth0
                ip addr add {host.ip6}/64 dev eth0
                ip route add default via {router or self.router_ip}
                ip -6 route add default via {self.prefix6}1""")
        return host

    def endpoint(self, port=7788, family=4):
        return f"[{self.wan_ip6}]:{port}" if family == 6 else f"{self.wan_ip}:{port}"

    # What providers do to people.

    def nat(self, rule="masquerade"):
        """The provider translates the home's UDP from now on; rule is nft's statement.

        Nobody outside reaches the home unasked any more.
        """
        self.isp.run(["nft", f"""
            flush chain ip nat post
            add rule ip nat post oifname core meta l4proto udp {rule}
            add chain ip nat inward {{ type filter hook forward priority 0; }}
            flush chain ip nat inward
            add rule ip nat inward iifname core ct state new drop"""])
        self.forget_connections()

    def forget_connections(self):
        self.isp.run(["/usr/bin/python3", "-c", FORGET])

    def rule(self, text, chain="forward"):
        """A filter rule at the provider, such as `meta l4proto udp drop`."""
        self.isp.run(["nft", f"add rule inet rules {chain} {text}"])

    def clear_rules(self):
        self.isp.run("nft flush table inet rules")

    def drop_fragments(self, icmp_too=False):
        """The provider drops every IP fragment, and on demand the ICMP errors that tell of an MTU.

        Before the connection tracking puts fragments together again, at -400. Neighbour discovery
        goes on.
        """
        self.isp.run(["nft", """
            add table inet middlebox
            add counter inet middlebox fragments
            add counter inet middlebox icmp_errors
            add chain inet middlebox arriving { type filter hook prerouting priority -450; }
            add chain inet middlebox leaving { type filter hook output priority -450; }
            flush table inet middlebox
            add rule inet middlebox arriving ip frag-off & 0x3fff != 0 counter name fragments drop
            add rule inet middlebox arriving exthdr frag exists counter name fragments drop"""])
        for chain in ("arriving", "leaving") if icmp_too else ():
            for errors in ("icmp type destination-unreachable",
                           "icmpv6 type { destination-unreachable, packet-too-big }"):
                self.isp.run(f"nft 'add rule inet middlebox {chain} {errors} "
                             "counter name icmp_errors drop'")

    def dropped(self, what="fragments"):
        """How many packets drop_fragments() has cost; what may be "icmp_errors" too."""
        listed = self.isp.output(f"nft -j list counter inet middlebox {what}")
        return json.loads(listed)["nftables"][-1]["counter"]["packets"]

    def set_mtu(self, mtu):
        """The link beyond the provider carries only that much; the provider and wan send ICMP."""
        self.isp.run(f"ip link set core mtu {mtu}")
        self.lab.wan.run(f"ip link set to-{self.name} mtu {mtu}")

    def change_wan_address(self, last):
        """A new IPv4 address from the provider, at once and without a word."""
        old, self.wan_ip = self.wan_ip, f"192.0.2.{16 * self.number + last}"
        self.router.run(f"""
            ip addr del {old}/28 dev wan
            ip addr add {self.wan_ip}/28 dev wan
            ip route replace default via 192.0.2.{16 * self.number + 1}""")

    def renumber(self):
        """Another IPv6 prefix from the provider, at once and without a word."""
        n, old = self.number, self.wan_ip6
        self.wan_ip6 = f"2001:db8:{n}:1::2"
        self.isp.run(f"ip addr add 2001:db8:{n}:1::1/64 dev home nodad")
        self.lab.wan.run(f"ip -6 route add 2001:db8:{n}:1::/64 via 2001:db8:ff0{n}::2")
        self.router.run(f"""
            ip addr del {old}/64 dev wan
            ip addr add {self.wan_ip6}/64 dev wan nodad
            ip -6 route replace default via 2001:db8:{n}:1::1""")

    def wan_down(self):
        self.router.run("ip link set wan down")

    def wan_up(self):
        """Its default route went with it."""
        self.router.run(f"""
            ip link set wan up
            ip route replace default via 192.0.2.{16 * self.number + 1}""")

    def snooping_with_querier(self):
        """The bridge filters once its queries had time to be answered: that time is set first."""
        self.router.run("ip link set br-lan type bridge mcast_query_response_interval 50 "
                        "mcast_query_interval 100 mcast_startup_query_interval 50")
        self.router.run("ip link set br-lan type bridge mcast_snooping 1 mcast_querier 1")


class Lab:
    """Everything a test builds; close() leaves nothing behind."""

    def __init__(self, folder):
        self.folder = folder
        self.machines = []
        self.homes = {}
        self.captures = []
        self.daemons = []
        self.wan = self.machine("wan")
        self.wan.run("echo 1 >/proc/sys/net/ipv4/ip_forward\n"
                     "echo 1 >/proc/sys/net/ipv6/conf/all/forwarding")

    def machine(self, name):
        self.machines.append(Machine(name, self.folder))
        return self.machines[-1]

    def home(self, name, **options):
        if name not in self.homes:
            self.homes[name] = Home(self, name, len(self.homes) + 1, **options)
        return self.homes[name]

    def cable(self, one, other, name="cable"):
        """A wire between two homes' bridges: what lansplice is to be like."""
        link(one.router, name, other.router, name)
        for home in one, other:
            home.router.run(f"ip link set {name} master br-lan")

    def capture(self, machine, interface, filter="", **options):
        self.captures.append(Capture(machine, interface, filter, **options))
        return self.captures[-1]

    def daemon(self, home, environment=None):
        """The home's daemon, configured and not started."""
        if home.lansplice is None:
            home.lansplice = Lansplice(home.router, home.name, self.folder, environment)
            self.daemons.append(home.lansplice)
        return home.lansplice

    def introduce(self, one, other, both=True, family=4, **options):
        """Make two homes' daemons peers; with both=False only `one` knows where the other is."""
        psk = None
        first, second = self.daemon(one), self.daemon(other)
        first.add_peer(second, other.endpoint(family=family), psk, **options)
        second.add_peer(first, one.endpoint(family=family) if both else None, psk, **options)

    def splice(self, *homes, site=None, test=None, **options):
        """Run a daemon in each home, each the peer of each, and wait until all are up."""
        for number, one in enumerate(homes):
            self.daemon(one)
            for other in homes[number + 1:]:
                self.introduce(one, other, **options)
        for home in homes:
            home.lansplice.site.update(site or {})
            home.lansplice.test.update(test or {})
            home.lansplice.start()
        for home in homes:
            home.lansplice.wait_up()
        return [home.lansplice for home in homes]

    def report(self):
        """The daemons' logs and the captures, for a failed test."""
        parts = [f"--- {d.machine.name}: {d.path}\n{d.path.read_text()}--- log\n{d.log()[-12000:]}"
                 for d in self.daemons if d.path.exists()]
        parts += [f"--- capture {c.summary()}" for c in self.captures]
        parts += [f"--- {p.log_path.name}\n{p.log()[-1500:]}" for m in self.machines
                  for p in m.processes if "lansplice" not in p.log_path.name]
        return "\n".join(parts)

    def close(self):
        for machine in self.machines:
            machine.close()
