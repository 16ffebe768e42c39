# SPDX-License-Identifier: MIT
"""OpenWrt: two homes set up as their owners would, the daemons started by what the init script
tells procd; then a sysupgrade that keeps what keep.d and the conffiles name, and nothing else.

The homes are the lab's (tests/lab/homes.py); each router's files are a folder, openwrt/router.py.
"""
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "openwrt"))

from netifd import Netifd  # noqa: E402
from router import BINARY, PACKAGE, Router, lab_modules  # noqa: E402

lab_modules()

from homes import Lab  # noqa: E402
from machine import wait_for  # noqa: E402

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not BINARY.exists(), reason=f"{BINARY} is not built")]

CONF = "/etc/lansplice/home/lansplice.conf"


class OpenWrtHome:
    """A home of the lab whose router has the package, and procd of which only this is left: it
    runs an instance's command."""

    def __init__(self, lab, base, name):
        self.base, self.name = base, name
        self.home = lab.home(name)
        self.process = None
        self.router = Router(base, lab.folder / f"{name}-root", self.home.router)

    def set_up(self):
        """What an owner types."""
        for option, value in {"name": self.name, "bridge": "br-lan", "enabled": "1"}.items():
            self.router.uci("set", f"lansplice.home.{option}={value}")
        self.router.uci("commit", "lansplice")
        return self

    def instance(self):
        """What the init script tells procd."""
        self.router.calls()
        self.router.init("start")
        return next(message["instances"]["home"] for where, method, message in self.router.calls()
                    if (where, method) == ("service", "set"))

    def start(self):
        return self.run(self.router.enter(*self.instance()["command"]))

    def run(self, words):
        self.process = self.home.router.start(words, name="lansplice")
        wait_for(lambda: self.lansplice("status", check=False).returncode == 0, 10,
                 f"{self.name}'s daemon to answer: {self.process.log()}")
        return self

    def lansplice(self, *arguments, input=None, check=True):
        return self.router.run("lansplice", "-c", CONF, *arguments, input=input, check=check)

    def knows(self, other):
        return self.router.uci("get", f"lansplice.{other.name}.public_key", check=False)

    def sysupgrade(self):
        """A new root of which only the kept files are the old one's (sbin/sysupgrade: files below
        what keep.d lists, and changed conffiles)."""
        assert self.process.stop() == 0, self.process.log()
        kept = self.router.path("/lib/upgrade/keep.d/lansplice").read_text().split()
        makefile = (PACKAGE / "Makefile").read_text()
        kept += re.search(r"/conffiles\n(.*?)endef", makefile, re.S)[1].split()
        old = self.router
        self.router = Router(self.base, old.root.with_name(f"{self.name}-upgraded"), old.machine)
        for name in kept:
            source, target = old.path(name), self.router.path(name)
            if source.is_dir():
                shutil.copytree(source, target, symlinks=True)
            else:
                shutil.copy2(source, target)
        shutil.rmtree(old.root)
        self.router.run("sh", "/etc/uci-defaults/99_lansplice", check=True)
        return self


@pytest.fixture
def lab(tmp_path):
    built = Lab(tmp_path)
    yield built
    built.close()


def report(*homes):
    return "\n".join(f"{home.name}: {home.process.log()}{home.router.log()}" for home in homes)


def test_two_homes_and_a_sysupgrade(lab, base):
    a, b = (OpenWrtHome(lab, base, name).set_up().start() for name in "ab")
    near, far = a.home.host("h1"), b.home.host("h1")
    token = a.lansplice("invite", "b", "--endpoint", a.home.endpoint()).stdout
    b.lansplice("join", input=token)
    wait_for(lambda: near.ping(far.ip), 15, f"a ping between the homes: {report(a, b)}")
    # The daemons' own events have moved both peers to UCI.
    wait_for(lambda: a.knows(b) and b.knows(a), 10, f"the peers in UCI: {report(a, b)}")
    wait_for(lambda: not list(b.router.path("/etc/lansplice/home/peers.d").glob("*.conf*")), 5,
             "peers.d to be empty but for keys")
    wait_for(lambda: "a is there (direct" in b.router.log(), 5, f"peer-up: {report(a, b)}")
    keys = a.knows(b), b.knows(a)

    b.sysupgrade().start()
    assert (a.knows(b), b.knows(a)) == keys
    wait_for(lambda: near.ping(far.ip), 15, f"a ping after b's sysupgrade: {report(a, b)}")
    a.sysupgrade().start()
    wait_for(lambda: near.ping(far.ip), 15, f"a ping after a's sysupgrade: {report(a, b)}")
    assert b.lansplice("status").stdout.count("up") >= 1


# ---- as a netifd interface ----

