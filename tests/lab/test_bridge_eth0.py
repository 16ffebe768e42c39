# SPDX-License-Identifier: MIT
"""packaging/examples/bridge-eth0: the only network card goes into a bridge, and SSH goes on; or all
comes back."""
import re
import time

import pytest

from lansplice import TOP
from machine import wait_for

pytestmark = pytest.mark.cable

SCRIPT = TOP / "packaging/examples/bridge-eth0"

# A session as SSH's: one connection that lives as long as it is answered.
SERVER = """
import socket
listener = socket.create_server(("", 22))
while True:
    client, _ = listener.accept()
    while text := client.recv(99):
        client.sendall(text)
"""
SESSION = """
import socket, sys, time
session = socket.create_connection(("{ip}", 22), 5)
session.settimeout(60)
for n in range(10**6):
    session.sendall(b"%d\\n" % n)
    session.recv(99)
    print(n, flush=True)
    time.sleep(0.1)
"""


class Pi:
    """A Raspberry Pi at home a's LAN, and somebody who is logged in on it from host h2."""

    def __init__(self, home):
        self.machine, desk = home.host("h1"), home.host("h2")
        self.ip, self.script = self.machine.ip, SCRIPT
        self.machine.run("mount -t tmpfs tmpfs /etc/network; mount -t tmpfs tmpfs /etc/systemd; "
                         "mkdir /run/bin /etc/systemd/network; "
                         "ip addr change $(ip -o -4 addr show dev eth0 | awk '{print $4}') "
                         "dev eth0 valid_lft 4000 preferred_lft 3000")
        # No manager runs here: each is a stand-in that writes down what it is told.
        for name in "nmcli", "systemctl", "networkctl", "dhclient":
            self.stand_in(name, "exit 1")
        self.machine.start(["/usr/bin/python3", "-c", SERVER], name="sshd")
        wait_for(lambda: self.machine.ok("ss -ltn | grep -q :22"), 5, "a server")
        self.session = desk.start(["/usr/bin/python3", "-c", SESSION.format(ip=self.ip)],
                                  name="ssh")
        self.is_alive()

    def stand_in(self, name, script):
        self.machine.run(["/bin/sh", "-c", 'printf "%s" "$1" >/run/bin/$2; chmod 755 /run/bin/$2',
                          "sh", f'#!/bin/sh\necho {name} "$@" >>/run/told\n{script}\n', name])

    def hurry(self):
        """The script waits for two seconds only until what takes over has done so."""
        self.script = "/run/bin/bridge-eth0"
        self.machine.run(f"sed s/TAKE_OVER_SECONDS=30/TAKE_OVER_SECONDS=2/ {SCRIPT} "
                         f">{self.script}; chmod 755 {self.script}")

    def told(self):
        return self.machine.run("cat /run/told || :").stdout.splitlines()

    def is_alive(self, seconds=3):
        """The session has been answered just now."""
        before = self.session.log().count("\n")
        return wait_for(lambda: self.session.log().count("\n") > before + 1, seconds, "the session")

    def bridge(self, *arguments, check=True):
        return self.machine.run(["/bin/sh", "-c", 'PATH=/run/bin:$PATH exec "$0" "$@"', self.script,
                                 *arguments], check=check)

    def state(self, card="eth0"):
        """Its addresses and routes, but for how long, and that nobody else was asked for them."""
        text = self.machine.output(f"ip -o addr show dev {card} scope global; "
                                   f"ip -4 route show dev {card}; ip -6 route show dev {card}")
        text = re.sub(r"^\d+: \S+|(valid|preferred)_lft \d+sec| nodad| +|\\", " ", text, flags=re.M)
        return sorted(" ".join(line.replace(card, "CARD").split()) for line in text.splitlines()
                      if not line.startswith("fe80"))


@pytest.fixture
def pi(a):
    return Pi(a)


