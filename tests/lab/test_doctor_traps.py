# SPDX-License-Identifier: MIT
"""The traps of the first hour: what `lansplice doctor` finds of firewalls, Wi-Fi and DHCP."""
import subprocess

import pytest

from doctor import Report, commands, examine
from lansplice import BINARY
from machine import wait_for

# OpenWrt's, shortened: the wan side is rejected but for what it names.
FW4 = """
table inet fw4 {{
  chain input {{
    type filter hook input priority filter; policy drop;
    iif "lo" accept
    ct state vmap {{ established : accept, related : accept }}
    tcp flags & (fin | syn | rst | ack) == syn jump syn_flood
    iifname "br-lan" jump input_lan
    iifname {{ "wan", "pppoe-wan" }} jump input_wan
    jump handle_reject
  }}
  chain syn_flood {{
    limit rate 25/second burst 50 packets return
    drop
  }}
  chain input_lan {{
    counter accept
  }}
  chain input_wan {{
    meta nfproto ipv4 udp dport 68 counter accept
    icmp type echo-request counter accept
    meta nfproto ipv6 udp dport 546 counter accept
    ip6 saddr fe80::/10 icmpv6 type . icmpv6 code {{ mld-listener-query . no-route }} accept
    {rule}
    jump reject_from_wan
  }}
  chain reject_from_wan {{
    iifname "wan" counter jump handle_reject
  }}
  chain handle_reject {{
    meta l4proto tcp reject with tcp reset
    reject with icmpx type port-unreachable
  }}
}}
"""

INPUT = """
table {family} t {{
  chain in {{
    type filter hook input priority 0; policy {policy};
    ct state established,related accept
    {rules}
  }}
}}
"""


def load(home, rules):
    (home.lab.folder / "rules").write_text("flush ruleset\n" + rules)
    home.router.run(f"nft -f {home.lab.folder}/rules")


@pytest.fixture
def a_router(lab, a, b):
    """A router whose peer has never answered, so that what doctor finds matters."""
    lab.daemon(a).add_peer(lab.daemon(b))
    a.host("h1")
    a.lansplice.start()
    return a


def blocked(home):
    found = examine(home).only(check="firewall")
    return (found[0]["family"] or "both") if found else None


# --- who may call ---------------------------------------------------------------------------------

@pytest.mark.parametrize("rule,family", [
    ("", "both"),
    ("udp dport 7788 counter accept", None),
    ("meta l4proto udp th dport 7788 accept", None),
    ("udp dport { 53, 7000-8000 } accept", None),
    ("meta nfproto ipv4 udp dport 7788 accept", "ipv6"),
    ("meta nfproto ipv6 udp dport 7788 accept", "ipv4"),
    ("tcp dport 7788 accept", "both"),
    ("udp dport 7789 accept", "both"),
    ("udp dport != 53 accept", None),
    ("udp sport 7788 accept", None),  # of some senders: nothing is said
    ("ip saddr 192.0.2.0/24 accept", "ipv6"),
    ("iifname eth7 udp dport 7788 accept", "both"),
    ("iifname \"wa*\" udp dport 7788 accept", None),
    ("limit rate 10/second accept", None)])
def test_openwrts_firewall(a_router, rule, family):
    load(a_router, FW4.format(rule=rule))
    assert blocked(a_router) == family
    if not rule:
        found = examine(a_router).one(check="firewall")
        assert found["level"] == "warn" and found["subject"] == "fw4"
        assert "table inet fw4, chain input" in found["text"]
        done = commands(a_router, "firewall")
        assert done[0] == "uci add firewall rule" and done[-1] == "service firewall reload"
        assert {"uci set firewall.@rule[-1].dest_port=7788",
                "uci set firewall.@rule[-1].src=wan"} < set(done)


@pytest.mark.parametrize("policy,rules,family", [
    ("drop", "", "both"), ("accept", "", None), ("accept", "drop", "both"),
    ("accept", "udp dport 1-9999 drop", "both"), ("accept", "udp dport 53 drop", None),
    ("accept", "limit rate 1/second drop", None), ("drop", "iifname != br-lan accept", None),
    ("drop", "ip protocol udp accept", "ipv6"), ("drop", "ct state new accept", None),
    ("drop", "return\n accept", "both")])