class LabNetifd(Netifd):
    """netifd that runs the daemon, and puts the TAP where the handler says."""

    def __init__(self, openwrt, **config):
        super().__init__(openwrt.router, "tunnel", site="home", **config)
        self.machine, self.process = openwrt.home.router, None

    def on_run(self, command):
        self.process = self.machine.start(self.router.enter(*command), name="lansplice")

    def on_signal(self, signal):
        self.process.kill(signal) if signal == 15 else self.process.signal(signal)

    def on_other(self, where, method, message):
        if method == "add_device":
            self.machine.run(f"ip link set {message['name']} master br-{where.split('.')[-1]}")


def test_an_interface_of_netifds(lab, base):
    a = OpenWrtHome(lab, base, "a").set_up().start()
    b = OpenWrtHome(lab, base, "b").set_up()
    b.router.uci("delete", "lansplice.home.bridge")
    tunnel = LabNetifd(b, network="lan")
    tunnel.setup()
    near, far = a.home.host("h1"), b.home.host("h1")
    token = a.lansplice("invite", "b", "--endpoint", a.home.endpoint()).stdout
    b.lansplice("join", input=token)
    wait_for(lambda: near.ping(far.ip), 15, f"a ping: {a.process.log()}{tunnel.process.log()}")
    b.router.uci("set", "lansplice.home.guard=dhcp")
    first = tunnel.process
    tunnel.renew()
    wait_for(lambda: near.ping(far.ip), 5, "a ping after a renew")
    assert tunnel.process is first and first.running
    b.router.uci("set", "lansplice.home.port=7799")
    tunnel.renew()
    assert tunnel.process is not first and not first.running
    wait_for(lambda: near.ping(far.ip), 15, "a ping from the new port")
    tunnel.teardown()
    assert not tunnel.process.running
    assert not near.ping(far.ip)
    assert b.home.router.run("ip link show lansplice0", check=False).returncode != 0


# ---- in a jail ----

# ujail: an empty root, in it what the jail's mounts name, the program, and the libraries of both.
JAIL = """
jail=$0 root=$1; shift
mount -t tmpfs tmpfs "$jail"
for how in ro rw; do
    while [ "$1" != -- ]; do
        case $1 in
        /dev/*) from=$1 ;;
        *) from=$root$1 ;;
        esac
        mkdir -p "$jail${1%/*}"
        if [ -d "$from" ]; then mkdir -p "$jail$1"; elif [ ! -e "$jail$1" ]; then : >"$jail$1"; fi
        mount --bind "$from" "$jail$1" && mount -o "remount,bind,$how" "$jail$1" || exit
        shift
    done
    shift
done
mkdir -p "$jail/sys" "$jail/proc"
mount --rbind /sys "$jail/sys" && mount --rbind /proc "$jail/proc" || exit
exec chroot "$jail" "$@"
"""


def jail(openwrt, folder):
    """What runs the instance in its jail."""
    openwrt.router.write("/sbin/ujail", "#!/bin/sh\n")
    openwrt.router.path("/sbin/ujail").chmod(0o755)
    openwrt.router.uci("set", "lansplice.home.jail=1")
    instance = openwrt.instance()
    mounts = instance["jail"]["mount"]
    root = openwrt.router.root

    def exist(names):
        return [name for name in names if (Path(name) if name.startswith("/dev") else
                                           openwrt.router.path(name)).exists()]

    read = exist(name for name, how in mounts.items() if how == "0")
    read += ["/usr/sbin/lansplice", *(f"/{name}" for name in ("lib", "lib64") if
                                      (root / name).exists())]
    # The stand-ins for ubus and jshn are scripts: what they run is theirs, not the jail's.
    read += ["/usr/bin/awk", "/bin/busybox"]
    write = exist(name for name, how in mounts.items() if how == "1") + ["/tmp/ubus.log"]
    openwrt.router.write("/tmp/ubus.log", "")
    folder.mkdir()
    return ["unshare", "-m", "sh", "-c", JAIL, folder, root, *read, "--", *write, "--",
            *instance["command"]]


def test_in_a_jail(lab, base):
    """The mounts are all that the daemon needs, its events included."""
    a = OpenWrtHome(lab, base, "a").set_up().start()
    b = OpenWrtHome(lab, base, "b").set_up()
    b.run(jail(b, lab.folder / "jail"))
    token = a.lansplice("invite", "b", "--endpoint", a.home.endpoint()).stdout
    b.lansplice("join", input=token)
    near, far = a.home.host("h1"), b.home.host("h1")
    wait_for(lambda: near.ping(far.ip), 15, f"a ping: {report(a, b)}")
    wait_for(lambda: any(where == "hotplug.lansplice" and "ACTION=peer-up" in message["env"]
                         for where, _, message in b.router.calls(forget=False)), 10,
             f"peer-up to be called: {report(b)}")
    assert b.process.stop() == 0, report(b)
