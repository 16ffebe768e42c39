# SPDX-License-Identifier: MIT
"""OpenWrt's init script: what it asks of procd; the key; peers that joined; events."""
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "openwrt"))

from router import BINARY, KEYS, copy_program  # noqa: E402

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

PSK = "A" * 43 + "=\n"
UNCLE = "CXkt7b767hBwAn3FJrm/B8fNhkAfocF4jusgmDnZrnc="


@pytest.fixture
def enabled(router):
    router.uci("set", "lansplice.home.enabled=1")
    router.uci("commit", "lansplice")
    return router


def services(router):
    """What the init script last told procd: the service; None when it said nothing."""
    told = [message for where, method, message in router.calls()
            if (where, method) == ("service", "set")]
    return told[-1] if told else None


def instances(router):
    return services(router)["instances"]


def write_peer(router, name, key=KEYS[0], psk=PSK, more="", mode=0o600):
    """A peer's files as join and an enrolment leave them."""
    router.write(f"/etc/lansplice/home/peers.d/{name}.psk", psk)
    router.path(f"/etc/lansplice/home/peers.d/{name}.psk").chmod(mode)
    router.write(f"/etc/lansplice/home/peers.d/{name}.conf",
                 f"# Written by lansplice.\n[peer {name}]\npublic-key = {key}\n"
                 f"preshared-key = {name}.psk\nendpoint = {name}.example.net:7788\n"
                 f"keepalive = 20\n{more}")


# ---- what procd is told ----

def test_disabled_as_it_is_shipped(router):
    router.init("start")
    assert instances(router) == {}
    assert not router.path("/etc/lansplice").exists()


def test_start(enabled):
    enabled.init("start")
    instance = instances(enabled)["home"]
    assert instance["command"] == ["/usr/sbin/lansplice", "-c",
                                   "/etc/lansplice/home/lansplice.conf", "run"]
    assert instance["respawn"] == ["3600", "5", "0"]
    assert instance["stdout"] and instance["stderr"]
    assert "jail" not in instance and "user" not in instance
    enabled.run("lansplice", "-c", "/etc/lansplice/home/lansplice.conf", "check-config", check=True)


def test_triggers(enabled):
    enabled.init("start")
    reload = ["/etc/init.d/lansplice", "reload"]
    assert services(enabled)["triggers"] == [["config.change", "package", "lansplice", *reload],
                                             ["interface.*", "interface", "wan", *reload]]


def test_the_firewall_lets_our_port_in_while_the_instance_is_there(enabled):
    """As firewall4 reads it from procd, fw4.uc: read_ubus(), parse_rule()."""
    changed = ("service", "event", {"type": "config.change", "data": {"package": "firewall"}})
    enabled.uci("set", "lansplice.home.port=7799")
    enabled.init("start")
    calls = enabled.calls()
    assert calls[0][2]["instances"]["home"]["data"] == {"firewall": [
        {"type": "rule", "src": "wan", "proto": "udp", "dest_port": "7799", "target": "ACCEPT"}]}
    assert calls[-1] == changed
    enabled.init("stop")
    assert enabled.calls() == [changed, ("service", "delete", {"name": "lansplice"})]


def test_another_zone_and_none(enabled):
    enabled.uci("set", "lansplice.home.firewall_zone=inet")
    enabled.init("start")
    assert instances(enabled)["home"]["data"]["firewall"][0]["src"] == "inet"
    enabled.uci("set", "lansplice.home.firewall_zone=-")
    enabled.init("start")
    assert instances(enabled)["home"]["data"] == {"firewall": []}


def test_the_firewall_is_left_alone_while_its_rules_are(enabled):
    """A reload for a WAN that is back must not build it anew."""
    def told():
        return ("service", "event") in {call[:2] for call in enabled.calls()}

    for action, change in [("start", True), ("reload", False), ("stop", True), ("start", True)]:
        enabled.init(action)
        assert told() == change, action
    enabled.uci("set", "lansplice.home.port=7799")
    enabled.init("reload")
    assert told()


