# SPDX-License-Identifier: MIT
"""The example by which a machine beside the router gets a bridge: systemd-networkd's, run here.

ifupdown's is tested in test_debian.py, in a system that has it.
"""
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "lab"))

from lansplice import TOP, Lansplice, is_built  # noqa: E402
from machine import Machine, link, wait_for  # noqa: E402

NETWORKD = Path("/lib/systemd/systemd-networkd")

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
    pytest.mark.skipif(not is_built(), reason="the program is not built"),
    pytest.mark.skipif(not NETWORKD.exists(), reason="systemd-networkd is not installed"),
]


@pytest.fixture
def box(tmp_path):
    """A machine whose eth0 goes to a router that gives out addresses."""
    router, box = Machine("router", tmp_path), Machine("box", tmp_path)
    link(router, "lan0", box, "eth0")
    box.run("ip link set eth0 down")
    router.run("ip addr add 192.168.1.1/24 dev lan0")
    router.start("dnsmasq -k -p 0 -i lan0 --dhcp-range=192.168.1.10,192.168.1.20 "
                 "--dhcp-leasefile=/run/leases --pid-file=/run/dnsmasq.pid")
    yield box
    box.close()
    router.close()


def in_bridge(box):
    return {port["ifname"]: port["state"] for port in json.loads(box.output("bridge -j link"))
            if port.get("master") == "br-lan"}


def has_address(box):
    return "192.168.1." in box.output("ip -4 -o addr show dev br-lan 2>/dev/null || true")


def test_networkd(box, tmp_path):
    # Without udev, networkd takes interfaces as they are when /sys is read-only: a container's way.
    box.run(f"""
        mkdir -p /run/systemd/network /run/systemd/netif
        cp {TOP}/packaging/examples/networkd/* /run/systemd/network/
        chown -R systemd-network: /run/systemd/netif
        mount -o remount,ro /sys""")
    networkd = box.start([NETWORKD])
    wait_for(lambda: has_address(box) or not networkd.running, 20, "the lease")
    assert in_bridge(box) == {"eth0": "forwarding"}, networkd.log()
    daemon = Lansplice(box, "box", tmp_path)
    daemon.site["bridge"] = None
    daemon.start()
    wait_for(lambda: in_bridge(box).get("lansplice0") == "forwarding", 10, "the TAP in the bridge")
    assert "mcast_router 2" in box.output("bridge -d link show dev lansplice0")
    wait_for(lambda: daemon.status()["bridge_attached"], 5, "lansplice to see it")
    assert daemon.stop() == 0
    assert in_bridge(box) == {"eth0": "forwarding"} and has_address(box)
