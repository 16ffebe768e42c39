# SPDX-License-Identifier: MIT
"""`lansplice doctor` on the line, the NAT and the LAN: what it finds and what it advises.

Most is told to it: a status such as the daemon gives, in a machine with such addresses.
"""
import os
import time

import pytest

from coturn import Coturn
from doctor import Told, examine, status_of
from lansplice import BINARY
from machine import Machine, wait_for
from nats import MAP_RULES_PATTERN, PORT_SET, place

# PSID 0x45 of v6plus: A 1..15, then 0x45, then 0..15.
PORTS = [(a << 12) + 0x450 for a in range(1, 16)]
V6PLUS = {"service": "v6plus", "address": "106.73.2.3", "offset_bits": 4, "psid_bits": 8,
          "psid": 0x45, "ports": "5200-5215, ..."}
RULES = """RULE_1_FMR=1
RULE_1_EALEN=25
RULE_1_PSIDLEN=8
RULE_1_OFFSET=4
RULE_1_PREFIX4LEN=15
RULE_1_PREFIX6LEN=31
RULE_1_IPV4PREFIX=106.72.0.0
RULE_1_IPV6PREFIX=240b:10::
RULE_1_IPV6PD=240b:11:203:4500::
RULE_1_PD6LEN=56
RULE_1_PD6IFACE=wan6
RULE_1_IPV6ADDR=240b:11:203:4500:0:6a49:203:45
RULE_BMR=1
RULE_1_IPV4ADDR=106.73.2.3
RULE_1_ADDR4LEN=32
RULE_1_PORTSETS='{}'
RULE_1_BR=2404:9200:225:100::64
RULE_COUNT=1
""".format("".join(f"{p}-{p + 15} " for p in PORTS))


class Line(Told):
    """A home with a network of its own, with no addresses at first."""

    def __init__(self, machine, folder, **options):
        self.machine = machine
        super().__init__(folder, run=self.inside, **options)

    def inside(self, *arguments):
        return self.machine.run([BINARY, *arguments], check=False)

    def address(self, address):
        """An address, and the default route of its family."""
        family = "-6" if ":" in address else "-4"
        self.machine.run(f"""
            ip link add wan type veth peer name isp
            ip link set isp up
            ip link set wan up
            ip {family} addr add {address} dev wan {'nodad' if family == '-6' else ''}
            ip {family} route replace default dev wan""")
        return self

    def nat(self, **nat):
        """What is said with this NAT while b is reached through a relay."""
        return self.judge(status_of(path="relay", nat=nat))


@pytest.fixture
def machine(tmp_path):
    made = Machine("line", tmp_path)
    yield made
    made.close()


@pytest.fixture
def line(machine, tmp_path):
    if len(str(tmp_path)) > 100:
        pytest.skip("the folder's path is too long for a socket")
    return Line(machine, tmp_path, test=f"map-rules = {tmp_path}/map-*.rules")


def server(state, name="stun.example:3478", other=False, error=None):
    return {"server": name, "address": "203.0.113.99:3478", "other": other, "state": state,
            "mapped": None, "error": error}


def seen(behaviour, mapped="203.0.113.5:7788", local="192.168.1.5", servers=(server("answered"),)):
    return {"local": local, "mapped": mapped, "behaviour": behaviour, "servers": list(servers)}


# --- IPv6 ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("address,level,words", [
    (None, "note", "no way to the Internet by IPv6"),
    ("2001:db8::5/64", "ok", "as 2001:db8::5"),
    ("fd00::5/64", "note", "no global IPv6 address here, only fd00::5")])
def test_ipv6(line, address, level, words):
    if address:
        line.address(address)
    found = line.nat().one(check="ipv6")
    assert (found["level"], found["family"]) == (level, "ipv6") and words in found["text"]
    assert (found["advice"] is None) == (level == "ok")


# --- the NAT -------------------------------------------------------------------------------------

@pytest.mark.parametrize("behaviour,level,words,advice", [
    ("none", "ok", "no NAT is in the way", None),
    ("independent", "ok", "for all destinations: others see this home as 203.0.113.5:7788", None),
    ("dependent", "note", "another port to each destination", "forward UDP 7788"),
    ("unknown", "note", "is not known", "second STUN server")])
