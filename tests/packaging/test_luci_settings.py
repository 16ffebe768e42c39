# SPDX-License-Identifier: MIT
"""LuCI's settings in headless Chromium, the form of an interface, the rpcd script by itself, and
the translations. See luci/pages.py.
"""
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lab"), str(TESTS / "packaging/luci"),
                str(TESTS / "packaging/openwrt")]

import po_file  # noqa: E402
import router as openwrt  # noqa: E402
import uci_file  # noqa: E402
from lansplice import BINARY, tool  # noqa: E402
from pages import browser, chromium, home, lab, router  # noqa: E402, F401
from pages import open_status, rpc, url  # noqa: E402
from server import ACL, PACKAGE, SCRIPT  # noqa: E402


# --- the rpcd script ------------------------------------------------------------------------------

def test_the_script_lists_what_the_acl_grants(home):
    listed = json.loads(home.router.output(["busybox", "ash", SCRIPT, "list"]))
    granted = json.loads(ACL.read_text())["luci-proto-lansplice"]
    assert sorted(listed) == sorted(granted["read"]["ubus"]["lansplice"]
                                    + granted["write"]["ubus"]["lansplice"])
    assert os.stat(PACKAGE / f"root{SCRIPT}").st_mode & stat.S_IXUSR


def test_the_script_answers_as_the_program(home, router):
    assert rpc(router, "sites") == {"sites": [{"name": "home", "enabled": True},
                                              {"name": "idle", "enabled": False}]}
    assert rpc(router, "status", site="home").keys() == home.lansplice.status().keys()
    assert rpc(router, "doctor", site="home").keys() == {"name", "findings", "paths"}


@pytest.mark.parametrize("site", ["", "nowhere", "../home", "home.name", "hom.", "home\nidle",
                                  None])
def test_a_site_that_is_none(router, site):
    for method in "status", "doctor", "invite", "join", "accept":
        answer = rpc(router, method, site=site)
        assert "there is no site" in answer["error"], method


def test_a_site_that_never_started(router):
    assert "has not been started" in rpc(router, "status", site="idle")["error"]


def test_nothing_secret_is_an_argument(home, router):
    """What programs the script starts are given: seen by one that stands before the real one."""
    seen = "/run/arguments"
    home.router.run(f"""rm /usr/sbin/lansplice
        cat >/usr/sbin/lansplice""", input=f"""#!/bin/sh
printf '%s\\n' "$@" >>{seen}
tr '\\0' ' ' </proc/$PPID/cmdline >>{seen}
exec {BINARY} "$@"
""")
    home.router.run("chmod +x /usr/sbin/lansplice")
    secret = "lansplice1:" + "S" * 150
    try:
        assert "error" in rpc(router, "join", site="home", token=secret)
        assert "error" in rpc(router, "accept", site="home", reply="lansplice-reply1:SSS")
    finally:
        home.router.run(f"ln -sf {BINARY} /usr/sbin/lansplice")
    noted = home.router.output(f"cat {seen}")
    assert "join" in noted and "accept" in noted and "SSS" not in noted
    assert not home.router.output("ls /tmp | grep '^tmp\\.' || :").count("SSS")


# --- settings, and the form of an interface -------------------------------------------------------

def settings(browser, home):
    browser.open(url(home, "settings"))
    browser.wait("document.querySelector('[data-section=parents] [data-option=public_key]')")


def save(browser):
    browser.run("L.saved = false, L.problems.length = 0")
    browser.click(".cbi-button-apply")
    browser.wait("L.saved || L.problems.length")
    return browser.run("L.problems.map((one) => one.message)")


def written(home):
    return uci_file.parse(home.router.output("cat /etc/config/lansplice"))


def test_saving_without_a_change_changes_nothing(browser, home):
    before = written(home)
    settings(browser, home)
    assert save(browser) == []
    assert written(home) == before


SITE = {
    "enabled": True, "name": "grandma", "bridge": "br0", "port": "40000", "multicast": "all",
    "stun": ["stun.example.net", "[2001:db8::1]:3478"], "hub": True, "relay_for_peers": True,
    "ra_routes": True, "ipv6_on_link": False, "icmp_hint": True, "ttl_repair": "mdns",
    "guard": "dhcp ra", "max_datagram": "1400", "ciphers": "chacha20poly1305", "tap": "splice7",
    "firewall_zone": "wan", "turn": ["turn:user@turn.example.net"],
    "turn_secret": "/etc/lansplice/home/secret", "rendezvous_command": "/usr/lib/lansplice/event",
}
PEER = {
    "site": "home", "name": "grandpa", "public_key": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
    "endpoint": ["a.example.net:7788", "_lansplice._udp.example.net"], "keepalive": "25",
    "preshared_key": "/etc/lansplice/home/psk",
}
NOT_IN_THE_FORM = {"private_key", "control", "event_command"}
NOT_THE_DAEMONS = {"enabled", "firewall_zone", "site"}


