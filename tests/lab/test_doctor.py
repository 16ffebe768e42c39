# SPDX-License-Identifier: MIT
"""`lansplice doctor`: what it finds in homes that have it, and how it judges a made-up status."""
import re
import subprocess
import time

import pytest

from commands import one_line
from commands import run as lansplice
from doctor import COMMAND, Told, commands, examine, path_of, status_of
from lansplice import BINARY
from machine import wait_for

# --- judgement: a daemon that says what the test wants -------------------------------------------

@pytest.fixture
def told(tmp_path):
    if len(str(tmp_path)) > 100:
        pytest.skip("the folder's path is too long for a socket")
    return Told(tmp_path)


@pytest.mark.parametrize("family,mtu,words", [
    ("ipv4", 1500, "Ethernet"), ("ipv6", 1500, "IPoE"), ("ipv4", 1492, "PPPoE"),
    ("ipv6", 1480, "6in4"), ("ipv4", 1480, "IPIP"), ("ipv4", 1476, "GRE"),
    ("ipv6", 1472, "6in4"), ("ipv4", 1464, "L2TP"), ("ipv4", 1460, "MAP-E"),
    ("ipv6", 1460, "over IPv6"), ("ipv4", 1454, "NGN"), ("ipv6", 1454, "FLET'S"),
    ("ipv4", 1452, "over PPPoE"), ("ipv4", 1440, "WireGuard"), ("ipv6", 1420, "WireGuard"),
    ("ipv4", 1414, "NGN"), ("ipv4", 1400, "tethered"), ("ipv4", 1430, "mobile"),
    ("ipv4", 1358, "mobile"), ("ipv4", 1280, "MAP-E"), ("ipv6", 1280, "no less"),
    ("ipv4", 1279, "tunnels in tunnels"), ("ipv4", 1281, "mobile"),
    ("ipv4", 1401, "tunnel or PPPoE"), ("ipv4", 1499, "tunnel or PPPoE"),
    ("ipv4", 1501, "jumbo"), ("ipv6", 9000, "jumbo")])
def test_what_a_path_mtu_means(told, family, mtu, words):
    report = told.judge(status_of(path_of(mtu, family)))
    path, = report.paths
    assert (path["peer"], path["family"], path["path_mtu"]) == ("b", family, mtu)
    assert words in path["meaning"], path
    found = report.one(check="path-mtu")
    assert (found["peer"], found["family"], found["mtu"]) == ("b", family, mtu)
    assert path["meaning"] in found["meaning"] and str(mtu) in found["text"]
    assert found["level"] == ("ok" if mtu >= 1500 else "note")
    assert ("All packets arrive anyway" in found["meaning"]) == (mtu < 1500)
    if (family, mtu) == ("ipv4", 1280):
        assert "option mtu 1460" in found["advice"]


@pytest.mark.parametrize("state,limit,mtu,level,words", [
    ("found", "path", 1454, "note", "without a word"),
    ("found", "router", 1454, "note", "a router on the way"),
    ("found", "interface", 1454, "note", "interface"),
    ("found", "interface", 1500, "ok", "1500 bytes"),
    ("found", "maximum", 9000, "ok", "9000 bytes"),
    ("fixed", "configuration", 1454, "note", "max-datagram"),
    ("fixed", "configuration", 1500, "note", "max-datagram"),
    ("confirming", "path", 1454, "note", "without a word"),
    ("stopped", "path", 1454, "note", "not in use"),
    ("searching", None, 1200, "note", "being tried"),
    ("found", "below-base", 1200, "warn", "not even the least"),
    ("searching", "below-base", 1280, "warn", "not even the least"),
    ("found", "something new", 1454, "note", "1454 bytes"),
    ("searching", None, None, "note", "not known yet")])