def test_the_nat(line, behaviour, level, words, advice):
    found = line.nat(ipv4=seen(behaviour)).one(check="nat")
    assert (found["level"], found["family"]) == (level, "ipv4")
    assert words in found["text"] and "203.0.113.5:7788" in found["text"]
    assert advice in found["advice"] if advice else found["advice"] is None


def test_no_server_and_no_answer(line):
    assert not line.nat(ipv4=seen(None, mapped=None)).only(check="nat")  # there is no IPv4
    line.address("192.168.1.5/24")
    found = line.nat(ipv4=seen(None, mapped=None)).one(check="nat")
    assert found["level"] == "note" and "no STUN server has answered" in found["text"]
    found = line.nat(ipv4=seen(None, mapped=None, servers=())).one(check="nat")
    assert "no STUN server is configured" in found["text"] and "stun = " in found["advice"]


@pytest.mark.parametrize("state,more,words", [
    ("answered", {}, None), ("asking", {}, None), ("silent", {"other": True}, None),
    ("silent", {}, "two.example:3478 does not answer"),
    ("unresolved", {}, "two.example:3478 has no address"), ("error", {"error": 500}, "error 500")])
def test_one_server_of_two(line, state, more, words):
    servers = server("answered"), server(state, "two.example:3478", **more)
    found = line.nat(ipv4=seen("independent", servers=servers)).only(check="stun")
    assert bool(found) == bool(words)
    assert not words or (found[0]["level"] == "note" and words in found[0]["text"])


def test_who_is_content_is_left_alone(line):
    """All peers are reached directly: facts, but no advice."""
    ask = [{"family": "ipv4", "state": "silent", "gateway": "192.168.1.1", "external": None,
            "protocol": None, "problem": "it does not answer"}]
    nat = {"ipv4": seen("dependent"), "map_e": V6PLUS, "port_mapping": ask}
    report = line.judge(status_of(nat=nat))
    assert report.one(check="nat")["advice"] is None
    assert report.one(check="map-e")["advice"] is None
    assert report.one(check="map-e")["level"] == "ok"
    assert not report.only(check="port-mapping")
    assert not line.judge(status_of(nat={"ipv4": seen(None, mapped=None, servers=())})).only(
        check="nat")
    report = line.judge(status_of(nat=nat, state="down"))
    assert report.one(check="map-e")["level"] == "note" and report.one(check="port-mapping")


@pytest.mark.parametrize("address,local,external,words", [
    ("100.64.0.2/10", None, None, "100.64.0.2 is a provider's own"),
    ("192.0.0.2/29", None, None, "192.0.0.2 is that of DS-Lite"),
    (None, "100.127.255.255", None, "CGNAT"),
    (None, "192.0.0.7", None, "DS-Lite"),
    (None, "192.168.1.5", "100.64.0.1:7788", "100.64.0.1 is a provider's own"),
    (None, "100.63.255.255", None, None), (None, "100.128.0.0", None, None),
    (None, "192.0.0.8", None, None), (None, "192.0.1.2", None, None),
    (None, "192.168.1.5", "203.0.113.5:7788", None)])
def test_addresses_that_the_provider_shares(line, address, local, external, words):
    if address:
        line.address(address)
    nat = {"ipv4": seen("dependent", local=local),
           "port_mapping": [{"family": "ipv4", "state": "mapped", "external": external}]}
    report = line.nat(**nat)
    found = report.only(check="shared-address")
    assert bool(found) == bool(words)
    if words:
        assert found[0]["level"] == "note" and words in found[0]["text"]
        assert "relay-for-peers" in found[0]["advice"]
        assert report.one(check="nat")["advice"] is None
    else:
        assert "forward UDP" in report.one(check="nat")["advice"]


def test_two_nats_of_the_homes_own(line):
    ask = [{"family": "ipv4", "state": "refused", "gateway": "192.168.1.1", "protocol": None,
            "external": "192.168.0.2:7788", "problem": "it is behind another NAT"}]
    report = line.nat(ipv4=seen("independent"), port_mapping=ask)
    found = report.one(check="double-nat")
    assert found["level"] == "note" and "192.168.0.2" in found["text"] and found["advice"]
    ask[0]["external"] = "203.0.113.5:7788"
    assert not line.nat(port_mapping=ask).only(check="double-nat")


