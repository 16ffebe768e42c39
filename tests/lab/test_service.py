# SPDX-License-Identifier: MIT
"""What the commands say is to be typed: by hand, with systemd, and on OpenWrt.

The commands run with an /etc and a /run of the test's own, in a mount namespace.
"""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from commands import LANSPLICE, ROOT, Daemon, make_home, one_line, run, with_daemon
from doctor import Told, status_of

SITE = "config site '{}'\n\toption enabled '{}'\n"
INTERFACE = "config interface 'tunnel'\n\toption proto 'lansplice'\n\toption site 'home'\n"
GENERATED = "# Written by uci-config from /etc/config/lansplice: edit that.\n"

ENTER = 'mount --bind "$0/etc" /etc && mount --bind "$0/run" /run && exec "$@"'


class System:
    """Folders that are /etc and /run to the commands."""

    def __init__(self, folder):
        self.folder = folder
        for name in "etc/lansplice", "run":
            (folder / name).mkdir(parents=True)

    def write(self, name, text):
        path = self.folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, name):
        return (self.folder / name.lstrip("/")).read_text()

    def run(self, *arguments, stdin=""):
        own = [] if os.geteuid() == 0 else ["-r"]
        return subprocess.run(["unshare", *own, "-m", "sh", "-c", ENTER, self.folder, LANSPLICE,
                               *arguments], input=stdin, text=True, capture_output=True, timeout=20)

    def init(self, *conf, name="home"):
        assert self.run(*conf, "init", "--name", name).returncode == 0
        return self

    def start_words(self, *conf):
        return one_line(self.run(*conf, "status"), 1)


@pytest.fixture
def system(tmp_path):
    return System(tmp_path)


@pytest.fixture
def debian(system):
    (system.folder / "run/systemd/system").mkdir(parents=True)
    for name in "lansplice", "lansplice@":
        system.write(f"/etc/systemd/system/{name}.service", "")
    return system


def openwrt(system, enabled=0, site="home"):
    """After the first start: the file is written."""
    system.write("/etc/config/lansplice", SITE.format(site, enabled))
    conf = f"/etc/lansplice/{site}/lansplice.conf"
    where = system.folder / "made"
    subprocess.run([LANSPLICE, "-c", where / "lansplice.conf", "init", "--name", "home"],
                   check=True, capture_output=True)
    shutil.copytree(where, (system.folder / conf.lstrip("/")).parent)
    system.write(conf, GENERATED + system.read(conf))
    (system.folder / "etc/lansplice/lansplice.conf").symlink_to(conf)
    return conf


# --- starting it ---------------------------------------------------------------------------------

def test_by_hand(system):
    assert "start it with 'lansplice run'" in system.init().start_words()


@pytest.mark.parametrize("missing", ["units", "systemd"])
def test_a_system_without_our_package(debian, missing):
    """systemd may be there and not know of lansplice."""
    shutil.rmtree(debian.folder / ("etc/systemd" if missing == "units" else "run/systemd"))
    assert "'lansplice run'" in debian.init().start_words()


def test_systemd(debian):
    assert "'systemctl start lansplice'" in debian.init().start_words()
    parents = "-c", "/etc/lansplice/parents/lansplice.conf"
    assert "'systemctl enable --now lansplice@parents'" in (
        debian.init(*parents).start_words(*parents))
    elsewhere = "-c", "/etc/elsewhere/lansplice.conf"  # which no unit runs
    assert "'lansplice run'" in debian.init(*elsewhere).start_words(*elsewhere)


@pytest.mark.parametrize("site", ["home", "second"])
def test_openwrt(system, site):
    conf = openwrt(system, site=site)
    words = (f"'uci set lansplice.{site}.enabled=1; uci commit lansplice; "
             "service lansplice start'")
    assert words in system.start_words("-c", conf) and words in system.start_words()
    system.write("/etc/config/lansplice", SITE.format(site, 1))
    assert "'service lansplice start'" in system.start_words()


def test_openwrt_where_an_interface_starts_it(system):
    openwrt(system)
    system.write("/etc/config/network", INTERFACE)
    assert "'ifup tunnel'" in system.start_words()
    system.write("/etc/config/network", INTERFACE + "\toption disabled '1'\n")
    assert "service lansplice start" in system.start_words()
    system.write("/etc/config/network", INTERFACE.replace("site 'home'", "site 'other'"))
    assert "service lansplice start" in system.start_words()


@pytest.mark.parametrize("text", ["", "config", "config site", "config 'site' \"home\"", "\0\0",
                                  "config site '" + "x" * 500, "option enabled '1'\n" * 9],
                         ids=range(7))
def test_a_broken_uci(system, text):
    """The header alone says who has written it."""
    openwrt(system)
    system.write("/etc/config/lansplice", text)
    system.write("/etc/config/network", text)
    assert "service lansplice start" in system.start_words()


def test_every_command_says_so(debian):
    words = "'systemctl start lansplice'"
    assert words in debian.run("init", "--name", "home").stdout
    invited = debian.run("invite", "parents")
    assert words in invited.stderr and words in debian.run("status").stderr
    assert words in " ".join(debian.run("doctor").stdout.split())
    parents = "-c", "/etc/lansplice/parents/lansplice.conf"
    debian.init(*parents, name="parents")
    joined = debian.run(*parents, "join", stdin=invited.stdout).stdout
    assert "start the daemon with 'systemctl enable --now lansplice@parents'" in joined
    assert "conf, then 'systemctl reload lansplice@parents'" in joined


