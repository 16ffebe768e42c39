# SPDX-License-Identifier: MIT
r"""What stands between a home's router, where the daemon runs, and its provider.

  [a-router] wan --- inside [a-nat] outside --- home [a-isp] --- [wan]    one NAT, or firewall
  [a-router] wan --- [a-nat] --- [a-cgn] --- home [a-isp]        NAT over NAT

A box is a Linux router with connection tracking in namespaces of its own; what it does to UDP is
one nft statement. Behind a NAT every home has the same private addresses, as most homes have: the
router 10.0.0.2, between NAT and NAT 100.64.0.2. home.wan_ip stays the address by which the world
knows the home: that of the outermost box. IPv6 is routed through the boxes, never translated: the
home has 2001:db8:<n>::/48, and each box hands on what is behind it.

The mapping of each statement was measured (test_nats.py measures it again); all of them filter by
the far address and port, and drop what comes in unasked without a word.
"""
import ipaddress
from dataclasses import dataclass

from homes import FORGET
from machine import link

# One subscriber's ports of a MAP-E service with 4 offset bits and a PSID of 8 bits (RFC 7597
# s.5.1): 15 ranges of 16 ports, none of them well-known.
PSID = 0x34

# What OpenWrt's `map` package leaves about it; the lab's daemon looks for it in /run.
MAP_RULES = """RULE_BMR=1
RULE_1_IPV4ADDR={ip}
RULE_1_OFFSET=4
RULE_1_PSIDLEN=8
RULE_1_PORTSETS='{ranges} '
"""
MAP_RULES_PATTERN = "/run/map-*.rules"


def port_set(psid=PSID):
    return [a << 12 | psid << 4 | j for a in range(1, 16) for j in range(16)]


def port_ranges(psid=PSID, between=" "):
    return between.join(f"{port}-{port + 15}" for port in port_set(psid)[::16])


def _from_port_set(pick, psid=PSID):
    ports = ", ".join(f"{n} : {port}" for n, port in enumerate(port_set(psid)))
    return f"snat to {{ip}}:{pick} mod 240 map {{{{ {ports} }}}}"


PORT_SET = port_set()
MASQUERADE = "masquerade"
RANGE = "snat to {ip}:22000-24999"  # none of PORT_SET
RANDOM = "masquerade fully-random"
SET_BY_SOURCE = _from_port_set("jhash ip saddr . udp sport")
SET_IN_TURN = _from_port_set("numgen inc")


@dataclass(frozen=True)
class Kind:
    """What a home is behind, in RFC 4787's words (s.4.1, s.5).

    rules: what each box does to IPv4's UDP, the home's own box first. mapping: how the home's port
    looks from outside: as it is, by a mapping independent of the destination or dependent on it.
    filters: whoever was not spoken to cannot come in. port_set: the mapped port is one of PORT_SET.
    """
    rules: tuple = ()
    ipv4: bool = True
    ipv6: bool = False
    mapping: str = "independent"
    filters: bool = True
    port_set: bool = False


KINDS = {
    "public": Kind(ipv6=True, mapping="none", filters=False),
    "eim": Kind((MASQUERADE,)),
    "restricted": Kind((RANGE,)),
    "symmetric": Kind((RANDOM,), mapping="dependent"),
    "mape_eim": Kind((SET_BY_SOURCE,), port_set=True),
    "mape_numgen": Kind((SET_IN_TURN,), mapping="dependent", port_set=True),
    "cgnat": Kind((MASQUERADE, RANGE)),
    "ip6fw": Kind((None,), ipv4=False, ipv6=True, mapping="none"),
}

BOX = """
    ethtool -K inside tx off tso off gso off tx-udp-segmentation off >/dev/null
    ethtool -K outside tx off tso off gso off tx-udp-segmentation off >/dev/null
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
    nft -f - <<EOF
    add table ip nat
    add chain ip nat post { type nat hook postrouting priority 100; }
    add table inet wall
    add chain inet wall input { type filter hook input priority 0; }
    add chain inet wall forward { type filter hook forward priority 0; }
    add rule inet wall input iifname outside meta l4proto udp ct state new drop
    add rule inet wall forward iifname outside ct state new drop
EOF"""