# --- MAP-E ---------------------------------------------------------------------------------------

def test_map_e(line):
    """The ports, all of them, and which to forward."""
    found = line.nat(ipv4=seen("dependent"), map_e=V6PLUS)
    verdict = found.one(check="map-e")
    assert (verdict["level"], verdict["subject"]) == ("note", "106.73.2.3")
    assert "by MAP-E (v6plus): 240 ports of 106.73.2.3 are its own" in verdict["text"]
    assert ", ".join(f"{p}-{p + 15}" for p in PORTS) in verdict["meaning"]
    wrong = found.one(check="map-e-port")
    assert (wrong["level"], wrong["subject"]) == ("note", "7788")
    advice = wrong["advice"]
    port = int(advice.split()[2].rstrip(","))
    assert any(p <= port < p + 16 for p in PORTS)
    assert advice == (f"forward UDP {port}, one of your 240 ports, on the home router, "
                      f"and set 'port = {port}' in [site] of {line.conf}, then restart lansplice")
    assert verdict["advice"] is None and found.one(check="nat")["advice"] is None  # once is enough


def test_map_e_with_a_port_of_the_set(machine, tmp_path):
    line = Line(machine, tmp_path, site="port = 5205")
    report = line.nat(map_e=V6PLUS)
    assert not report.only(check="map-e-port")
    assert report.one(check="map-e")["advice"] == (
        "forward UDP 5205, one of your 240 ports, on the home router")


def test_map_e_of_ocn(line):
    """Its 63 ranges are told whole, too."""
    ocn = {"service": "ocn", "address": "153.240.72.209", "offset_bits": 6, "psid_bits": 6,
           "psid": 22, "ports": ""}
    found = line.nat(map_e=ocn).one(check="map-e")
    first = [(a << 10) + (22 << 4) for a in range(1, 64)]
    assert "1008 ports" in found["text"]
    assert ", ".join(f"{p}-{p + 15}" for p in first) in found["meaning"]


def test_map_e_that_only_the_prefix_suggests(line):
    """Until STUN has answered it may be; when that saw something else, it is not."""
    line.address("240b:11:203:4500::5/64")
    report = line.nat(ipv4=seen(None, mapped=None))
    found = report.one(check="map-e")
    assert "is one of v6plus" in found["text"] and "240 ports of 106.73.2.3" in found["text"]
    assert "STUN" in found["advice"] and not report.only(check="map-e-port")
    report = line.nat(ipv4=seen("dependent"))
    assert not report.only(check="map-e") and not report.only(check="map-e-port")
    assert "one of your" not in report.one(check="nat")["advice"]


@pytest.mark.parametrize("change", [
    {"address": "x"}, {"psid": 256}, {"psid": -1}, {"psid_bits": 13}, {"psid_bits": 0},
    {"offset_bits": 17}, {"offset_bits": -1}, {"psid": None, "psid_bits": None}])
def test_map_e_that_cannot_be(line, change):
    assert not line.nat(map_e={**V6PLUS, **change}).only(check="map-e")


def test_rules_of_openwrt(line, tmp_path):
    """A router that does MAP-E itself: its firewall is what must let us in; no daemon needed."""
    (tmp_path / "map-wanmap.rules").write_text(RULES)
    report = line.nat()
    found = report.one(check="map-e")
    assert "by MAP-E (v6plus): 240 ports of 106.73.2.3 are its own" in found["text"]
    assert ", ".join(f"{p}-{p + 15}" for p in PORTS) in found["meaning"]
    advice = report.one(check="map-e-port")["advice"]
    assert "in this router's firewall" in advice and "set 'port = auto'" in advice


@pytest.mark.parametrize("kept", [False, True])
def test_a_router_that_translates_its_own_port(line, tmp_path, kept):
    """The port the daemon chose is open, but others see another one."""
    (tmp_path / "map-wanmap.rules").write_text(RULES)
    status = status_of(path="relay", nat={"ipv4": {**seen("dependent"), "port_kept": kept}})
    report = line.judge({**status, "port": PORTS[0]})
    assert not report.only(check="map-e-port")
    assert f"let UDP {PORTS[0]} in" in report.one(check="map-e")["advice"]
    found = report.only(check="map-e-nat")
    assert len(found) == (0 if kept else 1)
    assert kept or f"udp sport {PORTS[0]} accept" in found[0]["advice"]


