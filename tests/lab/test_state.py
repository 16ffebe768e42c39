# SPDX-License-Identifier: MIT
"""What is kept on disk, cut at every step: state_probe.c runs state.c and dies where told."""

import base64
import os
import subprocess
import time

import pytest

from lansplice import BINARY, PROBES

DIED = 99
STEP = 1 << 20


class Site:
    def __init__(self, folder, name):
        self.folder = folder
        self.conf = folder / "lansplice.conf"
        self.command("init", "--name", name)
        self.conf.write_text(self.conf.read_text() + "control = none.sock\n"
                             "[test]\ntoken-lifetime-ms = 60000\n")

    def command(self, *arguments, stdin=""):
        done = subprocess.run([BINARY, "-c", self.conf, *arguments], input=stdin, text=True,
                              capture_output=True, timeout=20)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *arguments, die_before=0, code=0):
        done = subprocess.run([PROBES / "state_probe", self.conf, *map(str, arguments)], text=True,
                              capture_output=True, timeout=20,
                              env={**os.environ, "DIE_BEFORE": str(die_before)})
        assert done.returncode == code, (done.returncode, done.stderr)
        self.said = done.stderr
        return done.stdout

    def peers(self):
        """name -> what the core would be given."""
        peers = {}
        for line in self.run("peers").splitlines():
            name, state, *fields = line.split()
            peers[name] = {"state": state, **dict(f.split("=") for f in fields)}
        return peers

    def until_it_ends(self, *arguments):
        """Yield after each way to die in a command, then after it has come to its end."""
        for die_before in range(1, 50):
            done = subprocess.run([PROBES / "state_probe", self.conf, *arguments],
                                  capture_output=True, timeout=20,
                                  env={**os.environ, "DIE_BEFORE": str(die_before)})
            assert done.returncode in (0, DIED), done.stderr
            yield done.returncode == 0
            if done.returncode == 0:
                assert die_before > 2, "nothing was cut"
                return
        raise AssertionError("never came to its end")


@pytest.fixture
def home(tmp_path):
    return Site(tmp_path / "home", "home")


@pytest.fixture
def parents(tmp_path):
    return Site(tmp_path / "parents", "parents")


def someone():
    """A public key, as hex: any will do that belongs to somebody."""
    private = subprocess.run([BINARY, "genkey"], capture_output=True, timeout=20).stdout
    public = subprocess.run([BINARY, "pubkey"], input=private, capture_output=True,
                            timeout=20).stdout
    return base64.b64decode(public).hex()


PSK = "11" * 32
PSK_2 = "22" * 32


# --- order numbers -------------------------------------------------------------------------------

def test_order_numbers_never_repeat_wherever_it_is_cut(home):
    highest = 0
    for round_ in range(3):
        for _ in home.until_it_ends("order"):
            first, limit = map(int, home.run("order").split())
            assert first >= highest and limit == first + STEP
            assert int((home.folder / "state/order").read_text()) == limit
            highest = limit
    assert abs(highest / STEP - time.time()) < 3600


@pytest.mark.parametrize("text,warned", [
    (None, False), ("", True), ("x\n", True), ("-5\n", True), ("5", True), ("5 6\n", True),
    (str(2 ** 64 - STEP) + "\n", True), (str(2 ** 70) + "\n", True), ("5\n", False),
    ("9" * 100 + "\n", None)],
    ids=range(10))
def test_a_lost_order_counter_begins_at_the_clock(home, text, warned):
    path = home.folder / "state/order"
    path.unlink()
    if text is not None:
        path.write_text(text)
    if warned is None:  # too long for any order file: not ours
        home.run("order", code=1)
        return
    first, _ = map(int, home.run("order").split())
    assert ("order counter" in home.said) == warned
    assert abs(first / STEP - time.time()) < 60  # "5\n": came back from an old backup


def test_a_clock_that_is_behind_is_ignored(home):
    ahead = (int(time.time()) + 10 ** 8) * STEP
    (home.folder / "state/order").write_text(f"{ahead}\n")
    assert home.run("order").split()[0] == str(ahead)