def test_why_it_is_not_larger(told, state, limit, mtu, level, words):
    report = told.judge(status_of(path_of(mtu, "ipv4", state, limit)))
    found = report.one(check="path-mtu")
    assert (found["level"], found["mtu"]) == (level, mtu)
    assert words in found["text"], found
    path, = report.paths
    assert (path["state"], path["limit"], path["path_mtu"]) == (state, limit, mtu)
    assert (path["meaning"] is None) == (
        state in ("searching", "fixed") or limit == "below-base")
    if state == "fixed":  # nobody has looked
        assert "not known" in found["meaning"] and "takes" not in found["text"]
    if limit == "below-base":
        assert found["advice"] and "arrive" not in found["meaning"]
        assert "TCP stands still" in found["meaning"]


def test_both_families_are_told_of(told):
    report = told.judge(status_of(path_of(1460), path_of(1500, "ipv6")))
    assert [(p["family"], p["path_mtu"]) for p in report.paths] == [("ipv4", 1460), ("ipv6", 1500)]
    assert [f["level"] for f in report.only(check="path-mtu")] == ["note", "ok"]


def test_a_path_through_a_relay_says_nothing_of_the_line(told):
    report = told.judge(status_of(path_of(1454, "relay"), path="relay"))
    path, = report.paths
    assert (path["family"], path["path_mtu"], path["meaning"]) == ("relay", 1454, None)
    found = report.one(check="path-mtu")
    assert found["family"] is None and "through a relay takes packets of 1454" in found["text"]
    assert "about speed" in found["meaning"] and found["advice"] is None


@pytest.mark.parametrize("status,check,words", [
    (status_of(state="connecting", called_at="b.example:7788"), "peer", "b.example:7788"),
    (status_of(state="down"), "peer", "has not connected"),
    (status_of(state="connecting", joining=True), "peer", "let us join"),
    (status_of(path_of(1500), shut=True), "loop", "connection to b, "),
    ({"port_shut": True}, "loop", "loop"),
    ({"clashes": [{"kind": "gateway", "peer": "b", "address": "192.168.1.1"}]}, "clash",
     "192.168.1.1"),
    ({"clashes": [{"kind": "host", "peer": "b", "address": "192.168.1.7", "local_mac": "l",
                   "remote_mac": "r"}]}, "clash", "by l here and by r at b"),
    ({"clashes": [{"kind": "subnet", "peer": "b", "address": None}]}, "clash",
     "different IPv4 subnets")])
def test_what_status_says_is_said_again(told, status, check, words):
    report = told.judge(status)
    found = report.one(check=check, level="warn")
    assert words in found["text"] and found["advice"]


def test_when_neither_home_can_be_called(told):
    """What is missing then is the second paste, or somebody who helps the two to meet."""
    joining = told.judge(status_of(state="connecting", joining=True)).one(check="peer")
    assert "lansplice accept" in joining["advice"]
    silent = told.judge(status_of(state="connecting")).one(check="peer")
    assert "relay-for-peers" in silent["advice"] and "stun" in silent["advice"]


def test_an_invitation_nobody_used_is_no_fault(told):
    found = told.judge(status_of(state="down", invited=True)).one(check="peer")
    assert found["level"] == "note" and "has not used its invitation" in found["text"]
    assert "'lansplice join' there" in found["advice"]
    assert "'lansplice accept' here" in found["advice"]


@pytest.mark.parametrize("count", [1, 3, 40])
def test_an_invited_home_whose_reply_was_taken(told, count):
    """It is being called: whoever waits need not do what is done."""
    called = [{"endpoint": f"[2001:db8::{n}]:7788"} for n in range(count)]
    found = told.judge(status_of(state="connecting", invited=True, candidates=[
        *called, called[0], {"endpoint": None}, None])).one(check="peer")
    assert found["level"] == "note" and "paste the token" not in found["advice"]
    listed = found["text"].split(" called at ")[1].split(", ")
    assert listed == [c["endpoint"] for c in called][:len(listed)]
    assert len(listed) == min(count, 11)


