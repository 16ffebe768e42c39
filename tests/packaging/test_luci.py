# SPDX-License-Identifier: MIT
"""LuCI's status page in headless Chromium, with what the real daemons of two homes say, and homes
brought together by it. See luci/pages.py.

With LANSPLICE_SCREENSHOTS=1 the pictures go into packaging/openwrt/screenshots.
"""
import json
import os
import re
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTS / "lab"), str(TESTS / "packaging/luci")]

from machine import wait_for  # noqa: E402
from pages import browser, chromium, home, lab, router  # noqa: E402, F401
from pages import decode, fields, open_status, overflow, rpc, url  # noqa: E402
from server import ACL, READER  # noqa: E402

SCREENSHOTS = TESTS.parent / "packaging/openwrt/screenshots"
SCREENSHOT_BYTES = 150_000
PHONE = 360


# --- the status page ------------------------------------------------------------------------------

PATH_WORDS = {"direct4": "direct, IPv4", "direct6": "direct, IPv6"}


def in_words(status):
    """What the page is to say of the peer, and of what was counted; times and bytes left out."""
    peer = status["peers"][0]
    assert peer["state"] == "up"
    searching = " ?" if peer["path_mtu_state"] == "searching" else ""
    return {
        "state": "connected", "rtt_ms": f"{peer['rtt_ms']:.1f} ms", "endpoint": peer["endpoint"],
        "path": PATH_WORDS[peer["path"]], "path_mtu": f"{peer['path_mtu']} bytes{searching}",
        "cipher": peer["cipher"], "lost": str(peer["lost"]), "macs": str(peer["macs"]),
        "tx": str(peer["tx_frames"]), "rx": str(peer["rx_frames"]),
        **{name: str(status["counters"][name]) for name in (
            "ttl_repaired_mdns", "ttl_repaired_ssdp", "guard_dhcp", "guard_ra", "guard_gateway",
            "loop_stopped")}
    }


def on_page(browser):
    shown = fields(browser, "[data-site=home]")
    shown["cipher"] = shown["cipher"].replace("-", "").lower()
    shown["lost"] = shown["lost"].split()[0]
    shown["tx"], shown["rx"] = shown["tx"].split()[3], shown["rx"].split()[3]
    return shown


def test_the_page_says_what_the_daemon_says(browser, home, router):
    """What the daemon has said last, while it goes on; and it is this daemon that has said it."""
    open_status(browser, home)

    def agree():
        said = router.said["status", "home"]
        return said if in_words(said).items() <= on_page(browser).items() else None
    said = wait_for(agree, 20, "the page to say what the daemon has said")
    now = home.lansplice.status()
    for name in "name", "public_key", "version", "tap", "bridge", "lan_mtu":
        assert said[name] == now[name]
    for name in "guard_dhcp", "guard_ra", "ttl_repaired_mdns":
        assert 0 < said["counters"][name] <= now["counters"][name]
    shown = browser.text(".lansplice-site-facts")
    assert f"lansplice {now['version']}" in shown and "lansplice0 in bridge br-lan" in shown


def test_doctor_finds_what_it_finds(browser, home):
    open_status(browser, home)
    browser.run("document.querySelector('[data-part=doctor] details').open = true")
    report = json.loads(home.lansplice.command("doctor", "--json").stdout)
    shown = browser.text("[data-part=doctor]")
    for finding in report["findings"]:
        if finding["check"] not in ("rtt", "path-mtu"):  # these have figures that change
            assert finding["text"] in shown
            assert (finding["advice"] or "") in shown


@pytest.mark.parametrize("language", ["en", "ja"])
@pytest.mark.parametrize("view", ["status", "settings"])
def test_it_fits_a_phone(browser, home, view, language):
    if view == "status":
        open_status(browser, home, width=PHONE, lang=language)
        browser.run("document.querySelector('[data-part=doctor] details').open = true")
    else:
        browser.open(url(home, view, lang=language), width=PHONE)
        browser.wait("document.querySelector('[data-section=parents]')")
    assert overflow(browser) == [PHONE, []]


def test_screenshots(browser, home, tmp_path):
    folder = SCREENSHOTS if os.environ.get("LANSPLICE_SCREENSHOTS") else tmp_path
    for name, options in (("status", {}), ("status-360", {"width": PHONE}),
                          ("status-ja", {"lang": "ja"})):
        open_status(browser, home, **options)
        browser.run("document.querySelector('[data-site=idle]').remove()")
        shot = browser.screenshot(folder / f"{name}.png")
        assert 5000 < shot.stat().st_size < SCREENSHOT_BYTES