def fill(browser, section, values):
    for option, value in values.items():
        place = f"[data-section={section}] [data-option={option}]"
        if isinstance(value, bool):
            browser.run(f"document.querySelector('{place}').checked = {json.dumps(value)}")
        else:
            browser.type(place, value if isinstance(value, str) else "\n".join(value))


def test_the_form_has_the_daemons_options(browser, home):
    """No more, no fewer, and lists where they may be repeated."""
    settings(browser, home)
    header = (TESTS.parent / "daemon/config_options.h").read_text()
    for section, values, macro in ("home", SITE, "SITE"), ("parents", PEER, "PEER"):
        listed = header.split(f"define {macro}_OPTIONS(X)")[1].split("#define")[0]
        known = {name.replace("-", "_"): repeated == "true" for name, repeated
                 in re.findall(r'X\("([a-z0-9-]+)", \w+, (true|false)', listed)}
        shown = browser.run(f"""Object.fromEntries(Array.from(document.querySelectorAll(
            '[data-section={section}] [data-option]')).map((n) => [ n.dataset.option, n.tagName ]))
            """)
        assert shown.keys() == values.keys()
        assert (shown.keys() | {"name"}) - NOT_THE_DAEMONS == (
            known.keys() | {"name"}) - NOT_IN_THE_FORM
        assert {name for name, tag in shown.items() if tag == "TEXTAREA"} == {
            name for name, repeated in known.items() if repeated}


def test_settings_become_a_configuration(browser, home, tmp_path):
    """Each option is written, and the package's own uci-config makes of all what the program
    takes."""
    before = home.router.output("cat /etc/config/lansplice")
    settings(browser, home)
    fill(browser, "home", SITE)
    fill(browser, "parents", PEER)
    assert save(browser) == []
    text = home.router.output("cat /etc/config/lansplice")
    home.router.run("cat >/etc/config/lansplice", input=before)
    router = openwrt.Router(openwrt.build_root(tmp_path / "base"), tmp_path / "root")
    router.write("/etc/config/lansplice", text)
    for name in "secret", "psk":
        router.write(f"/etc/lansplice/home/{name}", tool("genkey") + "\n")
        router.path(f"/etc/lansplice/home/{name}").chmod(0o600)
    done = router.uci_config()
    assert done.returncode == 0, done.stderr
    lines = router.conf().splitlines()
    assert "[peer grandpa]" in lines
    for option, value in {**PEER, **SITE}.items():
        if option in NOT_THE_DAEMONS:
            continue
        for one in value if isinstance(value, list) else [value]:
            words = {True: "on", False: "off"}.get(one, one)
            assert f"{option.replace('_', '-')} = {words}" in lines


def test_what_is_emptied_is_removed(browser, home):
    before = home.router.output("cat /etc/config/lansplice")
    settings(browser, home)
    fill(browser, "home", {"bridge": "", "port": "auto"})
    fill(browser, "idle", {"enabled": True})
    fill(browser, "parents", {"endpoint": ""})
    assert save(browser) == []
    after = written(home)
    home.router.run("cat >/etc/config/lansplice", input=before)
    assert "bridge" not in after["home"] and "endpoint" not in after["parents"]
    assert after["home"]["port"] == "auto" and after["idle"]["enabled"] == "1"


@pytest.mark.parametrize("section, option, value", [
    ("home", "port", "70000"), ("home", "guard", "dhcp nonsense"), ("home", "guard", "off dhcp"),
    ("home", "ciphers", "rot13"), ("home", "max_datagram", "100"), ("home", "name", "My Home"),
    ("parents", "public_key", "short"), ("parents", "endpoint", "no port"),
    ("parents", "endpoint", "a.example:0"), ("parents", "keepalive", "often"),
    ("home", "turn_secret", "relative"),
])
def test_settings_that_are_wrong_are_not_written(browser, home, section, option, value):
    before = written(home)
    settings(browser, home)
    browser.type(f"[data-section={section}] [data-option={option}]", value)
    problems = save(browser)
    assert len(problems) == 1 and problems[0].startswith(f"{section}.{option}: ")
    assert written(home) == before
    browser.errors = []  # LuCI's notice of it