class Box:
    """One NAT or firewall: a machine with an inside and an outside, each a /28."""

    def __init__(self, machine, rule):
        self.machine, self.rule = machine, rule
        self.ip = None

    def address(self, inside, outside, gateway):
        """Its two addresses (of /28 each), anew; its connections are forgotten."""
        self.ip = outside
        self.machine.run(f"""
            ip -4 addr flush dev inside
            ip -4 addr flush dev outside
            ip addr add {inside}/28 dev inside
            ip addr add {outside}/28 dev outside
            ip route add default via {gateway}
            nft flush chain ip nat post""")
        rule = self.rule.format(ip=outside)
        self.machine.run(["nft", f"""
            add rule ip nat post oifname outside meta l4proto udp {rule}
            add rule ip nat post oifname outside masquerade"""])
        self.forget_connections()

    def forget_connections(self):
        self.machine.run(["/usr/bin/python3", "-c", FORGET])

    def mapping_seconds(self, unreplied, stream=None):
        """How long a mapping lives from now on: after the last datagram, in either direction."""
        self.machine.sysctl("net.netfilter.nf_conntrack_udp_timeout", unreplied)
        self.machine.sysctl("net.netfilter.nf_conntrack_udp_timeout_stream", stream or unreplied)


class Border:
    """Everything between a home's router and its provider. boxes: the home's own first."""

    def __init__(self, home, kind):
        self.home, self.kind, self.boxes = home, KINDS[kind], []
        if not self.kind.rules:
            return
        home.router.run("ip link del wan")
        self.boxes = [Box(home.lab.machine(f"{home.name}-{name}"), rule)
                      for name, rule in zip(("nat", "cgn"), self.kind.rules)]
        self._wire()
        if self.kind.ipv4:
            home.isp.run(f"ip addr add 192.0.2.{16 * home.number + 1}/28 dev home")
            self._address()
            home.router.run("ip addr add 10.0.0.2/28 dev wan\nip route add default via 10.0.0.1")
        if self.kind.ipv6:
            self.add_ipv6(firewall=self.kind.filters)

    def _wire(self):
        chain = [(self.home.router, "wan")]
        for box in self.boxes:
            chain += [(box.machine, "inside"), (box.machine, "outside")]
        chain.append((self.home.isp, "home"))
        for (one, one_name), (other, other_name) in zip(chain[::2], chain[1::2]):
            link(one, one_name, other, other_name)
        for box in self.boxes:
            box.machine.run(BOX)
        self.home.router.run(
            "ethtool -K wan tx off tso off gso off tx-udp-segmentation off >/dev/null")

    def _address(self):
        """IPv4 of all boxes, as home.wan_ip says."""
        outer = self.boxes[-1]
        if self.kind.port_set:
            self._tell_port_set()
        gateway = f"192.0.2.{16 * self.home.number + 1}"
        if len(self.boxes) == 1:
            return outer.address("10.0.0.1", self.home.wan_ip, gateway)
        outer.address("100.64.0.1", self.home.wan_ip, gateway)
        return self.boxes[0].address("10.0.0.1", "100.64.0.2", "100.64.0.1")

    def _tell_port_set(self):
        """The router knows its ports: in truth it is the router that does MAP-E."""
        write_map_rules(self.home)

    def reboot(self, last):
        """Every box restarts, and the provider gives the outermost one its address number `last`
        (3 to 14) instead of the one it had. All mappings are gone."""
        self.home.wan_ip = f"192.0.2.{16 * self.home.number + last}"
        self._address()

    def forget_connections(self):
        for box in self.boxes:
            box.forget_connections()

    def mapping_seconds(self, unreplied, stream=None):
        for box in self.boxes:
            box.mapping_seconds(unreplied, stream)

    def add_ipv6(self, firewall=True):
        """The home has IPv6 from now on; with a firewall only answers come in."""
        home = self.home
        prefix = ipaddress.IPv6Network(f"2001:db8:{home.number}::/48")
        hops = [(home.isp, "home")] + [(box.machine, "inside") for box in reversed(self.boxes)]
        below = [(box.machine, "outside") for box in reversed(self.boxes)] + [(home.router, "wan")]
        for level, ((above, up), (under, down)) in enumerate(zip(hops, below)):
            link_prefix = ipaddress.IPv6Network((int(prefix[0]) + (level << 64), 64))
            above.run(f"ip -6 addr replace {link_prefix[1]}/64 dev {up} nodad\n"
                      f"ip -6 route replace {prefix} via {link_prefix[2]}")
            under.run(f"ip -6 addr replace {link_prefix[2]}/64 dev {down} nodad\n"
                      f"ip -6 route replace default via {link_prefix[1]}")
            home.wan_ip6 = str(link_prefix[2])
        home.lab.wan.run(f"ip -6 route replace {prefix} via 2001:db8:ff0{home.number}::2")
        if not firewall:
            for box in self.boxes:
                box.machine.run("nft insert rule inet wall forward meta nfproto ipv6 accept")

    def remove_ipv6(self):
        """The router has no IPv6 address any more on this side."""
        self.home.router.run("ip -6 route del default || :; ip -6 addr flush dev wan scope global")