@pytest.fixture
def auto(enabled):
    """'option port auto', and a daemon that says it listens at 40123 once it is up."""
    enabled.uci("set", "lansplice.home.port=auto")
    enabled.path("/usr/sbin/lansplice").rename(enabled.path("/usr/sbin/lansplice.real"))
    enabled.write("/usr/sbin/lansplice", """#!/bin/sh
        case "$*" in
        *status*) [ -e /tmp/up ] && echo '{"peers": [{"port": 1}], "port": 40123}' ;;
        *) exec /usr/sbin/lansplice.real "$@" ;;
        esac\n""")
    enabled.path("/usr/sbin/lansplice").chmod(0o755)
    return enabled


def test_the_firewall_follows_a_port_the_daemon_chose(auto):
    """7788 until the daemon runs and says another one."""
    def port():
        return next(message["instances"]["home"]["data"]["firewall"][0]["dest_port"]
                    for _, method, message in auto.calls() if method == "set")

    auto.init("start")
    assert port() == "7788"
    auto.write("/tmp/up", "")
    event = {"LANSPLICE_CONFIG": "/etc/lansplice/home/lansplice.conf"}
    auto.run("sh", "/etc/hotplug.d/lansplice/20-port", ACTION="peer-down", **event, check=True)
    assert auto.calls() == []
    auto.run("sh", "/etc/hotplug.d/lansplice/20-port", ACTION="peer-up", **event, check=True)
    assert port() == "40123"
    auto.run("sh", "/etc/hotplug.d/lansplice/20-port", ACTION="peer-path", **event, check=True)
    assert auto.calls() == []  # nothing is new


RULESET = """table inet fw4 {
    chain srcnat {
        type nat hook postrouting priority srcnat; policy accept;
        include "/usr/share/nftables.d/chain-pre/srcnat/lansplice.nft"
        masquerade
    }
}
"""


@pytest.mark.skipif(not shutil.which("nft"), reason="nft is not installed")
def test_the_routers_nat_leaves_that_port_as_it_is(auto):
    """As firewall4 takes chain-pre's files into its ruleset (ruleset.uc), by the real nft."""
    copy_program(shutil.which("nft"), "usr/sbin", auto.root)
    auto.write("/tmp/ruleset", RULESET)
    load = ["unshare", "-n", "/bin/sh", "-c", "nft -f /tmp/ruleset && nft list ruleset"]

    def rules():
        return auto.run(*load, check=True).stdout

    assert "sport" not in rules()
    auto.write("/tmp/up", "")
    auto.init("start")
    listed = rules()
    rule = "fib saddr type local udp sport 40123 accept"
    assert rule in listed and listed.index(rule) < listed.index("masquerade")
    auto.init("stop")
    assert "sport" not in rules()
    auto.init("start")
    auto.uci("delete", "lansplice.home")
    auto.init("reload")
    assert "sport" not in rules()


def test_sections_of_two_packages_do_not_mix(enabled):
    """A network interface of the site's name may have options of the site's names."""
    for option, value in {"": "interface", ".jail": "1", ".firewall_zone": "lan"}.items():
        enabled.uci("set", f"network.home{option}={value}")
    enabled.uci("delete", "lansplice.home.firewall_zone")
    enabled.init("start")
    assert instances(enabled)["home"]["data"]["firewall"][0]["src"] == "wan"


def test_a_jail_where_there_is_one(enabled):
    enabled.uci("set", "lansplice.home.jail=1")
    enabled.init("start")
    assert "jail" not in instances(enabled)["home"]
    enabled.write("/sbin/ujail", "#!/bin/sh\n")
    enabled.path("/sbin/ujail").chmod(0o755)
    enabled.init("start")
    mount = instances(enabled)["home"]["jail"]["mount"]
    writable = {path for path, how in mount.items() if how == "1"}
    assert writable == {"/dev/net/tun", "/etc/lansplice/home", "/var/run/lansplice"}
    # Where daemons may write, and lay links, is nothing that root writes or the firewall reads.
    assert list(enabled.path("/var/run/lansplice").iterdir()) == []
    assert enabled.path("/var/run/lansplice-notes/home.fixed").exists()
    enabled.path("/sbin/ujail").unlink()