def test_rules_of_ones_own(a_router, policy, rules, family):
    load(a_router, INPUT.format(family="inet", policy=policy, rules=rules))
    assert blocked(a_router) == family


def test_the_rule_that_is_proposed_opens_the_port(a_router):
    load(a_router, INPUT.format(family="ip", policy="drop", rules=""))
    found = examine(a_router).one(check="firewall")
    assert found["family"] == "ipv4" and "by IPv4" in found["text"]
    rule, = commands(a_router, "firewall")
    assert "/etc/nftables.conf" in found["advice"]
    a_router.router.run(rule)
    assert blocked(a_router) is None


def test_the_port_is_that_where_the_daemon_listens(lab, a, b):
    """'port = auto' finds one of its own: what stands in the configuration says nothing."""
    lab.daemon(a).add_peer(lab.daemon(b))
    a.host("h1")
    a.lansplice.site["port"] = "auto"
    (a.lansplice.folder / "state").mkdir(mode=0o700)
    (a.lansplice.folder / "state/port").write_text("40123\n")
    a.lansplice.start()
    assert a.lansplice.status()["port"] == 40123
    load(a, INPUT.format(family="inet", policy="drop", rules="udp dport 7788 accept"))
    assert "UDP port 40123 " in examine(a).one(check="firewall")["text"]
    rule, = commands(a, "firewall")
    assert "udp dport 40123 accept" in rule
    a.router.run(rule)
    assert blocked(a) is None


def test_who_is_reached_is_only_told(lab, a, b):
    """This home calls the others, and that is enough."""
    for home in a, b:
        home.host("h1")
    load(a, INPUT.format(family="inet", policy="drop", rules="icmpv6 type != 1 accept"))
    lab.splice(a, b)
    assert examine(a).one(check="firewall")["level"] == "note"
    assert examine(a).warned == [] and not examine(b).only(check="firewall")


@pytest.mark.parametrize("chains,words", [
    ("chain ufw-user-input {\n}\n", "ufw allow 7788/udp"), ("", "nft insert rule inet t in udp")])
def test_each_firewall_has_its_own_command(a_router, chains, words):
    load(a_router, f"table ip filter {{\n{chains}}}\n"
                   + INPUT.format(family="inet", policy="drop", rules=""))
    assert commands(a_router, "firewall")[0].startswith(words)


# --- br_netfilter ---------------------------------------------------------------------------------

DOCKER = """
table ip filter {
  chain FORWARD {
    type filter hook forward priority filter; policy drop;
    counter jump DOCKER-USER
    oifname "docker0" ct state related,established counter accept
    iifname "docker0" oifname != "docker0" counter accept
  }
  chain DOCKER-USER {
    %s
    counter return
  }
  chain DOCKER { }
}
"""


def bridge_netfilter(home, value, tables=("iptables", "ip6tables", "arptables")):
    home.router.run("\n".join(f"echo {value} >/proc/sys/net/bridge/bridge-nf-call-{t}"
                              for t in tables))


def test_docker_drops_what_is_bridged(lab, a, b):
    for home in a, b:
        home.host("h1")
    lab.splice(a, b)
    assert a.hosts["h1"].ping(b.hosts["h1"].ip)
    load(a, DOCKER % "")
    assert not examine(a).only(check="bridge-firewall")
    bridge_netfilter(a, 1)
    assert not a.hosts["h1"].ping(b.hosts["h1"].ip)
    found = examine(a).one(check="bridge-firewall")
    assert (found["level"], found["subject"], found["family"]) == ("warn", "br-lan", "ipv4")
    assert commands(a, "bridge-firewall") == [
        f"{tables} -I DOCKER-USER -i br-lan -o br-lan -j ACCEPT"
        for tables in ("iptables", "ip6tables")]
    # As that command does it.
    load(a, DOCKER % 'iifname "br-lan" oifname "br-lan" accept')
    assert a.hosts["h1"].ping(b.hosts["h1"].ip)
    assert examine(a).one(check="bridge-firewall")["level"] == "note"


