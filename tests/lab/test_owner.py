# SPDX-License-Identifier: MIT
"""A configuration whose folder is not root's: root acts as its owner, in commands and as daemon."""
import json
import os
import tempfile
from pathlib import Path

import pytest

import lansplice as lansplice_program
from commands import one_line, run
from machine import wait_for

OWNER, GROUP = 12345, 12346
NET_ADMIN = 1 << 12


@pytest.fixture
def open_folder():
    """pytest's own folders are root's alone: nobody else comes through."""
    with tempfile.TemporaryDirectory(prefix="lansplice-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def etc(open_folder):
    folder = open_folder / "etc"
    folder.mkdir(mode=0o700)
    os.chown(folder, OWNER, GROUP)
    return folder


def owners(folder):
    """Who owns what is in there, by name."""
    return {str(path.relative_to(folder)): (path.lstat().st_uid, path.lstat().st_gid)
            for path in folder.rglob("*")}


def all_theirs(folder):
    return set(owners(folder).values()) == {(OWNER, GROUP)}


@pytest.mark.parametrize("name", ["lansplice.conf", "second/lansplice.conf"])
def test_what_init_and_invite_write_is_the_owners(etc, name):
    conf = etc / name
    assert run("init", "--name", "home", "-c", conf).returncode == 0
    assert run("invite", "parents", "-c", conf).returncode == 0
    assert all_theirs(etc)
    assert {"home.key", "state/order", "state/invites/parents"} <= set(owners(conf.parent))
    assert run("check-config", "-c", conf).returncode == 0


def test_a_folder_of_roots_stays_roots(open_folder):
    conf = open_folder / "site/lansplice.conf"
    assert run("init", "--name", "home", "-c", conf).returncode == 0
    assert set(owners(open_folder).values()) == {(0, 0)}


def make_anybodys_site(folder):
    """Like /tmp: root's folder where everybody may write, and a configuration there."""
    folder.mkdir()
    folder.chmod(0o1777)
    assert run("init", "--name", "evil", "-c", folder / "lansplice.conf").returncode == 0
    return folder


def test_a_link_of_the_owners_does_not_lead_root_out(etc, open_folder):
    """Who took over the daemon must not choose what root reads, and where root writes, as root."""
    target, link = make_anybodys_site(open_folder / "tmp"), etc / "second"
    link.symlink_to(target)
    os.chown(link, OWNER, GROUP, follow_symlinks=False)
    one_line(run("invite", "parents", "-c", link / "lansplice.conf"), 2)
    assert not (target / "state/invites").exists()
    os.chown(link, 0, 0, follow_symlinks=False)  # root's own may
    assert run("invite", "parents", "-c", link / "lansplice.conf").returncode == 0
    assert (target / "state/invites/parents").exists()


@pytest.mark.parametrize("owner", [0, OWNER])
def test_only_roots_link_stands_for_the_default(a, open_folder, owner):
    target = make_anybodys_site(open_folder / "tmp")
    a.router.run(f"""
        mount -t tmpfs -o mode=0755,uid={owner} tmpfs /etc/lansplice ||
            {{ mount -t tmpfs tmpfs /etc && install -d -o {owner} /etc/lansplice; }}
        ln -s {target}/lansplice.conf /etc/lansplice/lansplice.conf
        chown -h {owner} /etc/lansplice/lansplice.conf""")
    a.router.run([lansplice_program.BINARY, "invite", "parents"], check=False)
    assert (target / "state/invites/parents").exists() == (owner == 0)


def test_join_reads_a_file_that_only_root_can(etc, open_folder):
    inviter, joiner = open_folder / "a/lansplice.conf", etc / "lansplice.conf"
    token = open_folder / "token"
    for conf, name in (inviter, "a"), (joiner, "b"):
        assert run("init", "--name", name, "-c", conf).returncode == 0
    token.write_text(run("invite", "b", "--endpoint", "192.0.2.1:7788", "-c", inviter).stdout)
    token.chmod(0o600)
    assert run("join", token, "-c", joiner).returncode == 0
    assert "peers.d/a.conf" in owners(etc) and all_theirs(etc)
    assert "none-there" in one_line(run("join", open_folder / "none-there", "-c", joiner), 1)


def test_root_is_told_of_a_key_that_the_daemon_cannot_read(etc):
    conf = etc / "lansplice.conf"
    assert run("init", "--name", "home", "-c", conf).returncode == 0
    os.chown(etc / "home.key", 0, 0)
    assert "chown it as its folder is" in one_line(run("check-config", "-c", conf), 2)
    (etc / "home.key").chmod(0o644)
    assert "chmod 600" in one_line(run("check-config", "-c", conf), 2)


def status_of(process):
    """/proc/PID/status as a dict."""
    with open(f"/proc/{process.pid}/status") as lines:
        return {key: value.split() for key, value in (line.split(":", 1) for line in lines)}


@pytest.fixture
def owned(lab, a, etc, open_folder):
    """a's daemon, its files in the owner's folder."""
    daemon = lab.daemon(a)
    daemon.folder, daemon.path = etc, etc / "lansplice.conf"
    key = lansplice_program.write_secret(etc / "site.key", daemon.private_key)
    daemon.site["private_key"] = key
    daemon.site["control"] = None
    daemon.write()
    for path in key, daemon.path:
        os.chown(path, OWNER, GROUP)
    # A machine with udev lets everybody open the device; CAP_NET_ADMIN is what counts.
    a.router.run(f"""
        install -d -o {OWNER} -m 0700 /run/lansplice
        mount -t tmpfs tmpfs /dev/net && mknod -m 0666 /dev/net/tun c 10 200""")
    return daemon


def test_the_daemon_is_the_owner_and_may_only_use_the_network(lab, a, b, owned):
    owned.site["port"] = 443  # root may, and so may who root becomes
    daemon, other = owned, lab.daemon(b).start()
    token = other.command("invite", "a", "--endpoint", b.endpoint()).stdout
    daemon.start()
    status = status_of(daemon.process)
    assert status["Uid"] == [str(OWNER)] * 4 and status["Gid"] == [str(GROUP)] * 4
    assert status.get("Groups") == []
    for kind in "CapPrm", "CapEff", "CapBnd":
        assert int(status[kind][0], 16) & ~NET_ADMIN == 0, kind
    assert int(status["CapEff"][0], 16) == NET_ADMIN
    assert daemon.status()["bridge_attached"]
    daemon.command("join", input=token)
    daemon.wait_up("b")
    wait_for(lambda: (daemon.folder / "state/joining/b").exists() is False, 5, "the enrolment")
    assert a.host("h1").ping(b.host("h1").ip)
    assert daemon.stop() == 0
    assert all_theirs(daemon.folder)
    assert not a.router.output("ls /run/lansplice")


def test_doctor_may_ask_about_the_firewall(lab, a, b, owned):
    """nft asks for CAP_NET_ADMIN: doctor has kept it, and so has what doctor runs."""
    owned.add_peer(lab.daemon(b))
    owned.start()
    a.router.run("nft 'add table inet f; add chain inet f in "
                 "{ type filter hook input priority 0; policy drop; }'")
    findings = json.loads(owned.command("doctor", "--json").stdout)["findings"]
    assert [f["subject"] for f in findings if f["check"] == "firewall"], findings