def test_words_of_the_manual_are_understood(browser, home):
    """A flag may stand as on, yes, off or no in the file, as lansplice.conf(5) has it."""
    before = home.router.output("cat /etc/config/lansplice")
    home.router.run("cat >>/etc/config/lansplice",
                    input="config site 'words'\n\toption hub 'yes'\n\toption ipv6_on_link 'off'\n"
                          "\toption icmp_hint 'on'\n\toption ra_routes 'no'\n")
    settings(browser, home)
    checked = {name: browser.run(f"document.querySelector('[data-section=words] "
                                 f"[data-option={name}]').checked")
               for name in ("hub", "ipv6_on_link", "icmp_hint", "ra_routes")}
    home.router.run("cat >/etc/config/lansplice", input=before)
    assert checked == {"hub": True, "ipv6_on_link": False, "icmp_hint": True, "ra_routes": False}


def test_the_form_of_an_interface(browser, home):
    open_status(browser, home)
    done = browser.run("""(async () => {
        await L.require('protocol.lansplice');
        const network = await L.require('network'), form = await L.require('form');
        const uci = await L.require('uci'), made = network.protocols.lansplice;
        await uci.load('lansplice');
        uci.values.network = { lan: { '.type': 'interface', '.name': 'lan', site: 'home' },
                               other: { '.type': 'interface', '.name': 'other', site: 'idle' } };
        uci.values.lansplice.idle.tap = 'splice1';
        const section = new form.TypedSection(new form.Map('network'), 'interface');
        section.section = 'other';
        const lan = new made('lan');
        lan.renderFormOptions(section);
        const choice = await section.options[0].draw('lan');
        const networks = await section.options[1].draw('lan');
        const values = (node) => Array.from(node.querySelectorAll('option')).map((o) => o.value);
        return { choices: values(choice), networks: values(networks),
                 options: section.options.map((one) => one.option),
                 chosen: choice.querySelector('select').value,
                 names: [ lan.getIfname(), new made('other').getIfname(),
                          new made('lan', { l3_device: 'up0' }).getIfname() ],
                 contains: [ lan.containsDevice('lansplice0'), lan.containsDevice('eth0') ],
                 plain: [ lan.getProtocol(), lan.getPackageName(), lan.isFloating(),
                          lan.isVirtual(), lan.getDevices() ],
                 words: lan.getI18n(), errors: Object.keys(network.errors) }; })()""")
    assert done["choices"][-2:] == ["home", "idle"] and done["chosen"] == "home"
    assert done["networks"] == ["", "lan"]
    handler = (PACKAGE.parent / "lansplice/files/lib/netifd/proto/lansplice.sh").read_text()
    assert done["options"] == re.findall(r"proto_config_add_string (\w+)", handler)
    own = set(re.findall(r"(?:refuse|notify_error) \S+ ([A-Z]+_[A-Z_]+)", handler)) - {"NO_DEVICE"}
    assert set(done["errors"]) == own  # the other one is LuCI's
    assert done["names"] == ["lansplice0", "splice1", "up0"]
    assert done["contains"] == [True, False]
    assert done["plain"] == ["lansplice", "lansplice", True, True, None]
    assert done["words"].startswith("lansplice")


# --- translations ---------------------------------------------------------------------------------

def test_translations_are_complete(tmp_path):
    """Every string of the sources is in the template, and in Japanese; nothing else is."""
    strings = po_file.strings(PACKAGE)
    assert set(po_file.entries(PACKAGE / "po/templates/lansplice.pot")) == strings
    for path in PACKAGE.glob("po/*/lansplice.po"):
        translated = po_file.entries(path)
        assert set(translated) == strings
        for source, text in translated.items():
            assert text and re.findall("%[^ %]*?[dfsmt]", source) == \
                re.findall("%[^ %]*?[dfsmt]", text), source
        subprocess.run(["msgfmt", "--check-format", "-o", tmp_path / "mo", path], check=True)


def test_the_acl_says_that_settings_run_programs():
    """Who may write may set these by ubus' uci, whatever the form has."""
    known = (PACKAGE.parents[2] / "daemon/config_options.h").read_text()
    programs = re.findall(r'X\("([a-z-]+)", \w+, false, "the path of a program', known)
    acl, = json.loads((PACKAGE / "root/usr/share/rpcd/acl.d/luci-proto-lansplice.json")
                      .read_text()).values()
    assert "lansplice" in acl["write"]["uci"] and len(programs) == 2
    for name in programs:
        assert name.replace("-", "_") in acl["description"]


def test_the_menu_and_the_acl_belong_together():
    menu = json.loads((PACKAGE / "root/usr/share/luci/menu.d/luci-proto-lansplice.json")
                      .read_text())
    for entry in menu.values():
        assert (PACKAGE / "htdocs/luci-static/resources/view"
                / f"{entry['action']['path']}.js").exists()
        assert entry["depends"]["acl"] == ["luci-proto-lansplice"]