def test_the_session_goes_on(pi):
    before = pi.state()
    assert len(before) >= 6
    done = pi.bridge("--seconds", "30")
    assert "--confirm" in done.stdout
    assert pi.is_alive()
    assert pi.state("br-lan") == before and pi.state() == []
    assert pi.machine.output("cat /sys/class/net/br-lan/address") == pi.machine.output(
        "cat /sys/class/net/eth0/address")
    lifetime = re.search(r"valid_lft (\d+)sec", pi.machine.output("ip addr show dev br-lan"))
    assert 3900 < int(lifetime[1]) <= 4000
    assert "a br-lan already" in pi.bridge(check=False).stderr
    done = pi.bridge("--undo")
    assert "as it was" in done.stdout and pi.is_alive()
    assert pi.state() == before and not pi.machine.ok("ip link show br-lan")
    assert not pi.machine.ok("test -e /run/bridge-eth0")


def test_who_is_cut_off_waits(pi):
    """Nobody confirms, for nobody can: then all is as it was, and the session goes on."""
    before = pi.state()
    pi.bridge("--seconds", "6")
    pi.machine.run("ip link set br-lan down")  # whatever else went wrong
    time.sleep(1)
    with pytest.raises(AssertionError):
        pi.is_alive(1)
    wait_for(lambda: not pi.machine.ok("test -e /run/bridge-eth0"), 10, "the way back")
    assert pi.state() == before
    pi.is_alive(20)


def test_the_session_that_began_it_dies(pi):
    """The terminal goes, and with it all that it started; but not the way back."""
    before = pi.state()
    pi.bridge("--seconds", "4")
    assert pi.is_alive()
    wait_for(lambda: not pi.machine.ok("test -e /run/bridge-eth0"), 10, "the way back")
    assert pi.state() == before and pi.is_alive(10)


def test_a_copy_that_cannot_be_executed_comes_back_too(pi):
    before = pi.state()
    pi.machine.run(f"cp {SCRIPT} /run/copy; chmod 600 /run/copy; cd /run; "
                   "PATH=/run/bin:$PATH sh copy --seconds 2")
    assert pi.state("br-lan") == before
    wait_for(lambda: not pi.machine.ok("test -e /run/bridge-eth0"), 10, "the way back")
    assert pi.state() == before
    piped = pi.machine.run(f"PATH=/run/bin:$PATH sh <{SCRIPT}", check=False)
    assert piped.returncode == 1 and "save it" in piped.stderr and pi.state() == before


def test_what_cannot_be_done_changes_nothing(pi):
    before = pi.state()
    for arguments, words in ((["eth7"], "no network card eth7"), (["eth0", "lo"], "lo already"),
                             (["--confirm"], "nothing was begun"),
                             (["--undo"], "nothing was begun"),
                             (["--seconds", "x"], "a number"), (["--bogus"], "")):
        done = pi.bridge(*arguments, check=False)
        assert done.returncode != 0 and words in done.stderr, (arguments, done)
    for words in "", "--confirm", "--undo":
        done = pi.machine.run(f"setpriv --reuid 65534 --clear-groups sh -s -- {words} <{SCRIPT}",
                              check=False)
        assert done.returncode == 1 and "needs root" in done.stderr, (words, done)
    pi.machine.run("path=$(readlink -f /sys/class/net/eth0); mount -t tmpfs tmpfs $path; "
                   "mkdir $path/wireless")
    done = pi.bridge(check=False)
    assert done.returncode == 1 and "Wi-Fi" in done.stderr
    assert pi.state() == before and pi.is_alive()


@pytest.mark.parametrize("command, words", [
    ("ip route add 198.51.100.0/24 via 192.168.1.1 table 7", "table 7"),
    ("ip rule add iif eth0 lookup 7", "iif eth0"),
    ("ip route add 198.51.100.0/24 nexthop via 192.168.1.1 nexthop via 192.168.1.2", "nexthop"),
    ("ip nexthop add id 7 via 192.168.1.1 dev eth0; ip route add 198.51.100.0/24 nhid 7", "nhid"),
    ("ip -6 route add 2001:db8:9::/64 dev eth0 table 7", "table 7")])
def test_routes_that_it_does_not_move(pi, command, words):
    """Rather than losing them without a word."""
    pi.machine.run(command)
    before = pi.state()
    done = pi.bridge(check=False)
    assert done.returncode == 1 and "by hand" in done.stderr and words in done.stderr
    assert pi.state() == before and not pi.machine.ok("test -e /run/bridge-eth0")


