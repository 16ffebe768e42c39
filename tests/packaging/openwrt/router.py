# SPDX-License-Identifier: MIT
"""A folder that is an OpenWrt router to our scripts: they run in it by chroot.

In it are busybox, the files of packaging/openwrt/lansplice/files, the real programs with the
libraries they need, and below root/ the stand-ins for what of OpenWrt the scripts use; each says at
its head which of OpenWrt's sources it behaves like. What the scripts ask of procd and netifd are
calls of ubus, which are kept: see Router.calls().
"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent.parent
PACKAGE = TOP / "packaging/openwrt/lansplice"
BINARY = Path(os.environ.get("LANSPLICE", TOP / "build/gcc/testing/lansplice")).absolute()
# Two homes' public keys.
KEYS = ["hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=",
        "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="]
FOLDERS = "bin dev etc/rc.d lib proc root sbin sys tmp usr/bin usr/sbin var/lock var/run"
ENTER = """
for folder in dev proc sys; do mount --rbind /$folder "$0/$folder" || exit; done
exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""


def copy_program(program, folder, root):
    """The program into root's folder, and its libraries to where the loader looks for them."""
    shutil.copy2(program, root / folder)
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+)", listed):
        target = root / library.lstrip("/")
        if not target.exists() and library != str(program):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(os.path.realpath(library), target)


def install_busybox(root):
    busybox = shutil.which("busybox")
    copy_program(busybox, "bin", root)
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True).stdout.split()
    for name in applets:
        path = root / ("bin" if name in ("sh", "ash") else "usr/bin") / name
        if not path.exists() and name != "busybox":
            path.symlink_to("/bin/busybox")


def build_root(root):
    """A router with the package freshly installed, before its uci-defaults."""
    for name in FOLDERS.split():
        (root / name).mkdir(parents=True)
    shutil.copytree(HERE / "root", root, dirs_exist_ok=True)
    shutil.copytree(PACKAGE / "files", root, dirs_exist_ok=True)
    for program in BINARY, BINARY.with_name("lansplice-tools"):
        copy_program(program, "usr/sbin", root)
    copy_program(shutil.which("flock"), "usr/bin", root)
    install_busybox(root)
    (root / "etc/config/network").write_text("config interface 'lan'\n\toption proto 'static'\n")
    return root


class Router:
    """One router, a copy of the base that build_root() made.

    machine is a machine of the lab, whose network its programs then have.
    """

    def __init__(self, base, root, machine=None):
        self.root, self.machine = root, machine
        # Links for all but what scripts write to: programs and libraries are large.
        subprocess.run(["cp", "-al", base, root], check=True)
        for name in "etc", "var", "tmp":
            shutil.rmtree(root / name)
            shutil.copytree(base / name, root / name, symlinks=True)

    def enter(self, *command):
        """What runs the command in this folder, in a mount namespace of its own."""
        own = [] if os.geteuid() == 0 else ["-r"]
        return ["unshare", *own, "-m", "sh", "-c", ENTER, str(self.root), *map(str, command)]

    def words(self, *command, **environment):
        """What runs the command from here: in this folder, and in the machine's namespaces."""
        words = self.enter(*(f"{name}={value}" for name, value in environment.items()), *command)
        return self.machine.enter(words) if self.machine else words

    def run(self, *command, input=None, check=False, **environment):
        done = subprocess.run(self.words(*command, **environment), input=input, text=True,
                              capture_output=True, timeout=60,
                              stdin=None if input is not None else subprocess.DEVNULL)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def path(self, name):
        return self.root / name.lstrip("/")

    def write(self, name, text):
        """A new file, as the one that is there may be a link to the base's."""
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).unlink(missing_ok=True)
        self.path(name).write_text(text)

    def uci(self, *arguments, check=True):
        return self.run("uci", *arguments, check=check).stdout.strip()

    def init(self, action, check=True):
        return self.run("sh", "/etc/rc.common", "/etc/init.d/lansplice", action, check=check)

    def uci_config(self, site="home"):
        return self.run("/usr/lib/lansplice/uci-config", site)

    def conf(self, site="home"):
        return self.path(f"/etc/lansplice/{site}/lansplice.conf").read_text()

    def log(self):
        path = self.path("/tmp/log")
        return path.read_text() if path.exists() else ""

    def calls(self, forget=True):
        """The calls of ubus since the last time: (object, method, message)."""
        path = self.path("/tmp/ubus.log")
        lines = path.read_text().splitlines() if path.exists() else []
        if forget:
            path.unlink(missing_ok=True)
        split = (line.split(" ", 2) for line in lines)
        return [(where, method, json.loads(message or "{}")) for where, method, message in split]


def lab_modules():
    """The lab's homes and machines can be imported from now on."""
    sys.path.insert(0, str(TOP / "tests/lab"))