def test_another_firewall_drops_what_is_bridged(lab, a, b):
    for home in a, b:
        home.host("h1")
    lab.splice(a, b)
    load(a, INPUT.format(family="inet", policy="drop", rules="").replace("input", "forward"))
    bridge_netfilter(a, 1, ["iptables", "ip6tables"])
    found = examine(a).one(check="bridge-firewall")
    assert (found["level"], found["family"]) == ("warn", None)
    command, settings, module = commands(a, "bridge-firewall")
    command = command.replace("net.bridge.bridge-nf-call-arptables=0", "")
    assert settings.endswith(" >/etc/sysctl.d/60-lansplice.conf")
    settings = a.router.run(settings.split(" >")[0]).stdout.split("\n")
    assert settings[:3] == [f"net.bridge.bridge-nf-call-{tables}=0"
                            for tables in ("iptables", "ip6tables", "arptables")]
    assert module == "echo br_netfilter >/etc/modules-load.d/lansplice.conf"
    assert not a.hosts["h1"].ping(b.hosts["h1"].ip)
    a.router.run(command)
    assert a.hosts["h1"].ping(b.hosts["h1"].ip)
    assert not examine(a).only(check="bridge-firewall")


# --- bridges that reach nobody --------------------------------------------------------------------

def pretend_wireless(home, interface, more=""):
    """A sysfs that says so: the lab has no radio."""
    home.router.run(f"path=$(readlink -f /sys/class/net/{interface}); mount -t tmpfs tmpfs $path; "
                    f"cd $path; mkdir wireless {more}")


@pytest.mark.parametrize("wireless", [False, True])
def test_the_configuration_names_no_bridge(lab, a, wireless):
    a.router.run("ip link add wlan0 type veth peer name wlan1")
    if wireless:
        pretend_wireless(a, "wlan0")
    lab.daemon(a).site["bridge"] = "wlan0"
    a.lansplice.write()
    found = examine(a).one(check="wifi-client" if wireless else "bridge", subject="wlan0")
    assert found["level"] == "warn" and "'bridge' in [site] names wlan0" in found["text"]
    assert ("cable" if wireless else "bridge-eth0") in found["advice"]


@pytest.mark.parametrize("wireless", [False, True])
def test_a_bridge_without_a_port(lab, a, wireless):
    if wireless:
        pretend_wireless(a, "wan")
    lab.daemon(a).start()
    found = examine(a).one(check="wifi-client" if wireless else "bridge-ports", subject="br-lan")
    assert found["level"] == ("warn" if wireless else "note")
    assert "no port but lansplice0" in found["text"]
    assert ("cable" if wireless else "bridge-eth0") in found["advice"]
    a.host("h1")
    assert not [f for f in examine(a).findings if f["check"] in ("wifi-client", "bridge-ports")]


@pytest.mark.parametrize("installed", [True, False])
def test_the_script_is_a_command_where_it_is(lab, a, installed):
    """A router has none, and whoever has the source finds it there."""
    folder = "/usr/share/doc/lansplice/examples"
    a.router.run("mount -t tmpfs tmpfs /usr/share/doc")
    if installed:
        a.router.run(f"mkdir -p {folder}; touch {folder}/bridge-eth0")
    lab.daemon(a).start()
    if installed:
        assert commands(a, "bridge-ports") == [f"{folder}/bridge-eth0"]
    advice = examine(a).one(check="bridge-ports")["advice"]
    assert "bridge-eth0, among lansplice's examples" in advice
    assert (folder in advice) == installed


# --- DHCP -----------------------------------------------------------------------------------------

SPLIT = "192.168.1.10 to 192.168.1.129 {}, 192.168.1.130 to 192.168.1.249 {}"


def split_of(home, check):
    return wait_for(lambda: examine(home).only(check=check), 10, check)[0]["advice"]