def test_two_sites(enabled):
    for path, value in {"": "site", ".enabled": "1", ".port": "7799", ".tap": "ls1"}.items():
        enabled.uci("set", f"lansplice.office{path}={value}")
    enabled.init("start")
    told = instances(enabled)
    assert set(told) == {"home", "office"}
    assert told["office"]["command"][2] == "/etc/lansplice/office/lansplice.conf"
    assert "control = /var/run/lansplice/office.sock" in enabled.conf("office")


def test_a_site_of_netifds_is_left_to_it(enabled):
    for option, value in {"": "interface", ".proto": "lansplice", ".site": "home"}.items():
        enabled.uci("set", f"network.tunnel{option}={value}")
    enabled.init("start")
    assert instances(enabled) == {}
    enabled.init("reload")
    assert ("network.interface.tunnel", "renew", {}) in enabled.calls()
    enabled.uci("set", "network.tunnel.disabled=1")
    enabled.init("start")
    assert set(instances(enabled)) == {"home"}


@pytest.mark.parametrize("leave", [os.mkfifo, os.mkdir, lambda path: path.symlink_to("/etc")])
def test_what_a_jailed_daemon_leaves_for_its_configuration(enabled, leave):
    enabled.init("start")
    conf = enabled.path("/etc/lansplice/home/lansplice.conf")
    before = conf.read_text()
    conf.unlink()
    leave(conf)
    enabled.init("start")
    assert conf.is_file() and not conf.is_symlink() and conf.read_text() == before


# ---- reload ----

@pytest.fixture
def running(enabled):
    """As after a start: the daemon's control socket is there."""
    enabled.init("start")
    enabled.calls()
    os.mknod(enabled.path("/var/run/lansplice/home.sock"), 0o600 | stat.S_IFSOCK)
    return enabled


def fixed(router, instance):
    """What procd restarts an instance for: the file it watches."""
    return router.path(instance["file"][0]).read_text()


def test_reload_tells_the_daemon(running):
    before = running.path("/var/run/lansplice-notes/home.fixed").read_text()
    running.uci("set", "lansplice.home.guard=dhcp")
    running.init("reload")
    assert "guard = dhcp" in running.conf()
    calls = running.calls()
    assert calls[-1] == ("service", "signal", {"name": "lansplice", "instance": "home",
                                               "signal": 1})
    assert fixed(running, calls[0][2]["instances"]["home"]) == before


@pytest.mark.parametrize("option", ["port=7799", "bridge=br-guest", "ciphers=aes256gcm"])
def test_reload_restarts_for_what_is_fixed(running, option):
    before = running.path("/var/run/lansplice-notes/home.fixed").read_text()
    running.uci("set", f"lansplice.home.{option}")
    running.init("reload")
    calls = running.calls()
    assert "signal" not in {method for _, method, _ in calls}
    assert fixed(running, calls[0][2]["instances"]["home"]) != before


def test_reload_with_a_bad_file_leaves_all_as_it_is(running):
    before = running.conf()
    running.uci("set", "lansplice.home.hub=maybe")
    done = running.init("reload")
    assert "lansplice.home.hub" in done.stderr and "lansplice.home.hub" in running.log()
    assert set(instances(running)) == {"home"}
    assert running.conf() == before


def test_start_with_a_bad_file_starts_nothing(enabled):
    enabled.uci("set", "lansplice.home.hub=maybe")
    done = enabled.init("start")
    assert "lansplice.home.hub" in done.stderr and "lansplice.home.hub" in enabled.log()
    assert instances(enabled) == {}


def test_a_file_that_is_none(running):
    """Which sites there are is not known: what runs goes on, and a start says why nothing does."""
    running.write("/etc/config/lansplice", "config site 'home\n")
    assert "cannot read /etc/config/lansplice" in running.init("reload", check=False).stderr
    assert running.calls() == [] and "left as it is" in running.log()
    assert "cannot read /etc/config/lansplice" in running.init("start").stderr
    assert instances(running) == {} and "what passed last is started" in running.log()