def test_a_status_of_another_version_does_no_harm(told):
    """Missing, null and mistyped fields are not known; nothing else."""
    for status in ({}, {"peers": None}, {"peers": 7, "clashes": {}}, status_of(7, "x", None, []),
                   {"peers": [None, 3, {}]}, status_of({"path_mtu": 10 ** 12}),
                   status_of({"path_mtu": -1, "family": 7, "state": [], "limit": {}}),
                   {"peers": [{"name": None, "paths": "no"}], "clashes": [None, {"kind": 1}]}):
        told.judge(status)


@pytest.mark.parametrize("answer", [b"nonsense\n", b"", b"[]\n"])
def test_a_stuck_daemon_is_a_finding(told, answer):
    assert "does not answer" in told.judge(answer).one(check="daemon", level="warn")["text"]


def test_words_for_people(told):
    """A line that sums up, then the worst first, and no line longer than a terminal."""
    status = status_of(path_of(1454), path_of(1500, "ipv6"), shut=True)
    done = told.ask(status, "doctor")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0].startswith("home: ")
    assert re.match(r"home: \d problems, \d notes", lines[0]) and lines[1] == ""
    assert max(len(line) for line in lines if not line.startswith(COMMAND)) <= 80
    levels = [line.split()[0] for line in lines[1:] if line and not line.startswith(" ")]
    assert levels == sorted(levels, key=["warn", "note", "ok"].index)
    assert set(levels) == {"warn", "note", "ok"}
    for finding in told.judge(status).findings:
        for field in "text", "meaning", "advice":
            assert " ".join((finding[field] or "").split()) in " ".join(done.stdout.split())


@pytest.mark.parametrize("limit,told_bytes,warned", [
    ("configuration", 1280, True), ("configuration", None, False), ("configuration", 1500, False),
    ("path", 1280, False)])
def test_a_fixed_size_that_a_router_refuses(told, limit, told_bytes, warned):
    state = "fixed" if limit == "configuration" else "found"
    status = status_of({**path_of(1500, state=state, limit=limit), "told": told_bytes},
                       endpoint="192.0.2.99:7788")
    findings = told.judge(status).only(check="max-datagram-told")
    assert bool(findings) == warned
    assert not warned or (findings[0]["level"] == "warn" and "1280" in findings[0]["text"])


@pytest.mark.parametrize("state,limit,proved_s,cell", [
    ("searching", None, 0, "1454 ?"), ("found", "path", 12, "1454 (path, 12 s ago)"),
    ("searching", "below-base", None, "1454 (below-base)"),
    ("fixed", "configuration", None, "1454 (configuration)"), (None, None, None, "1454")])
def test_status_says_what_limits_the_mtu(told, state, limit, proved_s, cell):
    status = status_of(path_mtu=1454, path_mtu_state=state, path_mtu_limit=limit,
                       path_mtu_proved_s=proved_s)
    words = told.ask(status, "status").stdout
    assert f"  {cell}  " in words, words


@pytest.mark.parametrize("endpoint,check", [
    ("127.0.0.1:7788", "endpoint-self"), ("[::1]:7788", "endpoint-self"),
    ("nosuch.invalid:7788", "endpoint-name")])
def test_endpoints_that_cannot_be(tmp_path, endpoint, check):
    home = Told(tmp_path, [endpoint])
    found = home.judge(status_of(state="connecting")).one(check=check)
    assert found["level"] == "warn" and endpoint in found["text"] and found["advice"]


def test_names_are_not_asked_for_a_peer_that_is_up(tmp_path):
    home = Told(tmp_path, ["nosuch.invalid:7788"])
    report = home.judge(status_of(path_of(1500), endpoint="192.0.2.99:7788"))
    assert not report.only(check="endpoint-name")


# --- usage ---------------------------------------------------------------------------------------