# --- setting an option ---------------------------------------------------------------------------

TAKEN = "; uci commit lansplice; service lansplice reload'"
PRIVATE = {"nat": {"candidates": ["192.168.1.1:7788 host"]}}


def told(system, **options):
    """A home that is as uci-config writes it, wherever it lies."""
    folder = system.folder / "etc/lansplice/home"
    folder.mkdir()
    home = Told(folder, run=system.run, **options)
    home.conf.write_text(GENERATED + home.conf.read_text().replace(
        "[peer b]", "# lansplice.grandma in /etc/config/lansplice:\n[peer b]"))
    return home


def test_doctor_sets_options_where_openwrt_has_them(system):
    """The file is written anew at each start."""
    report = told(system, endpoints=()).judge(
        {**status_of(state="connecting"), "bridge": None, "tap": "nosuchtap"})
    assert "'uci add_list lansplice.grandma.endpoint=HOST:PORT" + TAKEN in (
        report.one(check="peer")["advice"])
    assert "'service lansplice restart'" in report.one(check="tap")["advice"]
    for one in report.findings:
        assert "[site]" not in (one["advice"] or "")


def test_doctor_names_a_bridge(system):
    report = told(system, site="bridge = br-none").judge(status_of(path="direct4"))
    assert "'uci set lansplice.home.bridge=NAME" + TAKEN in report.one(check="bridge")["advice"]


@pytest.mark.parametrize("generated", [False, True])
def test_invite_asks_for_a_stun_server(tmp_path, generated):
    conf = make_home(tmp_path / "home", "home")
    if generated:
        conf.write_text(GENERATED + conf.read_text())
    said = with_daemon(conf, b'{"ok":true}\n', "invite", "parents", status=PRIVATE).stderr
    words = ("'uci add_list lansplice.home.stun=SERVER" + TAKEN if generated else
             f"add 'stun = SERVER' to [site] of {conf}, then reload it by kill -HUP")
    assert words in said


@pytest.mark.parametrize("generated", [False, True])
def test_a_peer_is_removed_where_it_stands(tmp_path, home, generated):
    conf = make_home(tmp_path / "other", "other")
    key = run("pubkey", stdin=(home.parent / "home.key").read_text()).stdout
    place = "# lansplice.grandma in /etc/config/lansplice:\n" if generated else ""
    conf.write_text(conf.read_text() + f"{place}[peer the-parents]\npublic-key = {key}")
    said = one_line(run("-c", conf, "invite", "the-parents"), 1)
    assert ("run 'uci delete lansplice.grandma" + TAKEN if generated else
            "to invite it anew, remove [peer the-parents] there first") in said


# --- before the first start -----------------------------------------------------------------------

@pytest.mark.parametrize("leads", ["a link", "nothing"])
@pytest.mark.parametrize("command", [["status"], ["doctor"], ["invite", "parents"], ["join"],
                                     ["accept"], ["check-config"], ["init"]])
def test_openwrt_before_the_first_start(system, leads, command):
    """A home that init made would not be the one that the service starts."""
    system.write("/etc/config/lansplice", SITE.format("home", 0))
    if leads == "a link":  # as uci-defaults leaves it
        (system.folder / "etc/lansplice/lansplice.conf").symlink_to(
            "/etc/lansplice/home/lansplice.conf")
    said = one_line(system.run(*command), 2)
    assert "uci set lansplice.home.enabled=1" in said and "'lansplice init'" not in said
    assert not (system.folder / "etc/lansplice/home").exists()


def test_init_elsewhere_on_openwrt(system):
    """A further home that somebody runs by hand."""
    system.write("/etc/config/lansplice", SITE.format("home", 1))
    for conf in "/etc/mine/lansplice.conf", "/etc/lansplice/mine/lansplice.conf":
        assert "'lansplice run'" in system.init("-c", conf).start_words("-c", conf)


def test_init_after_the_first_start(system):
    openwrt(system)
    assert "edit /etc/config/lansplice" in one_line(system.run("init"), 1)


def test_the_header_is_what_uci_config_writes():
    script = ROOT / "packaging/openwrt/lansplice/files/usr/lib/lansplice/uci-config"
    assert GENERATED.strip() in script.read_text()


def test_a_configuration_that_is_a_pipe(system):
    """Who looks at it must not wait for somebody to write."""
    os.mkfifo(system.folder / "etc/lansplice/lansplice.conf")
    assert "not a regular file" in one_line(system.run("status"), 2)


# --- whose daemon it is ---------------------------------------------------------------------------

@pytest.mark.parametrize("command", [["status"], ["invite", "parents"]])
def test_another_homes_daemon_is_left_alone(home, parents, command):
    """Two homes of one machine that were left with the same socket."""
    path = Path(f"/tmp/lansplice-test-{os.getpid()}.sock")
    for conf in home, parents:
        conf.write_text(conf.read_text().replace("control.sock", str(path)))
    theirs = run("pubkey", stdin=(parents.parent / "home.key").read_text()).stdout.strip()
    daemon = Daemon(path, b'{"ok":true}\n', {"public_key": theirs, "nat": {"candidates": []}})
    try:
        said = one_line(run("-c", home, *command), 1)
        assert "has another key" in said and "a 'port', a 'tap' and a 'control'" in said
        assert daemon.commands == ["status"] * len(daemon.commands)
        assert not list((home.parent / "state").glob("invites/*"))
    finally:
        daemon.stop()
        path.unlink()