def test_other_rules_of_openwrt(line, tmp_path):
    """The rule that is this home's, in any order; a service that is not known has no name."""
    mine = RULES.replace("RULE_1_", "RULE_2_").replace("RULE_BMR=1", "RULE_BMR=2").replace(
        "240b:11:203:4500::", "2001:db8:203:4500::")
    other = RULES.replace("RULE_BMR=1\n", "").replace("106.73.2.3", "106.73.9.9")
    (tmp_path / "map-wan.rules").write_text("".join(reversed(mine.splitlines(True))) + other)
    found = line.nat().one(check="map-e")
    assert "by MAP-E: 240 ports of 106.73.2.3" in found["text"]


@pytest.mark.parametrize("old,new", [
    ("RULE_BMR=1\n", ""), ("RULE_BMR=1", "RULE_BMR=x"), ("RULE_BMR=1", "RULE_BMR=9"),
    ("IPV4ADDR=106.73.2.3", "IPV4ADDR=106.73.2"), ("OFFSET=4", "OFFSET=17"),
    ("OFFSET=4", "OFFSET=-4"), ("PSIDLEN=8", "PSIDLEN=13"), ("PSIDLEN=8", "PSIDLEN=0"),
    ("PORTSETS='5200", "PORTSETS='"), ("PORTSETS='5200", "PORTSETS='99999"),
    ("RULE_1_PORTSETS", "RULE_1_OTHERS"), (RULES, ""), (RULES, "\0" * 5000), (RULES, "R" * 100000)])
def test_rules_that_make_no_sense(line, tmp_path, old, new):
    (tmp_path / "map-wan.rules").write_text(RULES.replace(old, new))
    assert not line.nat().only(check="map-e")


def test_rules_of_somebody_else(line, tmp_path):
    """Anybody may write to /tmp. The next file is looked at."""
    (tmp_path / "map-a.rules").write_text(RULES.replace("106.73.2.3", "106.73.9.9"))
    os.chown(tmp_path / "map-a.rules", 65534, 65534)
    assert not line.nat().only(check="map-e")
    os.mkfifo(tmp_path / "map-b.rules")
    (tmp_path / "map-c.rules").write_text(RULES)
    assert line.nat().one(check="map-e")["subject"] == "106.73.2.3"


# --- forwards and relays -------------------------------------------------------------------------

def test_the_gateways_forwards(line):
    sides = [{"family": "ipv4", "state": "mapped", "gateway": "192.168.1.1", "protocol": "upnp",
              "external": "203.0.113.5:40001", "problem": None},
             {"family": "ipv6", "state": "refused", "gateway": "fe80::1", "protocol": None,
              "external": None, "problem": "it is not authorized"}]
    mapped, refused = line.nat(port_mapping=sides).only(check="port-mapping")
    assert (mapped["level"], mapped["family"], mapped["subject"]) == ("ok", "ipv4", "192.168.1.1")
    assert "203.0.113.5:40001 to this machine (asked by upnp" in mapped["text"]
    assert (refused["level"], refused["family"]) == ("note", "ipv6")
    assert "not authorized" in refused["text"] and "firewall" in refused["advice"]
    for state in "asking", "unneeded", "no gateway":
        sides = [{"family": "ipv4", "state": state, "gateway": None, "problem": None}]
        assert not line.nat(port_mapping=sides).only(check="port-mapping")


def test_turn(line):
    turns = [{"server": "one.example:3478", "state": "allocated", "relayed": "203.0.113.9:50000",
              "error": None},
             {"server": "two.example:3478", "state": "failed", "relayed": None,
              "error": "wrong user name or password"},
             {"server": "three.example:3478", "state": "asking", "relayed": None, "error": None},
             {"server": "four.example:3478", "state": "idle", "relayed": None, "error": None}]
    one, two, three = line.nat(turn=turns).only(check="turn")
    assert one["level"] == "ok" and "203.0.113.9:50000" in one["text"]
    assert two["level"] == "warn" and "wrong user name" in two["text"]
    assert three["level"] == "note" and "asking" in three["text"]