def test_a_bad_configuration_is_an_error_of_its_own(tmp_path, home):
    assert "none.conf" in one_line(lansplice("doctor", "-c", tmp_path / "none.conf"), 2)
    home.write_text(home.read_text() + "bogus = 1\n")
    assert f"{home}:" in one_line(lansplice("doctor", "-c", home), 2)
    for arguments in (["doctor", "x"], ["doctor", "--watch"], ["doctor", "--name", "x"]):
        one_line(lansplice(*arguments), 2)


def test_a_full_output_is_an_error(told):
    done = lansplice("doctor", "-c", told.conf)
    assert done.returncode == 0 and done.stdout
    with open("/dev/full", "w", encoding="ascii") as full:
        assert subprocess.run([BINARY, "doctor", "-c", told.conf], stdout=full).returncode == 1


# --- homes ---------------------------------------------------------------------------------------

def test_nothing_wrong(lab, a, b):
    a.host("h1")
    lab.splice(a, b, site={"max_datagram": 1500})
    report = examine(a)
    assert report.warned == []
    assert report.one(check="lan-mtu")["mtu"] == 1500
    assert "1 of 1 peers" in report.one(check="daemon")["text"]
    words = a.lansplice.command("doctor").stdout
    assert words.startswith("a: no problems")


def test_a_size_that_is_fixed(lab, a, b):
    lab.splice(a, b, site={"max_datagram": 1454})
    report = examine(a)
    path, = report.paths
    assert (path["peer"], path["family"], path["path_mtu"]) == ("b", "ipv4", 1454)
    assert (path["state"], path["limit"]) == ("fixed", "configuration")
    assert path["meaning"] is None
    assert report.one(check="max-datagram")["level"] == "note"
    assert report.warned == []


def measured(home, mtu):
    """The report, once the search has found that MTU."""
    def found():
        report = examine(home)
        done = [p for p in report.paths if p["path_mtu"] == mtu and p["state"] == "found"]
        return report if done else None
    return wait_for(found, 10, f"a path of {mtu} bytes")


@pytest.mark.parametrize("family,mtu,words", [
    (4, 1500, "Ethernet"), (4, 1492, "PPPoE"), (4, 1460, "MAP-E"), (4, 1454, "NGN"),
    (4, 1400, "tethered"), (4, 1280, "MAP-E"), (6, 1280, "IPv6 tunnel"), (6, 1480, "6in4")])
def test_a_size_that_was_found(lab, a, b, family, mtu, words):
    a.set_mtu(mtu)
    lab.splice(a, b, family=family)
    report = measured(b, mtu)
    path, = report.paths
    assert (path["peer"], path["family"]) == ("a", f"ipv{family}")
    assert words in path["meaning"] and path["limit"]
    found = report.one(check="path-mtu")
    assert found["level"] == ("ok" if mtu == 1500 else "note") and str(mtu) in found["text"]
    assert (found["advice"] is None) == (mtu != 1280)
    assert report.warned == []


def test_an_interface_that_is_the_limit_is_named(lab, a, b):
    for machine, interface in ((a.router, "wan"), (a.isp, "home")):
        machine.run(f"ip link set {interface} mtu 1492")
    lab.splice(a, b)
    found = measured(a, 1492).one(check="path-mtu")
    assert (found["level"], found["subject"], found["peer"]) == ("note", "wan", "b")
    assert "interface takes: wan" in found["text"]


def test_a_narrow_port_is_named(lab, a, b):
    """Another home's LAN is judged there: here nothing is wrong."""
    b.host("h2")
    narrow = b.host("h1")
    narrow.run("ip link set eth0 mtu 1492")
    b.router.run("ip link set h1 mtu 1492")
    a.host("h1")
    lab.splice(a, b)
    report = examine(b)
    found = report.one(check="port-mtu")
    assert (found["level"], found["subject"], found["mtu"]) == ("warn", "h1", 1492)
    assert "port h1 of br-lan" in found["text"] and "1492" in found["advice"]
    assert commands(b, "port-mtu") == ["ip link set h1 mtu 1500"]
    assert not report.only(check="bridge-mtu") and not report.only(check="lan-mtu")
    assert "port h1 of br-lan takes packets of 1492 bytes only" in " ".join(
        b.lansplice.command("doctor").stdout.split())
    assert not examine(a).only(check="port-mtu")