def test_a_step_that_fails_is_undone_at_once(pi):
    before = pi.state()
    pi.stand_in("ip", 'case "$*" in *"master br-lan"*|*nomaster*) exit 2 ;; esac\n'
                      'PATH=/usr/sbin:/sbin:/usr/bin:/bin exec ip "$@"')
    done = pi.bridge(check=False)
    assert done.returncode == 1 and "as it was" in done.stderr
    assert pi.state() == before and pi.is_alive()
    assert not pi.machine.ok("ip link show br-lan") and not pi.machine.ok("pgrep -f 'sleep 12[0]'")


# --- kept -----------------------------------------------------------------------------------------

def confirm(pi):
    before = pi.state()
    pi.bridge("--seconds", "3")
    done = pi.bridge("--confirm")
    time.sleep(4)
    assert pi.state("br-lan") == before and pi.is_alive()
    assert "bridge = br-lan" in done.stdout
    return done


def test_confirmed_without_a_manager(pi):
    assert "until the next boot" in confirm(pi).stdout


INTERFACES = """auto lo eth0
allow-hotplug eth0
iface lo inet loopback
iface eth0 inet static
    address 192.168.1.11/24
    gateway 192.168.1.1
iface eth0 inet6 auto
iface eth01 inet manual
"""


def test_confirmed_with_ifupdown(pi):
    (pi.machine.run(["/bin/sh", "-c", 'printf "%s" "$0" >/etc/network/interfaces', INTERFACES]))
    refused = pi.bridge(check=False)
    assert "bridge-utils" in refused.stderr
    pi.machine.run("mkdir /etc/network/if-pre-up.d; touch /etc/network/if-pre-up.d/bridge "
                   "/run/dhclient.eth0.pid")
    pi.stand_in("dhclient", "exit 0")
    assert "ifupdown" in confirm(pi).stdout
    assert pi.machine.run("cat /etc/network/interfaces").stdout == """auto lo br-lan
auto br-lan
iface lo inet loopback
iface br-lan inet static
    bridge_ports eth0
    bridge_stp off
    bridge_fd 0
    address 192.168.1.11/24
    gateway 192.168.1.1
iface br-lan inet6 auto
iface eth01 inet manual
"""
    assert pi.machine.run("cat /etc/network/interfaces.before-br-lan").stdout == INTERFACES
    assert [line for line in pi.told() if line.startswith("dhclient")] == [
        "dhclient -x -pf /run/dhclient.eth0.pid eth0",
        "dhclient -pf /run/dhclient.br-lan.pid br-lan"]


def test_confirmed_with_ifupdown_in_two_files(pi):
    """The bridge comes up at the next boot, wherever it is said that the card does."""
    pi.machine.run("cd /etc/network; mkdir interfaces.d if-pre-up.d; touch if-pre-up.d/bridge; "
                   "printf 'auto lo eth0 eth0:1\\n' >interfaces; "
                   "printf 'iface eth0 inet dhcp\\n' >interfaces.d/eth0; "
                   "printf 'iface eth0:1 inet static\\n' >>interfaces.d/eth0")
    confirm(pi)
    assert pi.machine.output("cat /etc/network/interfaces") == "auto lo br-lan br-lan:1\n"
    stanza = pi.machine.output("cat /etc/network/interfaces.d/eth0")
    assert stanza.startswith("iface br-lan inet dhcp\n    bridge_ports eth0\n")
    assert stanza.endswith("\niface br-lan:1 inet static\n")