@pytest.mark.parametrize("stray", ["option keepalive '5\n", "option keepalive 5 6\n"])
def test_a_line_that_is_none_takes_nothing_away(running, stray):
    """OpenWrt's config_load reads over it; what follows would be gone from what ran."""
    text = running.path("/etc/config/lansplice").read_text()
    before = running.conf()
    running.write("/etc/config/lansplice", text.replace("config peer", stray + "config peer", 1)
                  if "config peer" in text else text + stray)
    running.path("/var/run/lansplice/home.sock").unlink()
    running.init("start")
    assert running.conf() == before
    assert instances(running)["home"]["command"][2] == "/etc/lansplice/home/lansplice.conf"
    assert "cannot read /etc/config/lansplice" in running.log()


@pytest.mark.parametrize("option", ["hub=maybe", "tap=lansplice0/1"])
def test_start_with_a_bad_file_starts_what_was_good(running, option):
    """The router boots, and nobody is there to mend it."""
    running.path("/var/run/lansplice/home.sock").unlink()
    before = running.conf()
    running.uci("set", f"lansplice.home.{option}")
    running.path("/tmp/log").unlink(missing_ok=True)
    running.init("start")
    assert instances(running)["home"]["command"][2] == "/etc/lansplice/home/lansplice.conf"
    assert running.conf() == before
    log = running.log()
    assert f"lansplice.home.{option.split('=')[0]}" in log and "runs as it was before" in log
    running.uci("set", "lansplice.home.enabled=0")
    running.init("start")
    assert instances(running) == {}


def test_nothing_is_written_that_is_there(running):
    path = running.path("/etc/lansplice/home/lansplice.conf")
    before = path.stat()
    running.init("reload")
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert stat.S_IMODE(after.st_mode) == 0o600


# ---- the key ----

def test_the_key_is_made_once_and_kept(enabled):
    key = enabled.path("/etc/lansplice/home/home.key")
    enabled.init("start")
    first = key.read_text()
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    for action in "reload", "stop", "start":
        enabled.init(action)
    assert key.read_text() == first


def test_a_lost_key_is_not_replaced(enabled):
    enabled.init("start")
    enabled.path("/etc/lansplice/home/home.key").unlink()
    done = enabled.init("start")
    assert "restore it from a backup" in done.stderr and instances(enabled) == {}
    assert not enabled.path("/etc/lansplice/home/home.key").exists()


def test_a_key_of_ones_own(enabled):
    enabled.write("/etc/own.key", enabled.run("lansplice", "genkey").stdout)
    enabled.path("/etc/own.key").chmod(0o600)
    enabled.uci("set", "lansplice.home.private_key=/etc/own.key")
    enabled.init("start")
    assert "private-key = /etc/own.key" in enabled.conf()
    assert not enabled.path("/etc/lansplice/home/home.key").exists()


# ---- peers that joined ----

def test_a_peer_that_joined_is_in_uci(enabled):
    write_peer(enabled, "mum-and-dad")
    enabled.init("start")
    assert enabled.uci("get", "lansplice.mum_and_dad") == "peer"
    assert enabled.uci("get", "lansplice.mum_and_dad.public_key") == KEYS[0]
    assert enabled.uci("get", "lansplice.mum_and_dad.endpoint") == "mum-and-dad.example.net:7788"
    conf = enabled.conf()
    assert "[peer mum-and-dad]" in conf
    assert "preshared-key = /etc/lansplice/home/peers.d/mum-and-dad.psk" in conf
    folder = enabled.path("/etc/lansplice/home/peers.d")
    assert [path.name for path in folder.iterdir()] == ["mum-and-dad.psk"]
    # And it survives: nothing waits in /tmp, and the next start has the same peers.
    assert not list(enabled.path("/tmp/.uci").glob("lansplice"))
    enabled.init("start")
    assert enabled.conf() == conf


