# SPDX-License-Identifier: MIT
"""packaging/examples/bridge-eth0 under the real NetworkManager, as Raspberry Pi OS has it, and the
real systemd-networkd: each has a card with an address, by hand or by DHCP, before the bridge comes.

Nothing is booted here: a boot is that the manager begins on a card that has nothing.
"""
import time

import pytest

from machine import wait_for
from programs import serve_dhcp
from test_bridge_eth0 import Pi

pytestmark = pytest.mark.cable

SETTLED_S = 5  # what a manager does about a change it does within this time


class Managed(Pi):
    """The Pi, whose card belongs to a manager."""

    def __init__(self, home, dhcp):
        if dhcp:
            serve_dhcp(home, 11, 11)  # who is h1
        super().__init__(home)
        self.dhcp, self.router_ip = dhcp, home.router_ip
        run = self.machine.run
        run(f"rm /run/bin/{self.program}; mkdir -p /run/dbus; mount -o remount,ro /sys")  # no udev
        run("dbus-daemon --system --fork --nopidfile")
        self.configure()
        self.boot()

    def boot(self):
        """The manager begins, and its card has nothing."""
        run = self.machine.run
        run("ip link del br-lan 2>/dev/null || :; ip addr flush dev eth0; ip link set eth0 down")
        self.manager = self.machine.start(self.command, name=self.program)
        self.is_alive(30)

    def end(self):
        self.manager.stop()

    def ports(self):
        return self.machine.output("ls /sys/class/net/br-lan/brif").split()


class UnderNetworkManager(Managed):
    program, command = "nmcli", ["NetworkManager", "--debug"]  # which means: into our log
    bridged = {"lansplice-br-lan:br-lan", "lansplice-eth0:eth0"}
    plain = {"home:eth0"}

    def configure(self):
        run = self.machine.run
        run("mount -t tmpfs tmpfs /etc/NetworkManager; mkdir -p /var/lib/NetworkManager "
            "/etc/NetworkManager/system-connections /etc/NetworkManager/conf.d")
        method = "method=auto" if self.dhcp else \
            f"method=manual\naddress1={self.ip}/24,{self.router_ip}"
        run(["/bin/sh", "-c", "umask 077; printf '%s' \"$1\" >"
             "/etc/NetworkManager/system-connections/home.nmconnection", "sh", f"""[connection]
id=home
uuid=8d6c5a2e-2c5a-4a3e-9d35-0d2f7f6f2b11
type=ethernet
interface-name=eth0
[ipv4]
{method}
[ipv6]
method=auto
"""])
        run("printf '[main]\\nplugins=keyfile\\ndns=none\\nrc-manager=unmanaged\\n[connectivity]\\n"
            "enabled=false\\n' >/etc/NetworkManager/NetworkManager.conf")

    def active(self):
        """Its connections, but that of the loopback interface."""
        shown = self.machine.output("nmcli -t -f NAME,DEVICE connection show --active")
        return set(shown.splitlines()) - {"lo:lo"}


class UnderNetworkd(Managed):
    program, command = "networkctl", ["/lib/systemd/systemd-networkd"]
    bridged = {"/etc/systemd/network/05-br-lan-eth0.network",
               "/etc/systemd/network/05-br-lan.network"}
    plain = {"/etc/systemd/network/20-home.network"}

    def configure(self):
        run = self.machine.run
        self.stand_in("systemctl", "exit 0")  # it is active, says who does not run here
        run("mkdir -p /run/systemd/netif/links /run/systemd/netif/leases /run/systemd/netif/lldp; "
            "chown -R systemd-network: /run/systemd/netif; mkdir -p /etc/systemd/network")
        how = "DHCP=ipv4" if self.dhcp else f"Address={self.ip}/24\nGateway={self.router_ip}"
        run(["/bin/sh", "-c", "printf '%s' \"$1\" >/etc/systemd/network/20-home.network", "sh",
             f"[Match]\nName=eth0\n[Network]\n{how}\n"])

    def active(self):
        """Which of its files each interface has."""
        return {self.machine.output(f"networkctl status {card} | sed -n 's/.*Network File: *//p'")
                .strip() for card in ("eth0", "br-lan") if self.machine.ok(f"ip link show {card}")}


@pytest.fixture(params=[UnderNetworkManager, UnderNetworkd])
def manager(request):
    return request.param


@pytest.fixture(params=[False, True], ids=["by-hand", "dhcp"])
def pi(a, manager, request):
    pi = manager(a, request.param)
    yield pi
    pi.end()


def test_it_goes_on(pi):
    pi.bridge("--seconds", "60")
    time.sleep(SETTLED_S)
    assert pi.is_alive() and pi.ports() == ["eth0"]
    pi.bridge("--confirm")
    assert pi.is_alive()
    assert pi.active() == pi.bridged
    time.sleep(SETTLED_S)
    assert pi.is_alive() and pi.ports() == ["eth0"]
    pi.end()
    pi.boot()
    assert pi.is_alive() and pi.ports() == ["eth0"] and pi.active() == pi.bridged


def test_it_comes_back(pi):
    pi.bridge("--seconds", "6")
    assert pi.is_alive()
    wait_for(lambda: not pi.machine.ok("test -e /run/bridge-eth0"), 40, "the way back")
    time.sleep(SETTLED_S)
    assert pi.is_alive(20)
    assert pi.active() == pi.plain and not pi.machine.ok("ip link show br-lan")