# --- peers ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("rtt_ms,level,words", [
    (0.4, "ok", "they pair and play"), (7.0, "ok", "they pair"), (7.1, "note", "will not pair"),
    (31.25, "note", "All else does")])
def test_recorders(line, rtt_ms, level, words):
    found = line.judge(status_of(rtt_ms=rtt_ms)).one(check="rtt")
    assert (found["level"], found["peer"]) == (level, "b") and words in found["meaning"]
    assert f"{rtt_ms:.1f} ms" in found["text"]


def test_no_round_trip_no_verdict(line):
    assert not line.judge(status_of(rtt_ms=None)).only(check="rtt")
    assert not line.judge(status_of(rtt_ms=3.0, state="down")).only(check="rtt")


def test_a_relay(line):
    found = line.nat().one(check="relay")
    assert (found["level"], found["peer"]) == ("note", "b") and found["advice"]
    assert not line.judge(status_of()).only(check="relay")


@pytest.mark.parametrize("keepalive_s,told", [(10, True), (20, False), (0, False), (None, False)])
def test_how_long_nats_remember(line, keepalive_s, told):
    found = line.judge(status_of(keepalive_s=keepalive_s)).only(check="mapping-lifetime")
    assert bool(found) == told
    assert not told or "within 20 s" in found[0]["text"] and "each 10 s" in found[0]["text"]


# --- this machine and the LAN --------------------------------------------------------------------

def test_the_clock(line):
    assert not line.nat().only(check="clock")
    later = time.time() + 86400
    os.utime(line.conf, (later, later))
    found = line.nat().one(check="clock")
    assert found["level"] == "warn" and time.strftime("%Y-%m-%d", time.gmtime()) in found["text"]
    soon = time.time() + 30  # two clocks, or a file system's idea of time
    os.utime(line.conf, (soon, soon))
    assert not line.nat().only(check="clock")


@pytest.fixture
def pools(lab, a, b, tmp_path):
    """Two homes; what a's dnsmasq is configured to give out is the test's to say."""
    def serve(*lines):
        (tmp_path / "dnsmasq.conf").write_text("\n".join(["domain-needed", *lines, ""]))
        if not a.lansplice:
            lab.splice(a, b, test={"dhcp_files": f"/no/such/* {tmp_path}/dnsmasq.conf"})
        return examine(a)
    return serve


def test_a_pool_with_nothing_foreign_in_it(pools, a, b):
    b.host("h1")
    report = pools("dhcp-range=192.168.1.100,192.168.1.149,12h")
    found = report.one(check="dhcp-range")
    assert found["level"] == "ok" and "192.168.1.100 to 192.168.1.149" in found["text"]
    assert not report.only(check="dhcp-overlap")
    for line in ("#dhcp-range=192.168.1.1,192.168.1.254", "dhcp-range=10.9.0.1,10.9.0.9",
                 "dhcp-range=192.168.1.0,static", "dhcp-range=2001:db8::2,2001:db8::9",
                 "dhcp-range=", "dhcp-range", "dhcp-rangers=192.168.1.1,192.168.1.254"):
        report = pools(line)
        assert not report.only(check="dhcp-range") and not report.only(check="dhcp-overlap"), line


@pytest.mark.parametrize("line", [
    "dhcp-range=192.168.1.2,192.168.1.149", "dhcp-range=192.168.1.1,192.168.1.2,255.255.255.0,12h",
    " dhcp-range = set:lan, 192.168.1.1 , 192.168.1.9 ,12h",
    "dhcp-range=interface:br-lan,192.168.1.2,192.168.1.2"])
def test_the_other_router_in_our_pool(pools, line):
    def found():
        report = pools(line)
        return report.only(check="dhcp-overlap") and report
    report = wait_for(found, 10, "b to have told its gateway")
    overlap = report.one(check="dhcp-overlap")
    assert (overlap["level"], overlap["subject"]) == ("warn", "192.168.1.2")
    assert overlap["peer"] == "b" and "the router of b" in overlap["text"] and overlap["advice"]
    assert not report.only(check="dhcp-range")


