# SPDX-License-Identifier: MIT
"""OpenWrt's package: /etc/config/lansplice becomes a configuration, or is refused.

The scripts are run by busybox ash in a folder made up as a router, see openwrt/router.py.
"""
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "openwrt"))

from router import BINARY, KEYS, PACKAGE, TOP  # noqa: E402

pytestmark = pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")

SITE = "config site 'home'\n\toption enabled '1'\n"
PEER = f"config peer 'parents'\n\toption site 'home'\n\toption public_key '{KEYS[0]}'\n"


# ---- UCI -> configuration ----

# What stands in UCI, and what the configuration then must have, in this order.
GOOD = {
    "nothing but a site": (SITE, ["[site]", "name = home", "private-key = home.key", "port = 7788",
                                  "tap = lansplice0", "control = /var/run/lansplice/home.sock"]),
    "as it is shipped": (None, ["bridge = br-lan", "port = 7788"]),
    "a name of its own": (SITE + "\toption name 'grandma'\n", ["name = grandma"]),
    "strings bare and in double quotes": (
        'config site home\n\toption port 7799 # a comment\n\toption bridge "br0"\n',
        ["port = 7799", "bridge = br0"]),
    "a section with _ for -": ("config site 'my_home'\n", ["name = my-home"]),
    "switches in UCI's words": (
        SITE + "\toption hub '1'\n\toption ra_routes 'true'\n\toption ipv6_on_link '0'\n"
        "\toption icmp_hint 'enabled'\n\toption relay_for_peers 'no'\n",
        ["hub = on", "ra-routes = on", "ipv6-on-link = off", "icmp-hint = on",
         "relay-for-peers = no"]),
    "a port the daemon chooses": (SITE + "\toption port 'auto'\n", ["port = auto"]),
    "lists and words": (
        SITE + "\tlist guard 'dhcp'\n\tlist guard 'ra'\n\toption ttl_repair 'mdns ssdp'\n"
        "\toption ciphers 'chacha20poly1305'\n",
        ["guard = dhcp ra", "ttl-repair = mdns ssdp", "ciphers = chacha20poly1305"]),
    "repeated options": (
        SITE + "\tlist stun 'stun.example.net'\n\tlist stun '[2001:db8::1]:3478'\n",
        ["stun = stun.example.net", "stun = [2001:db8::1]:3478"]),
    "a peer": (SITE + PEER + "\tlist endpoint 'a.example.net:7788'\n\tlist endpoint "
               "'[2001:db8::2]:1'\n\toption keepalive '25'\n",
               ["[peer parents]", f"public-key = {KEYS[0]}", "endpoint = a.example.net:7788",
                "endpoint = [2001:db8::2]:1", "keepalive = 25"]),
    "a peer with a name": (SITE + PEER + "\toption name 'mum-and-dad'\n", ["[peer mum-and-dad]"]),
    "a peer of the only site": (SITE + PEER.replace("\toption site 'home'\n", ""),
                                ["[peer parents]"]),
    "peers of two sites": (
        SITE + PEER + "config site 'office'\n\toption port '7799'\n\toption tap 'lansplice1'\n"
        f"config peer 'boss'\n\toption site 'office'\n\toption public_key '{KEYS[1]}'\n",
        ["[site]", "[peer parents]"]),
}