@pytest.mark.parametrize("pending", ["joining", "invites"])
def test_not_before_the_enrolment_is_over(enabled, pending):
    """The daemon looks for it in peers.d until then."""
    write_peer(enabled, "parents")
    enabled.write(f"/etc/lansplice/home/state/{pending}/parents", "id x\n")
    enabled.uci_config()
    assert enabled.path("/etc/lansplice/home/peers.d/parents.conf").exists()
    assert "peer" not in enabled.conf()
    enabled.path(f"/etc/lansplice/home/state/{pending}/parents").unlink()
    enabled.uci_config()
    assert "[peer parents]" in enabled.conf()


def test_what_somebody_wrote_by_hand_stays(enabled):
    write_peer(enabled, "parents", more=f"[peer two]\npublic-key = {KEYS[1]}\n")
    enabled.uci_config()
    assert enabled.path("/etc/lansplice/home/peers.d/parents.conf").exists()
    assert enabled.uci("get", "lansplice.parents", check=False) == ""


@pytest.mark.parametrize("name", ["home.event_command=x", "Parents", "a b"])
def test_a_name_that_is_none_does_not_reach_uci(enabled, name):
    before = enabled.path("/etc/config/lansplice").read_text()
    write_peer(enabled, name)
    enabled.uci_config()
    assert enabled.path("/etc/config/lansplice").read_text() == before


def test_a_section_that_is_taken(enabled):
    """A peer of another site has the name: both stay what they are."""
    for path, value in {"office": "site", "parents": "peer", "parents.site": "office",
                        "parents.public_key": KEYS[1]}.items():
        enabled.uci("set", f"lansplice.{path}={value}")
    write_peer(enabled, "parents")
    done = enabled.uci_config()
    assert done.returncode == 0, done.stderr
    assert enabled.uci("get", "lansplice.parents.public_key") == KEYS[1]
    assert enabled.uci("get", "lansplice.home_parents.name") == "parents"
    assert f"[peer parents]\npublic-key = {KEYS[0]}" in enabled.conf()


def test_cut_short_after_uci_was_written(enabled):
    """The power failed between the two files: the next run ends what was begun, and keeps what
    somebody has changed in UCI since."""
    write_peer(enabled, "parents")
    enabled.uci_config()
    enabled.uci("set", "lansplice.parents.keepalive=25")
    write_peer(enabled, "parents")
    done = enabled.uci_config()
    assert done.returncode == 0, done.stderr
    assert enabled.conf().count("[peer parents]") == 1 and "keepalive = 25" in enabled.conf()
    assert not enabled.path("/etc/lansplice/home/peers.d/parents.conf").exists()


def test_a_peer_stays_where_it_is_when_the_rest_is_refused(enabled):
    write_peer(enabled, "parents")
    enabled.uci("set", "lansplice.home.hub=maybe")
    assert enabled.uci_config().returncode == 2
    names = {path.name for path in enabled.path("/etc/lansplice/home/peers.d").iterdir()}
    assert names == {"parents.conf", "parents.psk"}
    enabled.uci("set", "lansplice.home.hub=0")
    assert enabled.uci_config().returncode == 0
    assert enabled.conf().count("[peer parents]") == 1


@pytest.mark.parametrize("command", ["set", "commit"])
def test_a_peer_stays_where_it_is_when_uci_does_not_take_it(enabled, command):
    enabled.uci_config()
    before = enabled.conf(), enabled.uci("export", "lansplice")
    write_peer(enabled, "parents")
    enabled.path("/sbin/uci").rename(enabled.path("/sbin/uci.real"))
    enabled.write("/sbin/uci", f"#!/bin/sh\n[ \"$2\" != {command} ] || exit 1\n"
                  "exec /sbin/uci.real \"$@\"\n")
    enabled.path("/sbin/uci").chmod(0o755)
    done = enabled.uci_config()
    assert done.returncode == 1 and "/etc/config/lansplice" in done.stderr
    assert enabled.path("/etc/lansplice/home/peers.d/parents.conf").exists()
    assert (enabled.conf(), enabled.uci("export", "lansplice")) == before