def test_a_missing_order_beside_other_state_is_warned_of(home):
    home.command("invite", "parents")
    (home.folder / "state/order").unlink()
    home.run("order")
    assert "missing" in home.said


# --- the inviter ---------------------------------------------------------------------------------

def token_of(site, kind, name):
    text = (site.folder / "state" / kind / name).read_text()
    return dict(line.split(" ") for line in text.splitlines())


def test_inviter_wherever_it_is_cut(home):
    """Cut anywhere: the peer is invited or bound to the key with its token, and a retry ends it."""
    key = someone()
    home.command("invite", "parents")
    token = token_of(home, "invites", "parents")
    for ended in home.until_it_ends("enrol", "parents", key, PSK):
        peer = home.peers()["parents"]
        assert peer["state"] in (("bound",) if ended else ("invited", "bound"))
        assert (peer["id"], peer["token_psk"]) == (token["id"], token["psk"])
        assert peer.get("key", key) == key
    assert peer["psk"] == PSK
    # The same key tries again with its token: another lasting PSK, and again cut anywhere.
    for _ in home.until_it_ends("enrol", "parents", key, PSK_2):
        peer = home.peers()["parents"]
        assert peer["state"] == "bound" and peer["key"] == key and peer["psk"] in (PSK, PSK_2)
        assert peer["id"] == token["id"]
    assert peer["psk"] == PSK_2
    home.run("enrol", "parents", someone(), PSK, code=1)
    assert home.peers()["parents"] == peer
    home.run("confirm", "parents", die_before=1, code=DIED)
    assert home.peers()["parents"]["state"] == "bound"
    for _ in range(2):
        home.run("confirm", "parents")
        peer = home.peers()["parents"]
        assert peer["state"] == "enrolled" and peer["key"] == key and peer["psk"] == PSK_2
    assert os.stat(home.folder / "peers.d/parents.psk").st_mode & 0o777 == 0o600


def test_a_retry_keeps_what_the_owner_wrote(home):
    key = someone()
    home.command("invite", "parents")
    home.run("enrol", "parents", key, PSK)
    conf = home.folder / "peers.d/parents.conf"
    conf.write_text(conf.read_text() + "endpoint = parents.example.net:7788\n")
    home.run("enrol", "parents", key, PSK_2)
    assert "parents.example.net" in conf.read_text()


def test_enrolment_that_would_break_the_configuration_is_refused(home):
    """A key that is a peer under another name, our own, a name in the main file; no invite."""
    key = someone()
    home.command("invite", "parents")
    home.command("invite", "cousins")
    home.run("enrol", "parents", key, PSK)
    home.run("enrol", "cousins", key, PSK, code=1)
    own = subprocess.run([BINARY, "pubkey"], input=(home.folder / "home.key").read_bytes(),
                         capture_output=True, timeout=20).stdout
    home.run("enrol", "cousins", base64.b64decode(own).hex(), PSK, code=1)
    home.run("enrol", "strangers", someone(), PSK, code=1)
    home.run("enrol", "../x", someone(), PSK, code=1)
    other = base64.b64encode(bytes.fromhex(someone())).decode()
    home.conf.write_text(home.conf.read_text() + f"[peer cousins]\npublic-key = {other}\n")
    home.run("enrol", "cousins", someone(), PSK, code=1)
    assert sorted(p.name for p in (home.folder / "peers.d").iterdir()) == [
        "parents.conf", "parents.psk"]
    assert home.peers()["parents"]["psk"] == PSK


def test_an_invite_expires_and_goes_from_disk(home):
    home.command("invite", "parents")
    assert 50000 < int(home.peers()["parents"]["left_ms"]) <= 60000
    path = home.folder / "state/invites/parents"
    text = path.read_text()
    for until, left in ((2 ** 63, True), (int(time.time() * 1000) - 1, False)):
        path.write_text("".join(f"until-ms {until}\n" if line.startswith("until") else line
                                for line in text.splitlines(True)))
        peers = home.peers()
        assert ("parents" in peers) == left and path.exists() == left
        if left:
            assert int(peers["parents"]["left_ms"]) <= 60000, "a clock set back gives no more time"