def test_a_bridge_lowered_is_named(lab, a, b):
    b.host("h1")
    b.router.run("ip link set br-lan mtu 1400")
    lab.splice(a, b)
    report = examine(b)
    found = report.one(check="bridge-mtu")
    assert (found["level"], found["subject"], found["mtu"]) == ("warn", "br-lan", 1400)
    assert "1500" in found["text"] and "ip link set br-lan mtu 1500" in found["advice"]
    assert not report.only(check="port-mtu") and not report.only(check="lan-mtu")


def test_ports_that_differ_above_1500_are_a_note(lab, a, b):
    for host in "h1", "h2":
        a.host(host)
    a.router.run("ip link set h1 mtu 4000")
    a.host("h1").run("ip link set eth0 mtu 4000")
    lab.splice(a, b)
    found = examine(a).one(check="port-mtu")
    assert (found["level"], found["subject"], found["mtu"]) == ("note", "h2", 1500)


def test_a_port_that_is_down_matters_to_nobody(lab, a, b):
    for host in "h1", "h2":
        a.host(host)
    a.router.run("ip link set h1 mtu 1400; ip link set h1 down; ip link set br-lan mtu 1500")
    lab.splice(a, b)
    assert not examine(a).only(check="port-mtu")


def test_no_daemon(lab, a, b):
    """It is a finding, and the rest is looked at all the same."""
    b.host("h1")
    b.router.run("ip link set h1 mtu 1492")
    lab.introduce(a, b)
    b.lansplice.write()
    report = examine(b)
    assert set(report.warned) == {("daemon", "/run/lansplice.sock"), ("port-mtu", "h1")}
    assert "lansplice run" in report.one(check="daemon")["text"]
    assert report.paths == []


def test_a_bridge_that_is_not_there(lab, a):
    lab.daemon(a).site["bridge"] = "br-none"
    a.lansplice.write()
    assert ("bridge", "br-none") in examine(a).warned
    a.lansplice.site["bridge"] = "wan"
    a.lansplice.write()
    assert ("bridge", "wan") in examine(a).warned


def test_a_tap_in_no_bridge_and_a_bridge_that_is_down(lab, a, b):
    lab.introduce(a, b)
    del a.lansplice.site["bridge"]
    a.lansplice.start()
    b.lansplice.start()
    assert ("tap", "lansplice0") in examine(a).warned
    a.router.run("ip link set lansplice0 master br-lan; ip link set br-lan down")
    assert ("link-down", "br-lan") in examine(a).warned
    a.router.run("ip link set br-lan up; ip link set lansplice0 up")
    assert examine(a).only(check="tap") == []


def test_a_bridge_that_was_named_since_the_start(lab, a, b):
    """A reload leaves the daemon without: to set it once more does not help."""
    lab.introduce(a, b)
    del a.lansplice.site["bridge"]
    a.lansplice.start()
    a.lansplice.site["bridge"] = "br-lan"
    a.lansplice.write()
    a.lansplice.reload()
    report = examine(a)
    found = report.one(check="restart")
    assert (found["level"], found["subject"]) == ("warn", "bridge")
    assert "'bridge = br-lan' is configured" in found["text"] and "without it" in found["text"]
    assert found["advice"] == "restart lansplice" and not report.only(check="tap")
    a.lansplice.stop()
    a.lansplice.restart()
    assert not examine(a).only(check="restart")


@pytest.mark.parametrize("option,runs", [("tap", "lansplice0"), ("port", 4500)])
def test_an_option_of_the_start(told, option, runs):
    """And what a daemon of another version does not tell is not wrong."""
    found = told.judge({**status_of(), option: runs}).one(check="restart")
    assert found["subject"] == option and found["text"].endswith(f"the daemon runs with {runs}")
    assert not told.judge(status_of()).only(check="restart")