def test_confirmed_with_networkd(pi):
    pi.stand_in("systemctl", "exit 0")
    pi.machine.run("printf '[Match]\\nName=eth0\\n\\n[Network]\\nDHCP=ipv4\\n[DHCPv4]\\n"
                   "UseDNS=no\\n' >/etc/systemd/network/20-eth0.network")
    pi.stand_in("networkctl", """[ $1 != status ] || cat <<EOF
  Network File: /etc/systemd/network/20-eth0.network
       DHCP4 Client ID: IAID:0x9b2f7c01/DUID
EOF""")
    confirm(pi)
    folder = "/etc/systemd/network"
    mac = pi.machine.output("cat /sys/class/net/eth0/address").strip()
    assert pi.machine.run(f"cat {folder}/05-br-lan.netdev").stdout == (
        f"[NetDev]\nName=br-lan\nKind=bridge\nMACAddress={mac}\n[Bridge]\nSTP=no\n"
        "ForwardDelaySec=0\n")
    assert pi.machine.run(f"cat {folder}/05-br-lan-eth0.network").stdout == (
        "[Match]\nName=eth0\n[Network]\nBridge=br-lan\n")
    assert pi.machine.run(f"cat {folder}/05-br-lan.network").stdout == (
        "[Match]\nName=br-lan\n[Network]\nDHCP=ipv4\n[DHCPv4]\nUseDNS=no\n"
        "[DHCPv4]\nIAID=2603580417\n")
    assert pi.told()[-1] == "networkctl reload"


NETWORKMANAGER = """case "$*" in
"-t -f RUNNING general") echo running ;;
"-t -f DEVICE connection show --active") printf 'lo\\neth0\\n' ;;
"-t -f NAME connection show") printf 'br-lan\\nWired connection 1\\n' ;;
"-t -f UUID,DEVICE connection show --active") printf 'u-lo:lo\\nu-eth:eth0\\n' ;;
"-g ipv4.method connection show u-eth") echo manual ;;
"-g ipv4.addresses connection show u-eth") echo 192.168.1.11/24 ;;
"-g ipv6.addresses connection show u-eth") echo '2001\\:db8\\:\\:1/64' ;;
"-g connection.autoconnect connection show u-eth") echo yes ;;
"%s"*) %s ;;
esac"""
ADD = "connection add"
UP = "--wait 30 connection up lansplice-br-lan"
HURRIED_UP = UP.replace("30", "2")
BACK = ["nmcli connection delete lansplice-br-lan", "nmcli connection delete lansplice-eth0",
        "nmcli connection modify u-eth connection.autoconnect yes",
        "nmcli --wait 2 connection up u-eth"]


def changes(pi):
    """What NetworkManager is told, but for questions."""
    return [line for line in pi.told() if re.search(r" (add|modify|delete|up) ", line)]


def test_confirmed_with_networkmanager(pi):
    pi.stand_in("nmcli", NETWORKMANAGER % (UP, "exit 0"))
    confirm(pi)
    mac = pi.machine.output("cat /sys/class/net/eth0/address").strip()
    assert changes(pi) == [
        "nmcli connection add type bridge ifname br-lan con-name lansplice-br-lan bridge.stp no "
        f"bridge.mac-address {mac} connection.autoconnect-slaves 1 connection.autoconnect no",
        "nmcli connection modify lansplice-br-lan ipv4.method manual "
        "ipv4.addresses 192.168.1.11/24 ipv6.addresses 2001:db8::1/64",
        "nmcli connection add type ethernet ifname eth0 con-name lansplice-eth0 master br-lan",
        "nmcli connection modify u-eth connection.autoconnect no",
        "nmcli connection modify lansplice-br-lan connection.autoconnect yes",
        f"nmcli {UP}", "nmcli --wait 30 connection up lansplice-eth0"]


def test_not_confirmed_when_it_cannot_be_written_down(pi):
    """All is as it was, so that one begins anew."""
    before = pi.state()
    pi.stand_in("nmcli", NETWORKMANAGER % (ADD, "echo no room; exit 4"))
    pi.bridge("--seconds", "30")
    done = pi.bridge("--confirm", check=False)
    assert done.returncode == 1 and "all is as it was" in done.stderr and "kept." not in done.stdout
    assert pi.state() == before and pi.is_alive()
    assert "nothing was begun" in pi.bridge("--confirm", check=False).stderr
    assert not pi.machine.ok("pgrep -f 'sleep [13]'")