def test_a_refused_import_leaves_uci_as_it_is(enabled):
    """Another peer has the key: both configurations would be refused at the next boot."""
    for path, value in {"": "peer", ".site": "home", ".public_key": KEYS[0]}.items():
        enabled.uci("set", f"lansplice.uncle{path}={value}")
    enabled.uci("commit", "lansplice")
    enabled.init("start")
    before = enabled.path("/etc/config/lansplice").read_text(), enabled.conf()
    write_peer(enabled, "parents")
    assert enabled.uci_config().returncode == 2
    assert (enabled.path("/etc/config/lansplice").read_text(), enabled.conf()) == before
    assert not enabled.path("/tmp/.uci/lansplice").exists()
    assert enabled.path("/etc/lansplice/home/peers.d/parents.conf").exists()


@pytest.mark.parametrize("section", ["parents", "home_parents", "old"])
def test_a_peer_that_was_invited_anew_replaces_the_former_one(enabled, section):
    """Its key is another one; what else its section had is the former home's. No other moves."""
    peers = [(section, {"": "peer", ".site": "home", ".name": "parents", ".keepalive": "9",
                        ".public_key": KEYS[1]}),
             ("uncle", {"": "peer", ".site": "home", ".public_key": UNCLE})]
    for name, options in peers:
        for path, value in options.items():
            enabled.uci("set", f"lansplice.{name}{path}={value}")
    enabled.uci("add_list", f"lansplice.{section}.endpoint=old.example.net:1")
    enabled.uci("commit", "lansplice")
    enabled.init("start")
    write_peer(enabled, "parents")
    done = enabled.uci_config()
    assert (done.returncode, done.stderr) == (0, "")
    text = enabled.path("/etc/config/lansplice").read_text()
    assert text.index(f"config peer '{section}'") < text.index("config peer 'uncle'")
    assert KEYS[0] in text and KEYS[1] not in text and "old.example.net" not in text
    assert "keepalive '9'" not in text and UNCLE in text
    conf = enabled.conf()
    assert conf.count("[peer ") == 2 and KEYS[1] not in conf and KEYS[0] in conf
    assert f"lansplice.{section}: its key is another one" in enabled.log()
    assert [path.name for path in enabled.path("/etc/lansplice/home/peers.d").iterdir()] == [
        "parents.psk"]
    enabled.uci_config()
    assert enabled.conf() == conf, "UCI says something else"


@pytest.mark.parametrize("anew", [False, True])
def test_an_import_that_was_killed(enabled, anew):
    """What it had renamed is a peer still, unless that home has come anew since."""
    write_peer(enabled, "parents", KEYS[1])
    conf = enabled.path("/etc/lansplice/home/peers.d/parents.conf")
    conf.rename(f"{conf}.imported")
    if anew:
        write_peer(enabled, "parents")
    enabled.uci_config()
    assert enabled.uci("get", "lansplice.parents.public_key") == KEYS[0 if anew else 1]
    assert not list(conf.parent.glob("*.conf*"))


@pytest.mark.parametrize("name, section", [("parents", "parents"), ("mum-and-dad", "mum_and_dad"),
                                           ("dad", "home_dad")])