def test_a_device_of_the_other_home_in_our_pool(pools, a, b):
    """Known once this machine has spoken to it; our own devices are no harm."""
    theirs, ours = b.host("h1"), a.host("h1")
    line = "dhcp-range=192.168.1.10,192.168.1.200"
    assert not pools(line).only(check="dhcp-overlap")
    wait_for(lambda: a.router.ping("192.168.1.21"), 10, "the tunnel")
    assert a.router.ping("192.168.1.11")
    found = pools(line).one(check="dhcp-overlap")
    assert (found["level"], found["subject"]) == ("warn", "192.168.1.21")
    assert theirs.mac() in found["text"] and ours.mac() not in found["text"]
    assert "192.168.1.10 to 192.168.1.200" in found["text"]


def test_a_port_that_somebody_meddled_with(lab, a, b):
    lab.splice(a, b)
    assert examine(a).one(check="snooping")["level"] == "ok"
    a.router.run("bridge link set dev lansplice0 mcast_flood off")
    found = examine(a).one(check="snooping")
    assert (found["level"], found["subject"]) == ("warn", "lansplice0")
    assert "mcast_flood" in found["text"]


def test_two_homes_that_are_well(lab, a, b):
    """Nothing to warn of, the way out seen, the round trip measured; and it is healthy: exit 0."""
    lab.splice(a, b)
    report = wait_for(lambda: examine(a).only(check="rtt") and examine(a), 30, "a round trip")
    assert report.warned == []
    assert a.wan_ip6 in report.one(check="ipv6")["text"]
    assert a.lansplice.peer("b")["keepalive_s"] == 20 and not report.only(check="mapping-lifetime")
    assert report.one(check="rtt")["peer"] == "b"  # how fast it is, this machine's load says


@pytest.mark.parametrize("kind,words", [
    ("public", "no NAT is in the way: others see this home as {ip}:7788"),
    ("eim", "for all destinations: others see this home as {ip}:7788"),
    ("symmetric", "another port to each destination, to one as {ip}:"),
    ("mape_numgen", "another port to each destination, to one as {ip}:")])
def test_real_nats(lab, a, kind, words):
    """As two STUN servers see them; the home that has MAP-E is told its ports."""
    servers = ["203.0.113.1", "203.0.113.2"]
    for server in servers:
        lab.wan.run(f"ip addr add {server} dev lo")
    place(a, kind)
    Coturn(lab.wan, addresses=servers)
    daemon = lab.daemon(a)
    daemon.site["stun"] = [f"{server}:3478" for server in servers]
    daemon.test["map_rules"] = MAP_RULES_PATTERN
    daemon.start()
    found = wait_for(lambda: [f for f in examine(a).only(check="nat")
                              if words.format(ip=a.wan_ip) in f["text"]], 10, words)[0]
    assert (found["level"], found["family"]) == (
        "ok" if kind in ("public", "eim") else "note", "ipv4")
    report = examine(a)
    assert report.one(check="ipv6")["level"] == ("ok" if kind == "public" else "note")
    assert bool(report.only(check="map-e")) == kind.startswith("mape")
    if kind.startswith("mape"):
        verdict = report.one(check="map-e")
        assert f"240 ports of {a.wan_ip}" in verdict["text"]
        assert f"{PORT_SET[0]}-{PORT_SET[15]}, {PORT_SET[16]}-" in verdict["meaning"]
        port = int(report.one(check="map-e-port")["advice"].split("port = ")[1].split("'")[0])
        assert port in PORT_SET


def test_a_nat_of_another_version_does_no_harm(line):
    """Missing, null and mistyped fields are not known; nothing else."""
    for nat in ({}, None, 7, [], {"ipv4": 7}, {"ipv4": []}, {"map_e": 7}, {"port_mapping": {}},
                {"port_mapping": [None, 7, {}]}, {"turn": {"server": 7}}, {"turn": [None, []]},
                {"ipv4": {"mapped": {}, "behaviour": 3, "servers": 9, "local": []}}):
        line.judge(status_of(nat=nat))
    line.judge(status_of(rtt_ms="x", keepalive_s={}, gateways=[7, None, {"address": 9}]))