# What stands in UCI, and what the message must say.
BAD = {
    "a port that is none": (SITE + "\toption port '77x'\n", "lansplice.home.port", "1 to 65535"),
    "an option nobody knows": (SITE + "\toption prot '7788'\n", "lansplice.home.prot",
                               "private_key port"),
    "a cipher nobody knows": (SITE + "\tlist ciphers 'rot13'\n", "lansplice.home.ciphers",
                              "chacha20poly1305"),
    "a switch that is none": (SITE + "\toption hub 'maybe'\n", "lansplice.home.hub", "on or off"),
    "a key cut short": (SITE + PEER.replace("Tmo=", "Tm"), "lansplice.parents.public_key",
                        "44 characters"),
    "a peer without a key": (SITE + "config peer 'parents'\n\toption site 'home'\n",
                             "lansplice.parents", "public-key is missing"),
    "an endpoint without a port": (SITE + PEER + "\tlist endpoint 'example.net'\n",
                                   "lansplice.parents.endpoint", "HOST:PORT"),
    "a key file that is not there": (SITE + "\toption private_key '/etc/none.key'\n",
                                     "lansplice.home.private_key", "/etc/none.key"),
    "a psk file that is not there": (SITE + PEER + "\toption preshared_key 'none.psk'\n",
                                     "lansplice.parents.preshared_key", "none.psk"),
    "two peers of one key": (SITE + PEER + PEER.replace("'parents'", "'uncle'"), "lansplice.uncle",
                             "[peer parents] has this public-key"),
    "a name that is none": ("config site 'home'\n\toption name 'My Home'\n", "lansplice.home.name",
                            "a-z, 0-9"),
    "a peer's name that is none": (SITE + PEER.replace("'parents'", "'Parents'"),
                                   "lansplice.Parents", "a-z, 0-9"),
    "a peer of no site": (SITE + PEER.replace("site 'home'", "site 'hoem'"),
                          "lansplice.parents.site", "no such site: hoem: use one of home"),
    "a section of no type": (SITE + "config tunnel 'x'\n", "lansplice.x", "use site or peer"),
    "a line end": (SITE + "\toption bridge 'br-lan\n[peer evil]'\n", "lansplice.home.bridge",
                   "line end"),
    "a comment": (SITE + "\toption bridge 'br-lan # the LAN'\n", "lansplice.home.bridge",
                  "comment"),
    "a port twice": (SITE + "config site 'office'\n\toption enabled '1'\n\toption tap 'tap9'\n",
                     "lansplice.home.port", "lansplice.office"),
    "a file that is none": ("config site 'home\n", "cannot read /etc/config/lansplice"),
    "a site that is not there": ("config site 'office'\n", "no such site: home", "office"),
}


def make_files(router, text):
    if text is not None:
        router.write("/etc/config/lansplice", text)


@pytest.mark.parametrize("name", GOOD)
def test_a_good_file_is_a_good_configuration(router, name):
    text, lines = GOOD[name]
    make_files(router, text)
    site = "my_home" if "my_home" in (text or "") else "home"
    done = router.uci_config(site)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    written = router.conf(site).splitlines()
    assert [line for line in written if line in lines] == lines, written
    router.run("lansplice", "-c", f"/etc/lansplice/{site}/lansplice.conf", "check-config",
               check=True)


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_by_the_options_name(router, name):
    text, *said = BAD[name]
    make_files(router, text)
    done = router.uci_config()
    assert done.returncode == 2, done
    assert done.stderr.startswith("lansplice: ") and done.stderr.count("\n") == 1, done.stderr
    for words in said:
        assert words in done.stderr
    assert "/etc/lansplice/home/." not in done.stderr, "it names a file nobody has"
    assert not router.path("/etc/lansplice/home/lansplice.conf").exists()
    assert not [p.name for p in router.path("/etc/lansplice/home").glob(".*")]


def test_it_knows_the_programs_switches_and_lists():
    """Those of config_options.h: the one place for which uci-config has to know options."""
    known = (TOP / "daemon/config_options.h").read_text()
    script = (PACKAGE / "files/usr/lib/lansplice/uci-config").read_text()
    switches = re.findall(r'X\("([a-z0-9-]+)", \w+, false, LEGAL_SWITCH\)', known)
    lists = re.findall(r'X\("([a-z0-9-]+)", \w+, true,', known)
    assert switches and lists
    for names, marked in ((switches, r"\t(.*)\) value=\$\(switch_value"),
                          (lists, r"\t(.*)\)\n\t\tset -f")):
        assert sorted(re.search(marked, script)[1].split(" | ")) == sorted(
            name.replace("-", "_") for name in names)
