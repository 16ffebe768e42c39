# SPDX-License-Identifier: MIT
"""miniupnpd on the provider's machine, which becomes the home's gateway: NAT for IPv4, a firewall
for IPv6, and ports for those who ask by PCP, NAT-PMP or UPnP.

miniupnpd lends no port of an address that is private or for documentation only, so that this
gateway has one of its own, 11.77.<n>.2, and the home behind it is 10.77.<n>.2. Or the gateway is
in the home's LAN, at 192.168.1.20<n>, and lansplice on a box beside it.
"""
from machine import wait_for
from programs import listening

RULES = """
flush ruleset
table inet filter {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname home accept
        meta l4proto ipv6-icmp accept
        jump miniupnpd
    }
    chain miniupnpd { }
    chain input { type filter hook input priority 0; }
    chain prerouting {
        type nat hook prerouting priority -100;
        jump prerouting_miniupnpd
    }
    chain postrouting {
        type nat hook postrouting priority 100;
        jump postrouting_miniupnpd
        oifname core meta nfproto ipv4 snat ip to EXTERNAL
    }
    chain prerouting_miniupnpd { }
    chain postrouting_miniupnpd { }
}
"""


class MiniUpnpd:
    """The home's gateway, from now on.

    upnp and pcp say what it speaks (pcp: NAT-PMP, too; for IPv6 it speaks PCP always). It lends
    ports for lifetime_s at most. With beside=True it is in the LAN.
    """

    def __init__(self, home, upnp=True, pcp=True, lifetime_s=86400, beside=False):
        self.home, self.machine = home, home.isp
        n = home.number
        self.inside, self.outside = f"10.77.{n}.1", f"11.77.{n}.2"
        self.home_ip = f"10.77.{n}.2"
        if beside:
            self.inside, self.home_ip = f"192.168.1.20{n}", home.router_ip
        home.router.run(f"ip addr del {home.wan_ip}/28 dev wan")
        home.router.run("ip link set wan master br-lan; ip -6 route del default" if beside else
                        f"ip addr add {self.home_ip}/24 dev wan")
        home.router.run(f"ip route replace default via {self.inside}")
        home.isp.run(f"""
            ip addr del 192.0.2.{16 * n + 1}/28 dev home
            ip addr add {self.inside}/24 dev home
            ip addr add {self.outside}/24 dev core
            ip route replace default via 11.77.{n}.1
            nft -f -""", input=RULES.replace("EXTERNAL", self.outside))
        home.lab.wan.run(f"ip addr add 11.77.{n}.1/24 dev to-{home.name}")
        self.conf = home.isp.folder / f"{home.isp.name}-miniupnpd.conf"
        self.conf.write_text(f"""
ext_ifname=core
ext_ifname6=core
ext_ip={self.outside}
listening_ip=home
enable_upnp={"yes" if upnp else "no"}
enable_natpmp={"yes" if pcp else "no"}
min_lifetime=1
max_lifetime={lifetime_s}
secure_mode=yes
uuid=00000000-0000-0000-0000-00000000000{n}
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
""")
        self.process = None
        self.start()

    def start(self):
        self.process = self.machine.start(["miniupnpd", "-d", "-f", self.conf, "-P",
                                           "/run/miniupnpd.pid"], name="miniupnpd")
        wait_for(lambda: 5351 in listening(self.machine, "udp"), 10, "miniupnpd to listen")

    def stop(self):
        return self.process.stop()

    def kill(self):
        """As a gateway that loses its power: what it granted is gone, and nobody is told."""
        self.process.kill()
        for chain in "miniupnpd", "prerouting_miniupnpd", "postrouting_miniupnpd":
            self.machine.run(f"nft flush chain inet filter {chain}")

    def granted(self):
        """What the kernel was told to let in, as nft's rules."""
        listed = self.machine.output("nft list chain inet filter prerouting_miniupnpd; "
                                     "nft list chain inet filter miniupnpd")
        return [line.strip() for line in listed.splitlines() if "dport" in line]

    def drop(self, rule):
        """The gateway itself does not get such packets."""
        self.machine.run(f"nft add rule inet filter input {rule} drop")
