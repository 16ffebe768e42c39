# SPDX-License-Identifier: MIT
"""Debian systems to install a package in: a folder tree of which only changes are kept."""
import os
import shutil
import subprocess
from pathlib import Path

from confinement import mounts, read_unit, seccomp_filter, setpriv_words

TOP = Path(__file__).resolve().parent.parent.parent

# What dpkg itself changes, and the copies that useradd and userdel keep.
TRACES_OF_DPKG = ("var/lib/dpkg/", "var/log/", "var/cache/", "etc/passwd", "etc/group",
                  "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid", "etc/.pwd.lock",
                  "usr/local/bin/systemctl")

# Records what it is asked; every unit is enabled and runs.
FAKE_SYSTEMCTL = """#!/bin/sh
echo "$*" >>/run/systemctl.log
case $* in *is-enabled*) echo enabled ;; esac
"""


class System:
    """Debian in a machine of the lab: its processes see a changed copy of the folder `lower`."""

    def __init__(self, machine, lower, confine):
        self.machine, self.lower = machine, Path(lower)
        self.root = "/run/debian"
        machine.run(f"""
            mkdir -p /run/changes /run/work {self.root}
            mount -t overlay -o lowerdir={lower},upperdir=/run/changes,workdir=/run/work \
                overlay {self.root}
            mount -t proc proc {self.root}/proc
            mount -t sysfs sysfs {self.root}/sys
            for path in /dev /run /tmp /var/tmp; do mount -t tmpfs tmpfs {self.root}$path; done
            cd {self.root}/dev && mkdir net
            mknod -m 0666 net/tun c 10 200
            mknod -m 0666 null c 1 3
            mknod -m 0666 urandom c 1 9
            mkdir -p {self.root}/run/systemd/system
            rm -f {self.root}/usr/sbin/policy-rc.d""")
        self.write("/usr/local/bin/systemctl", FAKE_SYSTEMCTL.encode(), 0o755)
        self.write("/run/confine", confine.read_bytes(), 0o755)
        self.service = None

    def path(self, inside):
        """A path in there, as this process sees it."""
        return Path(f"/proc/{self.machine.pid}/root{self.root}{inside}")

    def write(self, inside, data, mode=0o644):
        self.path(inside).parent.mkdir(parents=True, exist_ok=True)
        self.path(inside).write_bytes(data)
        self.path(inside).chmod(mode)

    def run(self, *command, **how):
        return self.machine.run(["chroot", self.root, *map(str, command)], **{
            "seconds": 120, "env": {"LC_ALL": "C.UTF-8"}, **how})

    def install(self, package):
        self.write("/run/package.deb", package.read_bytes())
        return self.run("dpkg", "--force-confold", "-i", "/run/package.deb")

    def asked_of_systemd(self):
        """What the maintainer scripts have asked of systemctl since this was last called."""
        log = self.path("/run/systemctl.log")
        asked = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [" ".join(word for word in line.split() if not word.startswith("--"))
                for line in asked]

    def changes(self):
        """What is there, or gone, that was otherwise in the beginning; of folders, new ones."""
        upper = Path(f"/proc/{self.machine.pid}/root/run/changes")
        found = set()
        for folder, folders, files in os.walk(upper):
            inside = Path(folder).relative_to(upper)
            found |= {str(inside / name) for name in files}
            found |= {str(inside / name) for name in folders
                      if not (self.lower / inside / name).exists()}
        return {name for name in found if not name.startswith(TRACES_OF_DPKG)}

    def accounts(self):
        return {name: self.path(f"/etc/{name}").read_text() for name in ("passwd", "group")}

    def owner(self, inside):
        """(user, group, mode) of a path in there."""
        done = self.run("stat", "-c", "%U %G %a", inside)
        return tuple(done.stdout.split())

    # ---- the service ----

    def unit(self, name="lansplice.service"):
        return read_unit(self.path(f"/lib/systemd/system/{name}"))

    def start(self, site=None):
        """ExecStart, under the unit's user, capabilities, system calls and file system."""
        unit = self.unit("lansplice@.service" if site else "lansplice.service")
        command = unit["ExecStart"][0].replace("%i", site or "").split()
        self.write("/run/filter", seccomp_filter(unit))
        words = [*setpriv_words(unit), "/run/confine", "/run/filter", *command]
        script = f"{mounts(unit, self.root)}\nexec chroot {self.root} setpriv {' '.join(words)}"
        self.service = self.machine.start(["unshare", "-m", "sh", "-ec", script], name="lansplice")

    def stop(self):
        return self.service.stop()


def build_confine(folder):
    program = folder / "confine"
    subprocess.run(["gcc", "-static", "-O1", "-D_GNU_SOURCE", "-Wall", "-Werror", "-o", program,
                    Path(__file__).parent / "confine.c"], check=True)
    return program


def build_package(folder, options=""):
    """All of scripts/deb's products; the package itself."""
    done = subprocess.run([TOP / "scripts/deb", "-o", folder], capture_output=True, text=True,
                          env={**os.environ, "DEB_BUILD_OPTIONS": options}, errors="replace")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    (package,) = folder.glob("lansplice_*.deb")
    return package


def next_version(package, folder):
    """The same package as a later one."""
    tree, later = folder / "later", folder / "later.deb"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["dpkg-deb", "-R", package, tree], check=True)
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text().replace("Version: ", "Version: 9:"))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, later], check=True,
                   stdout=subprocess.DEVNULL)
    return later

