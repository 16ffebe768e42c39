# SPDX-License-Identifier: MIT
"""What the tests of LuCI's pages share: two homes, the package on the router of one, a browser.

The browser is on a host of the home's LAN and asks its router's web server (server.py), whose ubus
calls run the package's rpcd script by busybox ash on the router. LuCI's own runtime is not packaged
in Debian: *.js here stand for it and say what they take from which of its files. uci and jshn are
the stand-ins in ../openwrt/root.
"""
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from chromium import Chromium
from homes import Lab
from lansplice import BINARY, is_built
from machine import wait_for
from programs import advertise, lease
from server import PACKAGE, WRITER, serving

HERE = Path(__file__).resolve().parent
UCI = """
config site 'home'
	option enabled '1'
	option name 'home'
	option bridge 'br-lan'
	option port '7788'

config site 'idle'
	option enabled '0'

config peer 'parents'
	option site 'home'
	option public_key '{key}'
	list endpoint '192.0.2.34:7788'
"""

# /etc and /usr of the router, as OpenWrt has them: over the machine's own, in memory.
ROUTER = """
for folder in etc usr; do
    mkdir -p /run/openwrt/$folder /run/openwrt/$folder.work
    mount -t overlay overlay -o lowerdir=/$folder,upperdir=/run/openwrt/$folder,\
workdir=/run/openwrt/$folder.work /$folder
done
mkdir -p /usr/libexec/rpcd /usr/share/libubox /usr/lib/lansplice /etc/config /etc/lansplice
cp {package}/root/usr/libexec/rpcd/lansplice /usr/libexec/rpcd/
cp {package}/../lansplice/files/usr/lib/lansplice/functions.sh /usr/lib/lansplice/
cp {tests}/openwrt/root/lib/functions.sh /usr/lib/
cp {tests}/openwrt/root/usr/share/libubox/jshn.sh /usr/share/libubox/
cp {tests}/openwrt/root/sbin/uci {tests}/luci/jsonfilter /usr/sbin/
ln -sf {binary} {binary}-tools /usr/sbin/
ln -s {etc} /etc/lansplice/home
cat >/etc/config/lansplice
"""

# An mDNS answer (PTR _ipp._tcp.local) that a hop has taken a TTL from.
ROUTED_MDNS = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 254)
s.bind(('', 5353))
s.sendto(bytes.fromhex('000084000000000100000000' '045f697070045f746370056c6f63616c00'
                       '000c0001000000780004' '0161c00c'), ('224.0.0.251', 5353))
"""

def install(home):
    """The package on a router, and UCI's file that goes with the lab's configuration."""
    daemon = home.lansplice
    home.router.run(
        ROUTER.format(package=PACKAGE, tests=HERE.parent, binary=BINARY, etc=daemon.folder),
        input=UCI.format(key=daemon.peers["parents"]["public_key"]))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if not is_built():
        pytest.skip(f"{BINARY} is not built")
    if not shutil.which("chromium"):
        pytest.skip("chromium is not installed")
    built = Lab(tmp_path_factory.mktemp("luci"))
    yield built
    built.close()


@pytest.fixture(scope="module")
def home(lab):
    """Two homes that are up, and that have kept things to themselves."""
    home, parents = lab.home("home"), lab.home("parents")
    lab.splice(home, parents)
    lease(home.host("h1"))
    parents.host("h1").run(["/usr/bin/python3", "-c", ROUTED_MDNS])
    router_advertisements = advertise(home)
    wait_for(lambda: home.lansplice.counter("guard_dhcp"), 10, "DHCP to be kept at home")
    wait_for(lambda: home.lansplice.counter("ttl_repaired_mdns"), 10, "mDNS to be mended")
    wait_for(lambda: home.lansplice.counter("guard_ra"), 10, "an RA to be kept at home")
    router_advertisements.stop()
    assert home.host("h1").ping(parents.host("h1").ip, 3)
    install(home)
    return home


@pytest.fixture(scope="module")
def router(home):
    with serving(home.router) as router:
        yield router


@pytest.fixture(scope="module")
def chromium(lab, home, router):
    browser = Chromium(home.host("h1"), lab.folder)
    yield browser
    browser.close()


@pytest.fixture
def browser(chromium, router):
    """The test must not leave anything on the console."""
    yield chromium
    router.answers.clear()
    assert not chromium.errors


def url(home, view="status", **options):
    query = "&".join(f"{key}={value}" for key, value in options.items())
    return f"http://{home.router_ip}/view/lansplice/{view}?{query}"


def open_status(browser, home, **options):
    width = options.pop("width", 1000)
    browser.open(url(home, **options), width=width)
    browser.wait("document.querySelectorAll('[data-part=doctor] details').length == 1 &&"
                 "document.querySelectorAll('[data-site=home] dl').length > 3")


def fields(browser, selector):
    """What a card says: data-field -> text."""
    return browser.run(f"""Object.fromEntries(Array.from(document.querySelectorAll(
        '{selector} [data-field]')).map((node) => [ node.dataset.field, node.textContent ]))""")


def overflow(browser):
    """How wide the page is, and what sticks out."""
    return browser.run("""[ document.documentElement.scrollWidth, Array.from(
        document.querySelectorAll('body *')).filter((node) =>
        node.getBoundingClientRect().right > innerWidth + 0.5).map((node) => node.className ||
        node.tagName) ]""")


def rpc(router, method, **arguments):
    """The script's answer, as rpcd would pass it on."""
    status, *answer = router.call(WRITER, "lansplice", method, arguments)
    return answer[0] if status == 0 else status


def decode(svg, folder):
    """What a phone would read: the SVG's path drawn, eight pixels a module."""
    size = int(re.search(r'viewBox="0 0 (\d+)', svg)[1])
    rows = [bytearray(b"\xff" * size) for _ in range(size)]
    for x, y in re.findall(r"M(\d+),(\d+)h1v1h-1z", svg):
        rows[int(y)][int(x)] = 0
    image = folder / "qr.pgm"
    pixels = b"".join(b"".join(bytes([module]) * 8 for module in row) * 8 for row in rows)
    image.write_bytes(f"P5 {8 * size} {8 * size} 255\n".encode() + pixels)
    done = subprocess.run(["zbarimg", "--nodbus", "-q", "--raw", image], capture_output=True,
                          text=True, timeout=20)
    return done.stdout.strip()