def test_what_takes_over_cuts_the_line(pi):
    """NetworkManager has the bridge, and no addresses: nobody confirms, and all comes back."""
    before = pi.state()
    pi.hurry()
    pi.stand_in("nmcli", NETWORKMANAGER % (HURRIED_UP, "ip addr flush dev br-lan"))
    pi.bridge("--seconds", "30")
    done = pi.bridge("--seconds", "5", "--confirm", check=False)
    assert done.returncode == 1 and "once more" in done.stderr and "kept." not in done.stdout
    wait_for(lambda: not pi.machine.ok("test -e /run/bridge-eth0"), 10, "the way back")
    assert pi.state() == before and pi.is_alive(20)
    assert changes(pi)[-4:] == BACK


def test_what_takes_over_hangs_and_the_session_dies(pi):
    before = pi.state()
    pi.hurry()
    pi.stand_in("nmcli", NETWORKMANAGER % (HURRIED_UP, "ip link set br-lan down; kill -9 $PPID"))
    pi.bridge("--seconds", "30")
    assert pi.bridge("--seconds", "3", "--confirm", check=False).returncode < 0
    wait_for(lambda: not pi.machine.ok("test -e /run/bridge-eth0"), 10, "the way back")
    assert pi.state() == before and pi.is_alive(20)
    assert changes(pi)[-4:] == BACK


def test_other_addresses_are_kept_by_who_confirms_twice(pi):
    """What was written is not written again."""
    pi.hurry()
    pi.stand_in("nmcli", NETWORKMANAGER % (
        HURRIED_UP, "ip -4 addr flush dev br-lan; ip addr add 192.168.1.77/24 dev br-lan"))
    pi.bridge("--seconds", "30")
    assert "once more" in pi.bridge("--seconds", "4", "--confirm", check=False).stderr
    assert "kept." in pi.bridge("--confirm").stdout
    time.sleep(5)
    assert "192.168.1.77" in pi.machine.output("ip addr show dev br-lan")
    assert sum(ADD in line for line in changes(pi)) == 2
    assert "nothing was begun" in pi.bridge("--undo", check=False).stderr


def test_confirmed_after_one_that_was_cut_short(pi):
    """It takes back what that has written, and writes it once; of the former connection it knows
    although that is not the card's any more."""
    pi.hurry()
    pi.stand_in("nmcli", NETWORKMANAGER % (HURRIED_UP, "kill -9 $PPID"))
    pi.bridge("--seconds", "30")
    assert pi.bridge("--confirm", check=False).returncode < 0
    pi.stand_in("nmcli", (NETWORKMANAGER % (HURRIED_UP, "exit 0")).replace("u-eth:eth0", ""))
    assert "kept." in pi.bridge("--confirm").stdout and pi.is_alive()
    told = [word for line in changes(pi) for word in line.split() if word in ("add", "delete")]
    assert told == ["add", "add", "delete", "delete", "add", "add"]


@pytest.mark.parametrize("manager", ["networkd", "ifupdown"])
def test_files_are_as_they_were_after_a_line_that_was_cut(pi, manager):
    before = pi.state()
    pi.hurry()
    cut = "[ $1 = status ] || ip addr flush dev br-lan"
    if manager == "networkd":
        pi.stand_in("systemctl", "exit 0")
        pi.stand_in("networkctl", cut)
    else:
        pi.machine.run(["/bin/sh", "-c", 'printf "%s" "$0" >/etc/network/interfaces', INTERFACES])
        pi.machine.run("mkdir /etc/network/if-pre-up.d; touch /etc/network/if-pre-up.d/bridge "
                       "/run/dhclient.eth0.pid")
        pi.stand_in("dhclient", "case $1 in -pf) touch $2; ip addr flush dev br-lan ;; "
                                "*) rm $3 ;; esac")
    list_files = "cd /etc; find network systemd -type f | sort | xargs cat 2>/dev/null || :"
    files = pi.machine.run(list_files).stdout
    pi.bridge("--seconds", "30")
    assert "once more" in pi.bridge("--seconds", "10", "--confirm", check=False).stderr
    assert pi.machine.run(list_files).stdout != files
    wait_for(lambda: not pi.machine.ok("test -e /run/bridge-eth0"), 15, "the way back")
    assert pi.machine.run(list_files).stdout == files
    assert pi.state() == before and pi.is_alive(20)
    assert pi.told()[-1] == ("networkctl reload" if manager == "networkd"
                             else "dhclient -pf /run/dhclient.eth0.pid eth0")