TUNNELS = {
    "tun": "ip tuntap add {0} mode tun",
    "vxlan": "ip link add {0} type vxlan id 1 remote 192.0.2.17 dstport 4789",
    "sit": "ip link add {0} type sit remote 192.0.2.17 local 192.0.2.18",
    "gre": "ip link add {0} type gre remote 192.0.2.17 local 192.0.2.18",
    "ipip": "ip link add {0} type ipip remote 192.0.2.17 local 192.0.2.18",
    "ip6tnl": "ip link add {0} type ip6tnl remote 2001:db8:1::1 local 2001:db8:1::2 mode any",
    "wireguard": "ip link add {0} type wireguard"}


@pytest.mark.parametrize("family", [4, 6])
def test_a_tunnel_in_a_tunnel(lab, a, b, family):
    """Of the kinds that this kernel has: tun is always there."""
    lab.introduce(a, b, family=family)
    a.lansplice.write()
    assert not examine(a).only(check="tunnel-in-tunnel")
    kinds = [k for k, make in TUNNELS.items() if a.router.ok(make.format(f"t-{k}"))]
    assert "tun" in kinds
    for kind in kinds:
        name, there = f"t-{kind}", b.wan_ip6 if family == 6 else b.wan_ip
        a.router.run(f"ip link set {name} up; ip -{family} route replace {there} dev {name}")
        found = examine(a).one(check="tunnel-in-tunnel")
        assert (found["level"], found["subject"], found["peer"]) == ("note", name, "b")
        assert found["family"] == f"ipv{family}" and f"({kind})" in found["text"]


@pytest.mark.parametrize("interface", ["br-lan", "lansplice0"])
def test_an_endpoint_in_the_lan_itself(lab, a, b, interface):
    lab.introduce(a, b)
    a.lansplice.peers["b"]["endpoint"] = "192.168.1.2:7788"
    a.lansplice.start()
    if interface != "br-lan":
        a.router.run(f"ip route add 192.168.1.2 dev {interface}")
    found = examine(a).one(check="endpoint-lan")
    assert (found["level"], found["subject"]) == ("warn", interface)
    assert "192.168.1.2:7788" in found["text"] and "inside itself" in found["meaning"]


def test_no_way_out(lab, a, b):
    """One family without a route is nothing unusual; a peer without any is."""
    lab.introduce(a, b)
    a.lansplice.peers["b"]["endpoint"] = [b.endpoint(), b.endpoint(family=6)]
    a.lansplice.write()
    a.router.run("ip -6 route del default")
    assert not examine(a).only(check="no-route")
    a.router.run("ip route del default")
    found = examine(a).only(check="no-route", level="warn")
    assert [f["subject"] for f in found] == [b.endpoint(), b.endpoint(family=6)]
    assert [f["family"] for f in found] == ["ipv4", "ipv6"]
    a.router.run(f"ip route add {b.wan_ip} via 192.0.2.17")
    assert not examine(a).only(check="no-route")


def test_a_box_beside_the_router_may_call_through_its_lan(lab, a, b):
    """The way out of such a box is the bridge, by the router: no tunnel in itself."""
    lab.introduce(a, b)
    a.router.run("ip route replace default via 192.168.1.254 dev br-lan")
    a.lansplice.write()
    report = examine(a)
    assert not report.only(check="endpoint-lan") and not report.only(check="tunnel-in-tunnel")


def test_max_datagram_larger_than_the_interface(lab, a, b):
    lab.introduce(a, b)
    a.router.run("ip link set wan mtu 1400")
    a.lansplice.site["max_datagram"] = 1400
    a.lansplice.write()
    assert report_levels(examine(a)) == ["note"]
    a.lansplice.site["max_datagram"] = 1401
    a.lansplice.write()
    report = examine(a)
    assert report_levels(report) == ["note", "warn"]
    found = report.one(check="max-datagram", level="warn")
    assert (found["subject"], found["mtu"]) == ("wan", 1400)