def test_a_bound_token_does_not_expire(home):
    """Its key must be able to come back until it has its lasting PSK."""
    home.command("invite", "parents")
    path = home.folder / "state/invites/parents"
    home.run("enrol", "parents", someone(), PSK)
    path.write_text("".join("until-ms 1\n" if line.startswith("until") else line
                            for line in path.read_text().splitlines(True)))
    assert home.peers()["parents"]["state"] == "bound"


def test_a_removed_peer_does_not_come_back_by_its_token(home):
    home.command("invite", "parents")
    home.run("enrol", "parents", someone(), PSK)
    (home.folder / "peers.d/parents.conf").unlink()
    assert home.peers() == {}
    assert not (home.folder / "state/invites/parents").exists()


@pytest.mark.parametrize("text", ["", "id\n", "x" * 400, "x" * 600,
                                  "id zz psk zz until-ms 1 key -\n"], ids=range(5))
def test_a_damaged_invite_is_named(home, text):
    home.command("invite", "parents")
    (home.folder / "state/invites/parents").write_text(text)
    home.run("peers", code=1)
    assert "invites/parents" in home.said
    assert "invite again" in home.said or len(text) == 600, "more than is read"


def test_a_damaged_token_of_another_home_is_asked_for_again(home, parents):
    parents.command("join", stdin=home.command("invite", "parents", "--endpoint", "192.0.2.1:7788"))
    (parents.folder / "state/joining/home").write_text("x")
    parents.run("peers", code=1)
    assert "joining/home" in parents.said and "join with a new token" in parents.said


def test_no_symbolic_link_is_followed(home, tmp_path):
    target = tmp_path / "target"
    target.write_text("mine")
    home.command("invite", "parents")
    (home.folder / "peers.d").mkdir()
    (home.folder / "peers.d/parents.psk").symlink_to(target)
    (home.folder / "peers.d/.parents.conf.tmp").symlink_to(target)
    home.run("enrol", "parents", someone(), PSK)
    assert target.read_text() == "mine"
    assert not (home.folder / "peers.d/parents.psk").is_symlink()


# --- the joiner ----------------------------------------------------------------------------------

def test_joiner_wherever_it_is_cut(home, parents):
    token = home.command("invite", "parents", "--endpoint", "192.0.2.1:7788")
    parents.command("join", stdin=token)
    joining = parents.peers()["home"]
    assert joining["state"] == "joining" and joining["psk"] == "00" * 32
    assert joining["id"] == token_of(home, "invites", "parents")["id"]
    for ended in parents.until_it_ends("joined", "home", PSK):
        peer = parents.peers()["home"]
        assert peer["key"] == joining["key"]
        if peer["state"] == "enrolled":
            assert peer["psk"] == PSK
        else:
            assert not ended and peer["state"] == "joining"
            assert (peer["id"], peer["token_psk"]) == (joining["id"], joining["token_psk"])
    assert peer["state"] == "enrolled"
    assert not (parents.folder / "state/joining/home").exists()


# --- endpoints -----------------------------------------------------------------------------------

def test_endpoints_are_kept(home):
    assert home.run("endpoints") == ""
    stored = home.run("endpoints", "parents", "192.0.2.1", 7788, "cousins", "2001:db8::1", 65535)
    assert stored == "parents 192.0.2.1:7788\ncousins [2001:db8::1]:65535\n"
    assert home.run("endpoints") == stored
    path = home.folder / "state/endpoints"
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("nonsense\nParents 192.0.2.1:1\nx 192.0.2.1\nx 192.0.2.1:0\nx 192.0.2.1:65536\n"
                    "x :1\nx [::1:1\nx [::1%none0]:1\nx 300.0.0.1:1\n\n x\ngood [::1]:1\n")
    assert home.run("endpoints") == "good [::1]:1\n"
    path.write_text("".join(f"twice 192.0.2.1:{n}\n" for n in range(1, 40)) + "good [::1]:1\n")
    assert home.run("endpoints") == "twice 192.0.2.1:1\ngood [::1]:1\n"
    path.write_text("x" * 100000)
    assert home.run("endpoints") == ""
