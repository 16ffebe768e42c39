# SPDX-License-Identifier: MIT
"""Debian's package: built, installed, two homes brought together, upgraded and purged.

The systems it is installed in are namespaces over this machine's own files, of which only changes
are kept; the long run has Debian bookworm, fresh from debootstrap. There is no systemd as PID 1:
confinement.py says how the service is started instead.
"""
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).resolve().parent), str(Path(__file__).parent.parent / "lab")]

from debian import TOP, System, build_confine, build_package, next_version  # noqa: E402
from homes import Lab  # noqa: E402
from machine import link, wait_for  # noqa: E402

LONG = bool(os.environ.get("LANSPLICE_LONG"))
NEEDS = {"dpkg-buildpackage": "dpkg-dev", "dh": "debhelper", "lintian": "lintian",
         "systemd-analyze": "systemd", "setpriv": "util-linux"}
MISSING = [package for tool, package in NEEDS.items() if not shutil.which(tool)]
NET_ADMIN = 1 << 12
EXPOSURE_MAX = 2.5

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {' '.join(MISSING)}"),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]

CONTENTS = """
lib/systemd/system/lansplice.service
lib/systemd/system/lansplice@.service
usr/lib/sysusers.d/lansplice.conf
usr/sbin/lansplice
usr/sbin/lansplice-tools
usr/share/bash-completion/completions/lansplice
usr/share/doc/lansplice/PROTOCOL.md.gz
usr/share/doc/lansplice/README.Debian
usr/share/doc/lansplice/README.ja.md.gz
usr/share/doc/lansplice/README.md.gz
usr/share/doc/lansplice/changelog.Debian.gz
usr/share/doc/lansplice/copyright
usr/share/lintian/overrides/lansplice
usr/share/man/man5/lansplice.conf.5.gz
usr/share/man/man8/lansplice-tools.8.gz
usr/share/man/man8/lansplice.8.gz
""".split()


def output(*command, **how):
    return subprocess.run(list(map(str, command)), check=True, capture_output=True, text=True,
                          **how).stdout


@pytest.fixture(scope="session")
def package(tmp_path_factory):
    """The long run builds it with its tests and its package of debugging symbols."""
    return build_package(tmp_path_factory.mktemp("deb"),
                         "" if LONG else "nocheck noautodbgsym parallel=2")


@pytest.fixture(scope="session")
def confine(tmp_path_factory):
    return build_confine(tmp_path_factory.mktemp("confine"))


@pytest.fixture(scope="session")
def bookworm(package, tmp_path_factory):
    """A fresh Debian with what the package depends on, the first of alternatives, and ifupdown."""
    depends = output("dpkg-deb", "-f", package, "Depends", "Recommends")
    names = re.findall(r"(?:^|[:,]) *([a-z0-9][a-z0-9.+-]+)", re.sub(r"^\w+:", ",", depends,
                                                                     flags=re.M))
    folder = tmp_path_factory.mktemp("bookworm")
    names += ["ifupdown", "bridge-utils", "udhcpc"]
    try:
        subprocess.run(["debootstrap", "--variant=minbase", f"--include={','.join(names)}",
                        "bookworm", folder], check=True, stdout=subprocess.DEVNULL, timeout=900)
    except subprocess.SubprocessError as error:
        pytest.skip(f"no Debian from debootstrap: is there a network? {error}")
    return folder


@pytest.fixture(scope="session", params=["this machine's files"] + ["debootstrap"] * LONG)
def lower(request):
    return request.getfixturevalue("bookworm") if request.param == "debootstrap" else Path("/")


@pytest.fixture
def lab(tmp_path):
    built = Lab(tmp_path)
    yield built
    built.close()


@pytest.fixture
def systems(lab, lower, confine):
    """Two homes, each with a Debian as its router."""
    return [System(lab.home(name).router, lower, confine) for name in "ab"]


# ---- what is built ----