def test_both_homes_propose_the_same_ranges(lab, a, b):
    """This machine does not give the addresses out: that is all it can say."""
    lab.splice(a, b, test={"dhcp_files": "/none"})
    assert split_of(a, "dhcp-split").endswith(SPLIT.format("here", "at b"))
    assert split_of(b, "dhcp-split").endswith(SPLIT.format("at a", "here"))
    assert examine(a).one(check="dhcp-split")["level"] == "note"


def test_routers_are_left_out_of_the_ranges(lab, tmp_path):
    a, b = lab.home("a", router_ip="192.168.1.100"), lab.home("b", router_ip="192.168.1.140")
    (tmp_path / "dhcpd.conf").write_text("subnet 192.168.1.0 netmask 255.255.255.0 {\n"
                                         "  range 192.168.1.120 192.168.1.240;\n}\n")
    lab.splice(a, b, test={"dhcp_files": f"{tmp_path}/dhcpd.conf"})
    advice = split_of(a, "dhcp-overlap")
    assert "192.168.1.10 to 192.168.1.99 here, 192.168.1.141 to 192.168.1.249 at b" in advice
    overlap = examine(a).one(check="dhcp-overlap")
    assert overlap["subject"] == "192.168.1.140" and "192.168.1.240" in overlap["text"]


def test_three_homes(lab, a, b, c):
    lab.splice(a, b, c, test={"dhcp_files": "/none"})
    wait_for(lambda: "at c" in split_of(a, "dhcp-split"), 10, "all to have told their LANs")
    assert split_of(a, "dhcp-split").endswith(
        "192.168.1.10 to 192.168.1.89 here, 192.168.1.90 to 192.168.1.169 at b, "
        "192.168.1.170 to 192.168.1.249 at c")


def test_the_rules_are_seen_by_the_folders_owner(a_router):
    """Root acts as him, and nft must still be answered."""
    load(a_router, INPUT.format(family="inet", policy="drop", rules=""))
    daemon = a_router.lansplice
    a_router.router.run(f"cp -r {daemon.folder} /run/home; "
                        "sed -i '/^private-key/s/=.*/= site.key/; /^control/s/=.*/= no.sock/' "
                        "/run/home/lansplice.conf; "
                        "chown -R nobody:nogroup /run/home; chmod 755 /run")
    done = a_router.router.run([BINARY, "-c", "/run/home/lansplice.conf", "doctor", "--json"])
    assert Report(done.stdout).one(check="firewall")["subject"] == "t"


# A driver with wireless extensions, as the kernel hands its answer on.
RADIO = """
#include <linux/wireless.h>
#include <stdarg.h>
#include <stdlib.h>

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    struct iwreq *asked;

    va_start(list, request);
    asked = va_arg(list, struct iwreq *);
    va_end(list);
    (void)fd;
    if (request != SIOCGIWMODE)
        return -1;
    asked->u.mode = (unsigned)atoi(getenv("RADIO_MODE"));
    return 0;
}
"""
STATION, ACCESS_POINT = "2", "3"  # IW_MODE_INFRA, IW_MODE_MASTER


@pytest.mark.parametrize("mode, more, warned", [
    (STATION, "", True), (ACCESS_POINT, "", False),
    (STATION, "phy80211", False)])  # in 4-address mode: the kernel bridges no other one of these
def test_a_port_that_is_a_wifi_client(lab, a, tmp_path, mode, more, warned):
    (tmp_path / "radio.c").write_text(RADIO)
    library = tmp_path / "radio.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "radio.c"], check=True)
    a.router.run("ip link add wlan0 type veth peer name wlan1; ip link set wlan1 up; "
                 "ip link set wlan0 up master br-lan")
    pretend_wireless(a, "wlan0", more)
    lab.daemon(a).start()
    done = a.router.run([BINARY, "-c", a.lansplice.path, "doctor", "--json"],
                        env={"LD_PRELOAD": str(library), "RADIO_MODE": mode})
    found = Report(done.stdout).only(check="wifi-client")
    assert [f["subject"] for f in found] == (["wlan0"] if warned else [])
    for one in found:
        assert one["level"] == "warn" and "port wlan0 of br-lan" in one["text"]
        assert "cable" in one["advice"]