def test_in_japanese(browser, home):
    open_status(browser, home, lang="ja")
    browser.run("document.querySelector('[data-part=doctor]').replaceChildren()")
    browser.run("document.querySelector('[data-site=idle]').remove()")
    shown = browser.text()
    assert fields(browser, '[data-peer="parents"]')["state"] == "接続済み" and "診断" in shown
    assert re.findall(r"[A-Za-z]+(?: [a-z]+){2,}", shown) == []  # but what the programs say


def test_polling_brings_what_is_new(browser, home, router):
    open_status(browser, home)
    router.answers["status"] = {**home.lansplice.status(), "peers": []}
    browser.wait("document.querySelector('[data-site=home]').innerText.includes('No other home')")


# --- when something is wrong ----------------------------------------------------------------------

def test_a_site_is_enabled_when_something_starts_it(home, router):
    """The init script, or netifd by an interface of its own."""
    def idle(network, enabled="0"):
        home.router.run("cat >/etc/config/network", input=network)
        home.router.run(f"cp /etc/config/lansplice /run/before; sed -i s/\\'0\\'/\\'{enabled}\\'/ "
                        "/etc/config/lansplice")
        try:
            return {site["name"]: site["enabled"] for site in rpc(router, "sites")["sites"]}["idle"]
        finally:
            home.router.run("rm /etc/config/network; mv /run/before /etc/config/lansplice")

    interface = "config interface 'x'\n\toption proto 'lansplice'\n\toption site 'idle'\n"
    assert not idle("")
    assert idle("", "on")
    assert idle(interface) and not idle(interface + "\toption disabled '1'\n")


def test_a_daemon_that_is_not_running(browser, home):
    home.lansplice.stop()
    try:
        browser.open(url(home))
        browser.wait("document.querySelector('[data-site=home] [data-part=status] .alert-message')")
        shown = browser.text("[data-site=home] [data-part=status]")
        assert "home is not known: its daemon does not answer" in shown
        assert "lansplice: " in shown and "/run/lansplice.sock" in shown
        assert browser.run("document.querySelector('[data-site=idle] .alert-message').innerText")
        assert "idle is not enabled" in browser.text("[data-site=idle]")
        browser.wait("document.querySelector('[data-site=home] [data-level=warn]')")
    finally:
        home.lansplice.restart()
        home.lansplice.wait_up()
    browser.click("[data-site=home] [data-action=doctor]")
    browser.wait("!document.querySelector('[data-site=home] [data-level=warn]')")
    browser.wait("document.querySelector('[data-peer=\"parents\"]')")


def test_a_reader_sees_and_cannot_change(browser, home, router):
    open_status(browser, home, session=READER)
    assert browser.run("Array.from(document.querySelectorAll('[data-action=invite], "
                       "[data-action=join], [data-action=accept]')).every((b) => b.disabled)")
    for method in "invite", "join", "accept":
        with pytest.raises(PermissionError):
            router.call(READER, "lansplice", method, {"site": "home"})
    for session, name, method in ((READER, "uci", "set"), ("f" * 32, "lansplice", "status"),
                                  ("f" * 32, "uci", "get")):
        with pytest.raises(PermissionError):
            router.call(session, name, method, {"config": "lansplice", "site": "home"})


def test_no_access(browser, home, router):
    """LuCI says so, and the page nothing else."""
    router.granted[READER] = []
    try:
        browser.open(url(home, session=READER))
        browser.wait("L.problems.length")
        assert "Access denied" in browser.run("L.problems[0].message")
        assert len(browser.errors) == 1  # LuCI's own notice of it
        browser.errors = []
    finally:
        router.granted[READER] = [json.loads(ACL.read_text())["luci-proto-lansplice"]["read"]]