def write_map_rules(home, psid=PSID):
    home.router.run("cat >/run/map-wan.rules",
                    input=MAP_RULES.format(ip=home.wan_ip, ranges=port_ranges(psid)))


class MapERouter:
    """The home's router, where the daemon runs, does MAP-E itself, as OpenWrt's.

    Its IPv4 address is shared: the provider brings only the datagrams to the home's ports. Whatever
    leaves, the router's own programs' too, leaves by one of them, in turn; nobody comes in unasked.
    """
    kind = Kind(mapping="dependent", port_set=True)

    def __init__(self, home):
        self.home = home
        home.router.run("""
            nft -f - <<EOF
            add table ip mape
            add chain ip mape post { type nat hook postrouting priority 100; }
            add chain ip mape input { type filter hook input priority 0; }
            add rule ip mape input iifname wan meta l4proto udp ct state new drop
EOF""")
        home.router.run("ip -6 addr flush dev wan scope global")
        self.set_ports(PSID)

    def set_ports(self, psid, last=None):
        """The provider gives the home other ports, and another address if `last` is given."""
        home = self.home
        home.clear_rules()
        write_map_rules(home, psid)
        if last:
            home.change_wan_address(last)
            write_map_rules(home, psid)
        ours = port_ranges(psid, between=", ")
        home.rule(f"ip daddr {home.wan_ip} udp dport != {{ {ours} }} drop")
        rule = _from_port_set("numgen inc", psid).format(ip=home.wan_ip)
        home.router.run(["nft", f"""
            flush chain ip mape post
            add rule ip mape post oifname wan meta l4proto udp {rule}"""])
        home.router.run(["/usr/bin/python3", "-c", FORGET])

    def let_in(self, port):
        """What the router's owner does, as doctor tells."""
        self.home.router.run(f"nft insert rule ip mape input udp dport {port} accept")


def place(home, kind):
    """Put that kind between the home's router and its provider, once, before the daemon runs."""
    home.border = Border(home, kind)
    return home.border


def cut(one, other, families=(4, 6)):
    """Nothing passes between these two homes any more by these families; all else does."""
    for version in families:
        family, far = ("ip6", other.wan_ip6) if version == 6 else ("ip", other.wan_ip)
        for way in "saddr", "daddr":
            one.rule(f"{family} {way} {far} drop")


def mend(one):
    """What cut() took away passes again."""
    one.clear_rules()


def gather(lab, meeting, *homes):
    """Daemons in all, where the homes know the meeting point and nobody knows the homes."""
    for home in homes:
        family = 4 if home.border.kind.ipv4 else 6
        lab.introduce(home, meeting, both=False, family=family)
        home.lansplice.test["map_rules"] = MAP_RULES_PATTERN
    meeting.lansplice.site["relay_for_peers"] = "yes"
    for home in (meeting, *homes):
        home.lansplice.start()
    for home in homes:
        home.lansplice.wait_up(meeting.name)


def invite(inviter, joiner):
    """The joiner joins by a token alone: no endpoint is given."""
    token = inviter.lansplice.command("invite", joiner.name).stdout
    joiner.lansplice.command("join", input=token)


def paths(one, other):
    """What each of the two says of the path between them."""
    return [near.lansplice.peer(far.name).get("path") for near, far in ((one, other), (other, one))]
