# SPDX-License-Identifier: MIT
"""OpenWrt: 'option proto lansplice' in /etc/config/network; the handler against netifd's contract.

openwrt/netifd.py is netifd here: every message is checked as netifd checks it.
"""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "openwrt"))

from netifd import IDLE, Netifd  # noqa: E402
from router import BINARY, Router  # noqa: E402

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

COMMAND = ["/usr/sbin/lansplice", "-c", "/etc/lansplice/home/lansplice.conf", "run"]
RULE = {"type": "rule", "src": "wan", "proto": "udp", "dest_port": "7788", "target": "ACCEPT"}
OPEN = ("service", "set", {"name": "lansplice-tunnel", "data": {"firewall": [RULE]}})
CLOSE = ("service", "delete", {"name": "lansplice-tunnel"})
CHANGED = ("service", "event", {"type": "config.change", "data": {"package": "firewall"}})
BAD_PEER = "config peer 'parents'\n\toption site 'home'\n\toption public_key 'short'\n"


def bridge(method, tap="lo"):
    """As gre.sh has a gretap join a bridge and leave it."""
    return "network.interface.lan", method, {"name": tap, "link-ext": False}


def write_interfaces(router, *names):
    router.write("/etc/config/network", "".join(
        f"config interface '{name}'\n\toption proto 'lansplice'\n\toption site 'home'\n"
        for name in names))


@pytest.fixture
def router(base, tmp_path):
    """Its TAP is called lo: an interface that is there, as no daemon runs to make one."""
    router = Router(base, tmp_path / "root")
    router.write("/etc/config/lansplice", "config site 'home'\n\toption tap 'lo'\n")
    return router


@pytest.fixture
def tunnel(router):
    return Netifd(router, "tunnel", site="home", network="lan")


def test_dump(tunnel):
    """What netifd asks a handler at its own start: name, flags, and options with their types."""
    handler = tunnel.handler
    assert handler.pop("config") == [["site", 3], ["network", 3], ["tunlink", 3]]
    assert handler == {"name": "lansplice", "no-device": True, "no-proto-task": False,
                       "available": True, "renew-handler": True}


def test_setup(tunnel):
    tunnel.setup()
    assert tunnel.task == COMMAND and tunnel.device == "lo" and tunnel.state == IDLE
    assert tunnel.errors == [] and tunnel.needs == []
    assert tunnel.others == [bridge("add_device"), OPEN, CHANGED]


def test_teardown(tunnel):
    tunnel.setup()
    tunnel.teardown()
    assert tunnel.signals == [15] and tunnel.errors == []
    assert tunnel.others == [bridge("remove_device"), CLOSE, CHANGED]


def test_only_while_another_interface_is_up(router):
    tunnel = Netifd(router, "tunnel", site="home", network="lan", tunlink="wan")
    tunnel.setup()
    assert tunnel.needs == [("", "wan")]


def test_without_a_bridge_and_with_two(router):
    lone = Netifd(router, "tunnel", site="home")
    lone.setup()
    assert lone.others == [OPEN, CHANGED]
    both = Netifd(router, "tunnel", site="home", network="lan guest")
    both.setup()
    assert [where for where, method, _ in both.others if method == "add_device"] == [
        "network.interface.lan", "network.interface.guest"]


def test_renew_has_the_daemon_read_again(router, tunnel):
    tunnel.setup()
    router.uci("set", "lansplice.home.guard=dhcp")
    tunnel.renew()
    assert tunnel.signals == [1] and tunnel.task == COMMAND
    assert "guard = dhcp" in router.conf()


def test_renew_begins_anew_for_what_is_fixed(router, tunnel):
    tunnel.setup()
    router.uci("set", "lansplice.home.port=7799")
    tunnel.renew()
    assert tunnel.signals == [15]
    assert tunnel.task == COMMAND and tunnel.device == "lo" and tunnel.autostart
    assert {**RULE, "dest_port": "7799"} in [
        rule for _, method, message in tunnel.others if method == "set"
        for rule in message["data"]["firewall"]]


def test_a_port_the_daemon_chooses_is_left_alone_by_the_nat(router, tunnel):
    exemption = router.path("/var/run/lansplice-notes/home.srcnat.nft")
    tunnel.setup()
    assert not exemption.exists()
    router.uci("set", "lansplice.home.port=auto")
    tunnel.renew()
    assert "udp sport 7788 accept" in exemption.read_text()
    tunnel.teardown()
    assert not exemption.exists()


def test_renew_with_a_bad_file_leaves_all_as_it_is(router, tunnel):
    tunnel.setup()
    before = router.conf()
    router.write("/etc/config/lansplice", "config site 'home'\n\toption tap 'lo'\n" + BAD_PEER)
    tunnel.renew()
    assert tunnel.signals == [] and tunnel.task == COMMAND and tunnel.autostart
    assert tunnel.errors[0][0] == "INVALID_CONFIG" and router.conf() == before
    assert "lansplice.parents.public_key" in router.log()


def test_a_bad_peer_blocks_restarts(router, tunnel):
    router.write("/etc/config/lansplice", "config site 'home'\n\toption tap 'lo'\n" + BAD_PEER)
    tunnel.setup()
    (code, text), = tunnel.errors
    assert code == "INVALID_CONFIG" and "lansplice.parents.public_key" in text
    assert f"interface tunnel: INVALID_CONFIG: {text}" in router.log()
    assert not tunnel.autostart and not tunnel.task and not tunnel.device
    assert ("service", "set") not in {call[:2] for call in tunnel.others}