CLASHES = [
    ({"kind": "gateway", "peer": "parents", "address": "192.168.1.1"}, "Both routers have"),
    ({"kind": "host", "peer": "parents", "address": "192.168.1.5", "local_mac": "02:00:00:00:00:01",
      "remote_mac": "02:00:00:00:00:02"}, "192.168.1.5 is used in both homes, by 02:00"),
    ({"kind": "subnet", "peer": "parents", "address": None}, "no IPv4 subnet in common"),
]
STATES = [
    ({"state": "up"}, "connected"), ({"state": "up", "shut": True}, "shut because of a loop"),
    ({"state": "connecting"}, "connecting"), ({"state": "down"}, "not connected"),
    ({"state": "down", "invited": True}, "invited"),
    ({"state": "connecting", "joining": True}, "joining"),
]
PATHS = [({"path": "direct4"}, "direct, IPv4"), ({"path": "direct6"}, "direct, IPv6"),
         ({"path": "relay"}, "through a relay"), ({"path": None}, "-")]
NUMBERS = [
    ({"rtt_ms": None}, "rtt_ms", "-"), ({"rtt_ms": 7.04}, "rtt_ms", "7.0 ms"),
    ({"path_mtu": None}, "path_mtu", "-"), ({"path_mtu": 1454}, "path_mtu", "1454 bytes"),
    ({"path_mtu": 1280, "path_mtu_state": "searching"}, "path_mtu", "1280 bytes ?"),
    ({"cipher": None}, "cipher", "-"), ({"cipher": "aegis128l"}, "cipher", "AEGIS-128L"),
    ({"state": "connecting", "endpoint": None, "called_at": "a.example:7788"}, "endpoint",
     "a.example:7788 ?"),
    ({"tx_bytes": 1536, "tx_frames": 2}, "tx", "1.5 KiB in 2 frames"),
    ({"last_handshake_s": None}, "last_handshake_s", "-"),
]


def test_every_state_has_its_words(browser, home, router):
    """Rare states, by answers of our own; a name that is HTML stays text."""
    status = home.lansplice.status()
    rows = STATES + PATHS + [(change, text) for change, _, text in NUMBERS]
    names = [f"<b>{i}</b>" for i in range(len(rows))]
    router.answers["status"] = {
        **status, "port_shut": True, "tap_up": False, "bridge_up": False,
        "clashes": [clash for clash, _ in CLASHES],
        "peers": [{**status["peers"][0], "shut": False, "invited": False, "joining": False,
                   "path_mtu_state": "found", **change, "name": name}
                  for name, (change, _) in zip(names, rows)],
    }
    router.answers["doctor"] = {"name": "home", "paths": [], "findings": [
        {"level": level, "text": f"<b>{level} 1</b>", "meaning": meaning, "advice": advice}
        for level, meaning, advice in (("ok", None, None), ("note", "It <b>means</b>.", None),
                                       ("warn", None, "do <b>this</b>"))]}
    browser.open(url(home))
    browser.wait("document.querySelectorAll('[data-site=home] [data-peer]').length > 1")
    assert browser.run("document.querySelectorAll('[data-site] b').length") == 0
    assert browser.text("[data-site=home] [data-part=doctor]").split() == (
        "problem <b>warn 1</b> → do <b>this</b> note <b>note 1</b> It <b>means</b>. "
        "As it should be: 1").split()
    wanted = ["state"] * len(STATES) + ["path"] * len(PATHS) + [name for _, name, _ in NUMBERS]
    for name, field, (_, text) in zip(names, wanted, rows):
        assert fields(browser, f'[data-site=home] [data-peer="{name}"]')[field] == text
    shown = browser.text("[data-site=home] [data-part=status]")
    for words in ["A loop was found", "lansplice0 is down", "br-lan is down",
                  *(words for _, words in CLASHES)]:
        assert words in shown


# --- bringing homes together ----------------------------------------------------------------------

def invite(browser, home, name, endpoint=""):
    open_status(browser, home)
    browser.click("[data-site=home] [data-action=invite]")
    browser.type(".modal [name=name]", name)
    browser.type(".modal [name=endpoint]", endpoint)
    browser.click(".modal .important")


def test_invite_and_a_home_joins(browser, home, lab, tmp_path):
    invite(browser, home, "cousins", home.endpoint())
    browser.wait("document.querySelector('.modal [data-field=token]')")
    token = browser.run("document.querySelector('.modal [data-field=token]').value")
    assert token.startswith("lansplice1:")
    shown = browser.text(".modal [data-field=fingerprint]")
    svg = browser.run("document.querySelector('.modal svg').outerHTML")
    assert decode(svg, tmp_path) == token
    cousins = lab.daemon(lab.home("cousins")).start()
    joined = cousins.command("join", input=token).stdout
    assert f"fingerprint: {shown}\n" in joined
    home.lansplice.wait_up("cousins", seconds=20)
    browser.wait("document.querySelector('[data-peer=\"cousins\"]')")
    browser.click(".modal .btn:not(.important):last-of-type")
    browser.run("document.querySelector('.modal .lansplice-buttons .btn').click()")
    assert token not in browser.run("document.documentElement.outerHTML")
    assert not browser.run("document.body.classList.contains('modal-overlay-active')")