def test_contents(package):
    listed = {name: mode for mode, name in
              re.findall(r"^([-l]\S+).* \./(\S+)", output("dpkg-deb", "-c", package), re.M)}
    examples = {name for name in listed if "/examples/" in name}
    assert sorted(listed.keys() - examples) == sorted(CONTENTS)
    there = {path.name for path in (TOP / "packaging/examples").rglob("*") if path.is_file()}
    assert {Path(name).name for name in examples} == there
    script, = (name for name in examples if name.endswith("/bridge-eth0"))
    assert listed[script] == "-rwxr-xr-x"  # as it stands, for its message names it


def test_lintian(package):
    (changes,) = package.parent.glob("*.changes")
    done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", changes],
                          capture_output=True, text=True)
    assert done.returncode == 0 and not re.search("^[EW]:", done.stdout, re.M), done.stdout


def test_source_is_whole(package, tmp_path):
    """What the source package unpacks to is this tree, and in the long run builds and tests it."""
    (source,) = package.parent.glob("*.dsc")
    tree = tmp_path / "tree"
    subprocess.run(["dpkg-source", "-x", source, tree], check=True, stdout=subprocess.DEVNULL)
    for name in "Makefile", "README.md", "daemon/main.c", "tests/unit", "scripts/check":
        assert (tree / name).exists()
    assert (tree / "debian/rules").exists() and not (tree / "packaging/debian").exists()
    assert not (tree / "build").exists()
    if LONG:
        subprocess.run(["dpkg-buildpackage", "-b", "-us", "-uc"], cwd=tree, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_what_it_needs(package, record_property):
    """The libraries it depends on and their installed sizes, for the README."""
    depends, machine = (output("dpkg-deb", "-f", package, field).strip()
                        for field in ("Depends", "Architecture"))
    names = [name for name in re.findall(r"(?:^|, )([a-z0-9.+-]+)", depends) if name != "systemd"]
    sizes = output("dpkg-query", "-W", "-f", "${Package} ${Installed-Size}\n",
                   *(f"{name}:{machine}" for name in names))
    sizes = {row.split()[0]: int(row.split()[1]) for row in sizes.splitlines()}
    own = int(output("dpkg-deb", "-f", package, "Installed-Size"))
    record_property("installed, KiB", f"lansplice {own}; " + ", ".join(
        f"{name} {size}" for name, size in sorted(sizes.items()) if name != "libc6"))
    assert set(names) - {"libc6"} == {"libinih1", "libjson-c5", "libmbedcrypto7", "libminiupnpc17",
                                      "libnl-3-200", "libsodium23", "libuv1"}


# ---- the units ----

def test_units_verify(systems, package):
    systems[0].install(package)
    for unit in "lansplice.service", "lansplice@cabin.service":
        done = systems[0].run("systemd-analyze", "verify", "--man=no", unit, check=False)
        assert done.returncode == 0 and "lansplice" not in done.stderr, done.stderr


@pytest.mark.parametrize("name", ["lansplice.service", "lansplice@.service"])
def test_units_expose_little(package, tmp_path, name):
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    said = output("systemd-analyze", "--no-pager", "security", "--offline=true",
                  tmp_path / "lib/systemd/system" / name)
    exposure = float(re.search(r"Overall exposure level for \S+ ([0-9.]+)", said)[1])
    assert exposure <= EXPOSURE_MAX, said


def test_one_home_and_several(package, tmp_path):
    subprocess.run(["dpkg-deb", "-x", package, tmp_path], check=True)
    plain, template = ([line for line in (tmp_path / "lib/systemd/system" / name).read_text()
                        .splitlines() if line and not line.startswith("#")]
                       for name in ("lansplice.service", "lansplice@.service"))
    assert len(plain) == len(template) and "%i" not in "".join(plain)
    differ = {one.split("=")[0] for one, other in zip(plain, template) if one != other}
    assert differ == {"Description", "ConditionPathExists", "ExecStart"}
    assert "ExecStart=/usr/sbin/lansplice -c /etc/lansplice/lansplice.conf run" in plain


# ---- the examples ----

@pytest.mark.parametrize("lower", ["debootstrap"], indirect=True)
def bridge_by_ifupdown(lab, lower, confine, package):
    router, box = lab.machine("router"), lab.machine("box")
    link(router, "lan0", box, "eth0")
    router.run("ip addr add 192.168.1.1/24 dev lan0")
    router.start("dnsmasq -k -p 0 -i lan0 --dhcp-range=192.168.1.10,192.168.1.20 "
                 "--dhcp-leasefile=/run/leases --pid-file=/run/dnsmasq.pid")
    system = System(box, lower, confine)
    system.install(package)
    example = TOP / "packaging/examples/ifupdown-bridge"
    system.write("/etc/network/interfaces.d/br-lan", example.read_bytes())
    system.write("/etc/network/interfaces", b"source /etc/network/interfaces.d/*\n")
    system.run("ifup", "-a")
    assert "192.168.1." in box.output("ip -4 -o addr show dev br-lan")
    system.run("lansplice", "init", "--name", "box")
    assert "\nbridge = br-lan\n" in system.path("/etc/lansplice/lansplice.conf").read_text()
    system.start()
    wait_until_answering(system)
    ports = box.output("bridge -o link")
    assert "eth0" in ports and "lansplice0" in ports


if LONG:  # only the Debian of the long run has ifupdown
    test_bridge_by_ifupdown = bridge_by_ifupdown


# ---- from installation to purge ----

def status_of(process):
    with open(f"/proc/{process.pid}/status") as lines:
        return {key: value.split() for key, value in (line.split(":", 1) for line in lines)}


def daemon_status(system, site=None):
    options = ["-c", f"/etc/lansplice/{site}/lansplice.conf"] if site else []
    done = system.run("lansplice", *options, "status", "--json", check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {}


def is_up(system):
    return [peer["state"] for peer in daemon_status(system).get("peers", [])] == ["up"]


def wait_until_answering(system):
    wait_for(lambda: daemon_status(system) or not system.service.running, 10, "the daemon")
    assert system.service.running, system.service.log()


def note_events(system):
    """An event-command of root's, which writes where the unit lets it."""
    system.write("/etc/lansplice/event", b"#!/bin/sh\n"
                 b"echo $LANSPLICE_EVENT $LANSPLICE_PEER >>/run/lansplice/events\n", 0o755)
    conf = system.path("/etc/lansplice/lansplice.conf")
    conf.write_text(conf.read_text().replace("\nport", "\nevent-command = event\nport"))


def bring_together(lab, systems):
    """init and start at both, invite at the first, join at the second."""
    for system, name in zip(systems, "ab"):
        system.run("lansplice", "init", "--name", name)
        note_events(system)
        system.start()
        wait_until_answering(system)
    token = systems[0].run("lansplice", "invite", "b", "--endpoint", lab.home("a").endpoint())
    systems[1].run("lansplice", "join", input=token.stdout)
    for system in systems:
        wait_for(lambda system=system: is_up(system), 10, "the peer")


def check_confined(system):
    """The daemon is what the unit says: its user, one capability, one folder to write in."""
    status = status_of(system.service)
    user = system.run("id", "-u", "_lansplice").stdout.strip()
    assert status["Uid"] == [user] * 4 and status["NoNewPrivs"] == ["1"]
    assert status["Seccomp"] == ["2"]
    for kind in "CapPrm", "CapEff", "CapBnd":
        assert int(status[kind][0], 16) == NET_ADMIN, kind
    assert int(status["CapAmb"][0], 16) == 0
    for folder, flags in ("/", "ro"), ("/etc/lansplice", "rw"):
        mounts = Path(f"/proc/{system.service.pid}/mounts").read_text().splitlines()
        assert any(line.split()[1] == folder and line.split()[3].startswith(flags)
                   for line in mounts), mounts


def test_from_installation_to_purge(lab, systems, package, tmp_path):
    before = [system.accounts() for system in systems]
    found = [system.changes() for system in systems]
    for system in systems:
        system.install(package)
        assert system.owner("/etc/lansplice") == ("_lansplice", "_lansplice", "700")
        assert "start lansplice.service" in system.asked_of_systemd()
    bring_together(lab, systems)
    for system in systems:
        check_confined(system)
        names = system.run("find", "/etc/lansplice", "-printf", "%u %m %P\n").stdout
        assert all(re.match("_lansplice [67]00 |root 755 event", line)
                   for line in names.splitlines()), names
        events = system.path("/run/lansplice/events")
        wait_for(lambda events=events: events.exists() and "peer-up" in events.read_text(), 5,
                 "event-command")
    one, other = (lab.home(name).host("h1") for name in "ab")
    wait_for(lambda: one.ping(other.ip), 5, "a ping")

    # An upgrade keeps what there is; the daemon runs on until the new one takes its place.
    key = systems[0].path("/etc/lansplice/home.key").read_bytes()
    first = systems[0].service
    systems[0].install(next_version(package, tmp_path))
    asked = systems[0].asked_of_systemd()
    assert "restart lansplice.service" in asked and "try-restart lansplice@*.service" in asked
    assert not [line for line in asked if line.startswith("stop")]
    assert first.running and one.ping(other.ip)
    assert systems[0].stop() == 0
    systems[0].start()
    wait_until_answering(systems[0])
    wait_for(lambda: is_up(systems[0]) and one.ping(other.ip), 10, "the peer again")
    assert systems[0].path("/etc/lansplice/home.key").read_bytes() == key

    # Removed, the keys stay; purged, nothing does.
    for system, accounts, changes in zip(systems, before, found):
        assert system.stop() == 0
        system.run("dpkg", "-r", "lansplice")
        asked = system.asked_of_systemd()
        assert "stop lansplice.service" in asked and "stop lansplice@*.service" in asked
        assert system.path("/etc/lansplice/home.key").exists()
        system.run("dpkg", "-P", "lansplice")
        assert system.accounts() == accounts
        assert system.changes() - changes == set()
        assert not system.path("/run/lansplice").exists()


def test_a_second_home_on_one_machine(systems, package):
    system, conf = systems[0], "/etc/lansplice/cabin/lansplice.conf"
    system.install(package)
    system.run("lansplice", "init", "--name", "home")
    system.run("lansplice", "init", "--name", "cabin", "-c", conf)
    own = "port = 7789\ntap = lansplice1\ncontrol = /run/lansplice/cabin.sock\n#bridge"
    text = system.path(conf).read_text()
    system.path(conf).write_text(re.sub("^port .*", "", text, flags=re.M)
                                 .replace("bridge = br-lan", own))
    for site in None, "cabin":
        system.start(site)
        wait_for(lambda site=site: daemon_status(system, site) or not system.service.running, 10,
                 "the daemon")
    assert daemon_status(system)["name"] == "home"
    assert daemon_status(system, "cabin")["tap"] == "lansplice1"


def test_what_root_had_before_is_given_over(systems, package):
    """Keys of a home that ran as root, and scripts that are run again."""
    system = systems[0]
    system.run("install", "-d", "-m", "0700", "/etc/lansplice/state")
    system.write("/etc/lansplice/home.key", b"x", 0o600)
    system.install(package)
    assert system.owner("/etc/lansplice/home.key") == ("_lansplice", "_lansplice", "600")
    assert system.owner("/etc/lansplice/state")[0] == "_lansplice"
    system.write("/etc/lansplice/of-root", b"x", 0o600)
    for script in "postinst configure", "postinst configure 0.1.0-1", "prerm upgrade 2":
        system.run("sh", "-ec", f"/var/lib/dpkg/info/lansplice.{script}",
                   env={"DPKG_MAINTSCRIPT_PACKAGE": "lansplice"})
    assert system.owner("/etc/lansplice/of-root")[0] == "root"
    system.install(package)
    system.run("dpkg", "-P", "lansplice")
    assert not system.path("/etc/lansplice").exists()
    system.run("sh", "-c", "! getent passwd _lansplice")