def test_a_bad_peer_does_not_keep_down_what_was_good(router, tunnel):
    """At boot; netifd has the error and no mark is left, for a reload shall say 'renew'."""
    tunnel.setup()
    tunnel.teardown()
    before = router.conf()
    router.write("/etc/config/lansplice", "config site 'home'\n\toption tap 'lo'\n" + BAD_PEER)
    tunnel.errors.clear()
    tunnel.setup()
    assert [code for code, _ in tunnel.errors] == ["INVALID_CONFIG"]
    assert "lansplice.parents.public_key" in router.log()
    assert tunnel.task == COMMAND and tunnel.device == "lo" and tunnel.autostart
    assert router.conf() == before
    assert not router.path("/var/run/lansplice-notes/tunnel.refused").exists()


def test_a_site_that_is_gone_does_not_come_up(router, tunnel):
    tunnel.setup()
    tunnel.teardown()
    router.write("/etc/config/lansplice", "config site 'office'\n\toption tap 'lo'\n")
    tunnel.setup()
    assert not tunnel.task and not tunnel.autostart


@pytest.mark.parametrize("config, said", [({}, "MISSING_SITE"), ({"site": "hoem"}, "no such site"),
                                          ({"site": "home; reboot"}, "no such site")])
def test_a_bad_interface_blocks_restarts(router, config, said):
    tunnel = Netifd(router, "tunnel", network="lan", **config)
    tunnel.setup()
    assert said in " ".join(tunnel.errors[0])
    assert not tunnel.autostart and not tunnel.task


def test_a_second_interface_of_one_site_is_refused(router):
    """And leaves the first one's TAP and firewall as they are; the site is free after that one."""
    write_interfaces(router, "tunnel", "second")
    tunnel, second = (Netifd(router, name, site="home", network="lan")
                      for name in ("tunnel", "second"))
    tunnel.setup()
    second.setup()
    assert second.errors == [["SITE_TAKEN", "network.second.site: home is that of network.tunnel: "
                                            "set another"]]
    assert "home is that of network.tunnel" in router.log()
    assert not second.autostart and not second.task and second.others == []
    second.teardown()
    assert second.others == []
    tunnel.teardown()
    assert CLOSE in tunnel.others
    second.setup()
    assert second.task == COMMAND


def test_a_site_that_an_interface_had_which_is_gone_is_free(router, tunnel):
    """Its teardown never was: netifd was killed."""
    write_interfaces(router, "former")
    former = Netifd(router, "former", site="home", network="lan")
    former.setup()
    tunnel.setup()
    assert tunnel.errors[0][0] == "SITE_TAKEN"
    write_interfaces(router, "tunnel")
    tunnel.setup()
    assert tunnel.task == COMMAND


def test_a_refused_interface_is_right_after_a_reload(router, tunnel):
    """netifd would wait for an ifup. One that was taken down stays down."""
    def told():
        router.init("reload")
        return [method for where, method, _ in router.calls()
                if where == "network.interface.tunnel"]

    write_interfaces(router, "tunnel")
    good = router.path("/etc/config/lansplice").read_text()
    router.write("/etc/config/lansplice", good + BAD_PEER)
    tunnel.setup()
    assert not tunnel.autostart and told() == ["up"]
    router.write("/etc/config/lansplice", good)
    tunnel.setup()
    assert tunnel.task == COMMAND and told() == ["renew"]
    router.write("/etc/config/lansplice", good + BAD_PEER)
    tunnel.renew()
    tunnel.teardown()
    assert told() == ["renew"]


def test_a_refused_interface_touches_nothing_of_the_default_site(router, tunnel):
    """Commands without -c mean /etc/lansplice/lansplice.conf; an interface without a site means
    none."""
    router.run("sh", "/etc/uci-defaults/99_lansplice", check=True)
    tunnel.setup()
    nameless = Netifd(router, "nameless", network="lan")
    nameless.setup()
    assert nameless.errors == [["MISSING_SITE"]] and nameless.others == []


def test_a_daemon_that_ends_is_started_again(tunnel):
    tunnel.setup()
    tunnel.task_ends(1)
    assert tunnel.task == COMMAND and tunnel.device == "lo" and tunnel.errors == []


def test_a_daemon_that_refuses_its_configuration_is_not(tunnel):
    tunnel.setup()
    tunnel.task_ends(2)
    assert tunnel.errors == [["INVALID_CONFIG", "/etc/lansplice/home/lansplice.conf"]]
    assert not tunnel.autostart and not tunnel.task


def test_a_tap_that_does_not_come(router):
    """Setup fails, and netifd may try again: the module may be loaded later."""
    router.uci("set", "lansplice.home.tap=none0")
    script = router.path("/lib/netifd/proto/lansplice.sh")
    router.write("/lib/netifd/proto/lansplice.sh",
                 script.read_text().replace("TAP_SECONDS=10", "TAP_SECONDS=1"))
    script.chmod(0o755)
    tunnel = Netifd(router, "tunnel", site="home", network="lan")
    tunnel.setup()
    assert tunnel.errors == [["NO_DEVICE", "none0"]]
    assert "interface tunnel: NO_DEVICE: none0" in router.log()
    assert tunnel.autostart and not tunnel.device and not tunnel.task
    assert tunnel.others == [bridge("remove_device", "none0"), CLOSE, CHANGED]