def test_the_invitation_fits_a_phone(browser, home):
    browser.ask("Emulation.setDeviceMetricsOverride", width=PHONE, height=700, deviceScaleFactor=1,
                mobile=True)
    open_status(browser, home, width=PHONE)
    browser.click("[data-site=home] [data-action=invite]")
    browser.type(".modal [name=name]", "uncle")
    browser.click(".modal .important")
    browser.wait("document.querySelector('.modal svg')")
    assert overflow(browser) == [PHONE, []]


@pytest.mark.parametrize("name, endpoint, words", [
    ("", "", "bad name"), ("No Spaces", "", "bad name"), ("-x", "", "bad name"),
    ("a;reboot", "", "bad name"), ("uncle", "--help", "bad endpoint"),
    ("uncle", "a b", "bad endpoint"), ("uncle", "nonsense", "endpoint"),
    ("parents", "", "parents"),
])
def test_an_invitation_that_is_refused(browser, home, name, endpoint, words):
    """What was typed stays, and what is wrong is said."""
    invite(browser, home, name, endpoint)
    browser.wait("document.querySelector('.modal .alert-message')")
    assert words in browser.text(".modal .alert-message")
    assert browser.run("document.querySelector('.modal [name=endpoint]').value") == endpoint


def test_join_and_accept(browser, home, lab):
    """The other way round: another home invites, this one joins, and takes a reply."""
    friends = lab.daemon(lab.home("friends")).start()
    lab.home("friends").rule("drop")
    token = friends.command("invite", "home").stdout
    open_status(browser, home)
    browser.click("[data-site=home] [data-action=join]")
    browser.type(".modal [name=token]", "nonsense")
    browser.click(".modal .important")
    browser.wait("document.querySelector('.modal .alert-message')")
    browser.type(".modal [name=token]", token)
    browser.click(".modal .important")
    browser.wait("document.querySelector('.modal [data-field=reply]')")
    reply = browser.run("document.querySelector('.modal [data-field=reply]').value")
    assert reply.startswith("lansplice-reply1:")
    shown = browser.run("Array.from(document.querySelectorAll('.modal [data-field=fingerprint]'))"
                        ".map((node) => node.textContent)")
    accepted = friends.command("accept", input=reply).stdout
    assert len(shown) == 2 and f"fingerprint: {shown[1]}\n" in accepted
    lab.home("friends").clear_rules()
    home.lansplice.wait_up("friends", seconds=20)


def test_accept_a_reply(browser, home, lab, router):
    late = lab.daemon(lab.home("late")).start()
    lab.home("late").rule("drop")
    token = home.lansplice.command("invite", "late").stdout
    joined = late.command("join", input=token).stdout
    reply = re.search(r"^lansplice-reply1:\S+$", joined, re.M)[0]
    open_status(browser, home)
    browser.click("[data-site=home] [data-action=accept]")
    browser.type(".modal [name=reply]", reply)
    browser.click(".modal .important")
    browser.wait("document.querySelector('.modal [data-field=fingerprint]')")
    shown = browser.text(".modal [data-field=fingerprint]")
    assert f"must be\n{shown}):" in joined
    lab.home("late").clear_rules()
    home.lansplice.wait_up("late", seconds=20)
    assert "error" in rpc(router, "accept", site="home", reply=reply)  # it is used


def test_long_tokens_decode(browser, home, tmp_path):
    """Every version of the code up to the longest that a token can be, and over."""
    open_status(browser, home)
    for length in 1, 17, 18, 107, 154, 230, 271, 321, 586, 900, 1700:
        text = ("lansplice1:AQCO_dOJMWH4Gauci1GYRyYDOlGF3" * 50)[:length]
        svg = browser.run(f"L.require('lansplice.qr').then((qr) => qr.svg({text!r}).outerHTML)")
        assert decode(svg, tmp_path) == text, length
    assert browser.run("L.require('lansplice.qr').then((qr) => { try { qr.encode('x'.repeat(2954));"
                       " } catch (e) { return e.name; } })") == "RangeError"