def test_a_peer_is_invited_anew_as_the_program_says(enabled, name, section):
    """What it says is pasted; then the other home comes with another key."""
    enabled.run("sh", "/etc/uci-defaults/99_lansplice", check=True)
    for path, value in {"office": "site", "dad": "peer", "dad.site": "office",
                        "dad.public_key": KEYS[1]}.items():
        enabled.uci("set", f"lansplice.{path}={value}")
    write_peer(enabled, name, KEYS[1])
    enabled.init("start")
    enabled.write("/sbin/service", "#!/bin/sh\nexec sh /etc/rc.common /etc/init.d/$1 $2\n")
    enabled.path("/sbin/service").chmod(0o755)
    said = enabled.run("lansplice", "invite", name).stderr
    assert f"{name} is a peer already: lansplice.{section} in /etc/config/lansplice: " in said
    advice = said.split("'")[1]
    assert advice.startswith(f"uci delete lansplice.{section}; ")
    enabled.run("sh", "-c", advice, check=True)
    assert f"[peer {name}]" not in enabled.conf()
    enabled.run("lansplice", "invite", name, check=True)
    enabled.path(f"/etc/lansplice/home/state/invites/{name}").unlink()  # it came, and is confirmed
    write_peer(enabled, name)
    enabled.init("start")
    assert set(instances(enabled)) == {"home"}
    assert enabled.uci("get", f"lansplice.{section}.public_key") == KEYS[0]


# ---- events ----

def test_an_event_reaches_the_scripts(enabled):
    """By procd: ACTION and the variables; and the peer that was enrolled is in UCI."""
    enabled.uci_config()
    write_peer(enabled, "parents")
    enabled.run("/usr/lib/lansplice/event", LANSPLICE_EVENT="peer-up", LANSPLICE_SITE="home",
                LANSPLICE_PEER="parents", LANSPLICE_PATH="direct6",
                LANSPLICE_CONFIG="/etc/lansplice/home/lansplice.conf", check=True)
    told = next(message for where, _, message in enabled.calls() if where == "hotplug.lansplice")
    assert told == {"env": ["ACTION=peer-up", "LANSPLICE_EVENT=peer-up", "LANSPLICE_SITE=home",
                            "LANSPLICE_CONFIG=/etc/lansplice/home/lansplice.conf",
                            "LANSPLICE_PEER=parents", "LANSPLICE_PATH=direct6"]}
    assert "parents is there (direct6)" in enabled.log()
    assert enabled.uci("get", "lansplice.parents") == "peer"


def test_an_event_where_procd_does_not_take_it(router):
    """Before OpenWrt 22.03."""
    router.write("/bin/ubus", "#!/bin/sh\nexit 4\n")
    router.write("/sbin/hotplug-call", "#!/bin/sh\necho \"$1 $ACTION $LANSPLICE_PEER\" >/tmp/log\n")
    for path in "/bin/ubus", "/sbin/hotplug-call":
        router.path(path).chmod(0o755)
    router.run("/usr/lib/lansplice/event", LANSPLICE_EVENT="peer-down", LANSPLICE_PEER="parents")
    assert router.log() == "lansplice peer-down parents\n"


# ---- uci-defaults ----

@pytest.mark.parametrize("host, name", [("Grandmas_House", "grandmas-house"), ("OpenWrt", ""),
                                        ("お家", ""), ("", "")])
def test_the_home_is_named_after_the_router(router, host, name):
    router.write("/etc/config/system", f"config system\n\toption hostname '{host}'\n")
    router.run("sh", "/etc/uci-defaults/99_lansplice", check=True)
    assert router.uci("get", "lansplice.home.name", check=False) == name
    assert router.uci("get", "lansplice.home.enabled") == "0"
    assert [path.name for path in router.path("/etc/lansplice").iterdir()] == ["lansplice.conf"]


def test_commands_mean_the_home(enabled):
    """Without -c, as the manual has them; also when something runs uci-defaults again."""
    for _ in range(2):
        enabled.run("sh", "/etc/uci-defaults/99_lansplice", check=True)
    enabled.uci_config()
    enabled.run("lansplice", "check-config", check=True)
    assert "lansplice1:" in enabled.run("lansplice", "invite", "parents", check=True).stdout
    assert enabled.path("/etc/lansplice/home/state/invites/parents").exists()


def test_a_name_that_is_there_stays(router):
    router.write("/etc/config/system", "config system\n\toption hostname 'other'\n")
    router.uci("set", "lansplice.home.name=mine")
    router.uci("commit")
    router.run("sh", "/etc/uci-defaults/99_lansplice", check=True)
    assert router.uci("get", "lansplice.home.name") == "mine"