def report_levels(report):
    return [f["level"] for f in report.only(check="max-datagram")]


def test_an_ordinary_user_may_look_at_links(lab, a, b):
    """Reading links and routes needs no privilege; a key that may not be read is an error."""
    lab.introduce(a, b)
    a.lansplice.write()
    done = a.router.run(["setpriv", "--reuid=65534", "--clear-groups", BINARY, "-c",
                         a.lansplice.path, "doctor"], check=False)
    assert done.returncode in (1, 2) and done.stdout == "" and done.stderr.count("\n") == 1


# --- a file that is refused, and DNS that is dead -------------------------------------------------

def test_the_file_is_wrong_and_the_daemon_runs(lab, a, b):
    """It is then that people ask: status and doctor answer, and say so."""
    daemon, _ = lab.splice(a, b)
    daemon.path.write_text(daemon.path.read_text().replace("tap = lansplice0", "tap = /"))
    shown = daemon.command("status")
    assert "lansplice0 in bridge br-lan" in shown.stdout and " up " in shown.stdout
    assert "would be refused: bad value: " in shown.stderr and ":6: tap = /" in shown.stderr
    assert daemon.status()["name"] == "a"
    report = examine(a)
    found = report.one(check="config")
    assert found["level"] == "warn" and ":6: tap = /" in found["text"]
    assert report.all["name"] == "a" and report.one(check="snooping")["subject"] == "lansplice0"
    assert [check for check, _ in report.warned] == ["config"], report.findings
    daemon.stop()
    for command in "status", "doctor":
        done = daemon.command(command, check=False)
        assert done.returncode == 2 and ":6: tap = /" in done.stderr and not done.stdout


def test_the_file_is_gone_and_the_daemon_runs(lab, a):
    """Then the socket is looked for at its usual place."""
    daemon = lab.daemon(a).start()
    daemon.path.unlink()
    assert examine(a).one(check="config")["text"].startswith("the configuration is refused: cannot")


def test_dns_that_does_not_answer(lab, a, b):
    """Each name waits for itself, and none of them long."""
    a.isp.run("nft add table inet d; nft 'add chain inet d c "
              "{ type filter hook input priority 0; }'; nft add rule inet d c udp dport 53 drop")
    a.router.run("echo nameserver 192.0.2.17 >/run/resolv.conf; "
                 "mount --bind /run/resolv.conf /etc/resolv.conf")
    daemon = lab.daemon(a)
    names = [f"nobody{n}.example.net:7788" for n in range(3)] + ["_lansplice._udp.example.net"]
    daemon.add_peer(lab.daemon(b), names)
    daemon.write()
    began = time.monotonic()
    report = examine(a)
    assert time.monotonic() - began < 3.5
    silent = report.only(check="endpoint-name", level="warn")
    assert [f["subject"] for f in silent] == names
    assert all("DNS does not answer" in f["text"] for f in silent)


def test_a_path_through_a_relay_is_narrower_by_itself(told):
    report = told.judge(status_of(path_of(1454, "relay"), path="relay"))
    assert "wraps them once more" in report.one(check="path-mtu")["text"]
    assert "lost on the way" not in report.one(check="path-mtu")["text"]


@pytest.mark.parametrize("option,state,words", [
    ("rendezvous-command", {"rendezvous": {"program": "/x", "failures": [
        {"peer": "b", "verb": "store", "error": "exit status 3: no disk"}]}},
     "rendezvous-command /x failed: store for b: exit status 3: no disk"),
    ("event-command", {"event_command": {"program": "/x", "error": "no end after 30 s for clash",
                                         "waiting": 0}},
     "event-command /x failed: no end after 30 s for clash")])
def test_a_program_of_the_owners_fails(told, option, state, words):
    found = told.judge({**status_of(), **state}).one(check=option)
    assert (found["level"], found["text"]) == ("warn", words) and "by hand" in found["advice"]
