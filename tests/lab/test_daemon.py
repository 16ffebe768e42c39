# SPDX-License-Identifier: MIT
"""What the daemon does to a router: its TAP, its bridge, its sockets, its rights; and undoes."""
import os
import signal
import socket
import subprocess
import time

import pytest

from control import CONTROL, inside, talk
from lansplice import BINARY, preload, tool
from links import TAP, differences, is_in, link_of, links, port
from machine import wait_for

# ---- starting and ending ----

def test_port_settings(alone, a):
    alone.start()
    settings = port(a.router)
    on = {"learning", "flood", "mcast_flood", "bcast_flood", "guard"}
    off = {"hairpin", "isolated", "fastleave", "neigh_suppress", "mcast_to_unicast", "root_block"}
    assert {name for name in on if not settings[name]} == set()
    assert {name for name in off if settings[name]} == set()
    assert settings["multicast_router"] == 2
    link = link_of(a.router)
    assert link["address"].startswith("fe:ff:") and link["mtu"] == 1500
    assert link["inet6_addr_gen_mode"] == "none" and link["addr_info"] == []
    assert link_of(a.router, "br-lan")["address"] != link["address"]


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_all_is_undone(alone, a, sig):
    before = links(a.router)
    alone.start()
    assert TAP in links(a.router)
    assert alone.process.kill(sig) == 0
    assert differences(before, links(a.router)) == {}
    assert not os.path.exists(inside(a.router, CONTROL))


def test_the_bridge_keeps_its_address(alone, a):
    """Even that of a container, whose address is as high as a random one may well be."""
    a.router.run("ip link set h1 address fe:fe:ff:ff:ff:ff")
    before = link_of(a.router, "br-lan")["address"]
    assert before == "fe:fe:ff:ff:ff:ff"
    alone.start()
    assert is_in(a.router, "br-lan")
    assert link_of(a.router, "br-lan")["address"] == before
    assert alone.stop() == 0
    assert link_of(a.router, "br-lan")["address"] == before


def test_bridge_without_other_ports(lab, a):
    """It takes its MAC from the TAP and would have none afterwards."""
    before = link_of(a.router, "br-lan")
    daemon = lab.daemon(a).start()
    assert link_of(a.router, "br-lan")["address"] == a.router.mac(TAP)
    assert daemon.process.stop() == 0
    after = link_of(a.router, "br-lan")
    assert (after["address"], after["mtu"]) == (before["address"], before["mtu"])


def test_mac_is_the_same_after_each_start(alone, a):
    alone.start()
    mac = a.router.mac(TAP)
    alone.stop()
    alone.restart()
    assert a.router.mac(TAP) == mac


@pytest.mark.parametrize("prepare", [
    "",
    f"ip link set {TAP} mtu 1450 txqueuelen 77 address 02:00:5e:00:53:01",
    f"ip link set {TAP} up",
    f"ip link set {TAP} up master br-lan; bridge link set dev {TAP} hairpin on mcast_flood off",
    f"ip link add br-other type bridge; ip link set {TAP} master br-other addrgenmode none",
], ids=["plain", "changed", "up", "in-the-bridge", "in-another-bridge"])
def test_persistent_tap_is_given_back(alone, a, prepare):
    a.router.run(f"ip tuntap add {TAP} mode tap")
    a.router.run(prepare or "true")
    before = links(a.router)
    alone.start()
    assert is_in(a.router, "br-lan")
    assert link_of(a.router)["mtu"] == 1500
    assert alone.stop() == 0
    after = links(a.router)
    for found in before, after:  # the kernel gives it fe80:: when a program first holds it
        del found[TAP]["addr_info"]
    assert differences(before, after) == {}


def test_refused_starts_leave_nothing(alone, a):
    before = links(a.router)
    alone.site["bridge"] = "br-none"
    alone.fails(1, "br-none", "bridge")
    alone.site["bridge"] = "wan"
    alone.fails(1, "wan", "not a bridge")
    alone.site["bridge"] = "br-lan"
    alone.site["tap"] = "wan"
    alone.fails(1, "wan", "taken")
    alone.site["tap"] = TAP
    alone.site["control"] = "/run/none/sock"
    alone.fails(1, "/run/none/sock")
    alone.site["control"] = CONTROL
    with a.router.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("0.0.0.0", 7788))
        alone.fails(1, "7788", "in use")
    with a.router.socket(socket.AF_INET6, socket.SOCK_DGRAM) as other:
        other.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        other.bind(("::", 7788))
        alone.fails(1, "7788", "in use")
    alone.site["ttl_repair"] = "nonsense"
    alone.fails(2, "nonsense")
    assert differences(before, links(a.router)) == {}
    assert not os.path.exists(inside(a.router, CONTROL))


def test_tap_of_another_kind_or_process(alone, a):
    a.router.run(f"ip tuntap add {TAP} mode tun")
    alone.fails(1, TAP, "not a plain TAP")
    a.router.run(f"ip tuntap del {TAP} mode tun")
    alone.start()
    alone.site.update(port=7789, control="/run/other.sock")
    alone.fails(1, TAP, "in use")


def test_no_ipv6(alone, a):
    a.router.run("for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 >$f; done")
    alone.start()
    assert is_in(a.router, "br-lan")


def test_without_root(alone, a):
    alone.write()
    for folder in [alone.folder, *alone.folder.parents]:
        if folder.stat().st_uid == 0 and folder != folder.parent and "pytest" in str(folder):
            folder.chmod(0o755)
    a.router.run(f"chown -R 12345 {alone.folder}")
    done = a.router.run(["setpriv", "--reuid", "12345", "--clear-groups", BINARY, "-c", alone.path,
                         "run"], check=False, seconds=10)
    assert done.returncode == 1 and "root" in done.stderr, done.stderr


# ---- staying attached ----

@pytest.fixture
def spliced(lab, a, b):
    a.host("h1")
    b.host("h1")
    lab.splice(a, b)
    wait_for(lambda: crosses(a, b), 5, "a ping")
    return a.lansplice


def crosses(a, b):
    return a.host("h1").ping(b.host("h1").ip)


def test_bridge_made_again(spliced, a, b):
    handshakes = spliced.counter("handshakes")
    a.router.run("ip link del br-lan")
    wait_for(lambda: not spliced.status()["bridge_attached"], 3, "the bridge to be missed")
    assert spliced.process.running
    a.router.run(f"""
        ip link add br-lan type bridge mcast_snooping 0 forward_delay 0
        ip link set h1 master br-lan
        ip link set br-lan up
        ip addr add {a.router_ip}/24 dev br-lan""")
    wait_for(lambda: is_in(a.router, "br-lan"), 3, "the TAP to be back")
    wait_for(lambda: crosses(a, b), 5, "a ping")
    assert port(a.router)["multicast_router"] == 2
    assert spliced.status()["bridge_attached"]
    assert spliced.counter("handshakes") == handshakes


def test_tap_taken_out_and_deleted(spliced, a, b):
    a.router.run(f"ip link set {TAP} nomaster")
    wait_for(lambda: is_in(a.router, "br-lan"), 3, "the TAP to be back")
    a.router.run(f"ip link del {TAP}")
    wait_for(lambda: is_in(a.router, "br-lan"), 5, "the TAP to be made again")
    wait_for(lambda: crosses(a, b), 5, "a ping")
    before_end = link_of(a.router, "br-lan")["address"]
    assert spliced.stop() == 0
    assert TAP not in links(a.router)
    assert link_of(a.router, "br-lan")["address"] == before_end


def test_putting_back_is_limited(spliced, a):
    """Another program that insists is not fought with at full speed."""
    end = time.monotonic() + 3
    taken = 0
    while time.monotonic() < end:
        if is_in(a.router, "br-lan"):
            a.router.run(f"ip link set {TAP} nomaster")
            taken += 1
        time.sleep(0.02)
    assert 1 <= taken <= 5


def mtus(machine):
    return link_of(machine)["mtu"], link_of(machine, "br-lan")["mtu"]


def mtus_become(daemon, tap, bridge, lan):
    """The MTUs of TAP and bridge, and what status says every device of the LAN takes."""
    wait_for(lambda: (*mtus(daemon.machine), daemon.status()["lan_mtu"]) == (tap, bridge, lan), 3,
             f"TAP {tap}, bridge {bridge}, LAN {lan}")


def test_mtu_of_the_tap_is_the_largest(alone, a):
    """Nothing disappears at the TAP, and it does not hold down a bridge that follows its ports."""
    a.host("h2")
    before = links(a.router)
    alone.start()
    mtus_become(alone, 1500, 1500, 1500)
    a.router.run("ip link set h1 mtu 1400")  # the bridge follows its smallest port
    mtus_become(alone, 1500, 1400, 1400)
    a.router.run("ip link set h2 mtu 1400")
    mtus_become(alone, 1400, 1400, 1400)
    a.router.run("ip link set h1 mtu 1500; ip link set h2 mtu 1500")
    mtus_become(alone, 1500, 1500, 1500)
    a.router.run("ip link set h2 mtu 1280 down")  # what is down is sent nothing
    mtus_become(alone, 1500, 1280, 1280)  # but the bridge's own MTU follows it
    a.router.run("ip link set h2 mtu 9000")
    mtus_become(alone, 9000, 1500, 1500)
    a.router.run("ip link set h1 mtu 65535; ip link set h2 mtu 65535 up")
    mtus_become(alone, 9216, 9216, 9216)
    a.router.run("ip link set h1 mtu 1500; ip link set h2 mtu 1500")
    mtus_become(alone, 1500, 1500, 1500)
    assert alone.stop() == 0
    assert differences(before, links(a.router)) == {}


def test_mtu_of_the_bridge_is_fixed(alone, a):
    alone.start()
    a.router.run("ip link set br-lan mtu 1300")
    mtus_become(alone, 1500, 1300, 1300)
    a.router.run("ip link set h1 mtu 1280")
    mtus_become(alone, 1300, 1300, 1280)
    a.router.run("ip link set h1 mtu 1500")
    mtus_become(alone, 1500, 1300, 1300)


def test_mtu_without_a_port_and_without_a_bridge(lab, a):
    daemon = lab.daemon(a).start()
    mtus_become(daemon, 1500, 1500, None)
    daemon.stop()
    daemon.site["bridge"] = None
    daemon.start()
    mtus_become(daemon, 1500, 1500, 1500)
    a.router.run(f"ip link set {TAP} mtu 1350")
    mtus_become(daemon, 1350, 1500, 1350)


def test_placed_by_others(alone, a):
    alone.site["bridge"] = None
    alone.start()
    assert "master" not in link_of(a.router)
    assert not alone.status()["bridge_attached"]
    a.router.run(f"ip link set {TAP} master br-lan")
    wait_for(lambda: alone.status()["bridge_attached"], 3, "the bridge to be noticed")
    assert alone.status()["bridge"] == "br-lan"
    assert port(a.router)["multicast_router"] == 2


def test_lost_netlink_messages(alone, a):
    """More changes at once than the kernel keeps for us: all is read again."""
    alone.start()
    alone.process.signal(signal.SIGSTOP)
    a.router.run("ip -batch -", input="\n".join(
        f"addr add 10.{n // 250}.{n % 250}.1/32 dev wan" for n in range(1500)) + "\n")
    a.router.run(f"ip link set {TAP} nomaster")
    alone.process.signal(signal.SIGCONT)
    alone.process.popen.send_signal(signal.SIGCONT)  # nsenter stops with what it runs
    wait_for(lambda: is_in(a.router, "br-lan"), 5, "the TAP to be back")


def test_very_many_links(lab, spliced, a, b):
    """More than any table would hold, and the TAP made again is the last of them."""
    a.router.run("ip -batch -", input="\n".join(
        f"link add d{n} type veth peer name e{n}" for n in range(140)) + "\n")
    a.router.run(f"ip link del {TAP}")
    wait_for(lambda: is_in(a.router, "br-lan"), 5, "the TAP to be made again")
    a.router.run("ip addr add 10.77.1.1/16 dev br-lan")
    wait_for(lambda: "10.77.0.0/16" in told(lab, a, b)[0], 5, "the new prefix")
    wait_for(lambda: crosses(a, b), 5, "a ping")
    assert spliced.log().count("was deleted") == 1


# A daemon whose questions to the kernel fail while there is a file. Nothing else uses sendmsg().
DEAF = """
#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    errno = ENOMEM;
    return access("/run/deaf", F_OK) == 0 ? -1 : syscall(SYS_sendmsg, fd, message, flags);
}
"""


def preload_source(tmp_path, source):
    """The environment of a daemon with these functions before its libraries'."""
    library = tmp_path / "before.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-x", "c", "-", "-o", library],
                   input=source, text=True, check=True)
    options = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    return preload(library, ASAN_OPTIONS=options.lstrip(":"))


def test_kernel_does_not_answer(lab, a, b, tmp_path):
    """All stays as it was, and is read again: no TAP is missed, no prefix withdrawn."""
    daemon = lab.daemon(a, preload_source(tmp_path, DEAF))
    lab.splice(a, b)
    wait_for(lambda: "192.168.1.0/24" in told(lab, a, b)[0], 5, "the prefix")
    before = told(lab, a, b)
    a.router.run("touch /run/deaf; ip addr add 10.77.1.1/16 dev br-lan")
    wait_for(lambda: daemon.log().count("trying again") >= 2, 5, "two attempts")
    assert "was deleted" not in daemon.log()
    assert daemon.status()["bridge_attached"] and told(lab, a, b) == before
    a.router.run("rm /run/deaf")
    wait_for(lambda: "10.77.0.0/16" in told(lab, a, b)[0], 5, "the new prefix")


# A kernel that cannot watch one kind of file: the TAP, or the sockets of UDP over IPv4.
BLIND = """
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
static int option(int fd, int name)
{
    int value = -1;
    socklen_t bytes = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &bytes) == 0 ? value : -1;
}
static int is_udp(int fd)
{
    return option(fd, SO_DOMAIN) == AF_INET && option(fd, SO_TYPE) == SOCK_DGRAM;
}
static int is_tap(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && status.st_rdev == makedev(10, 200);
}
int epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
    errno = ENOSPC;
    return IS_BLIND_TO(fd) ? -1 : (int)syscall(SYS_epoll_ctl, epoll, operation, fd, event);
}
"""


@pytest.mark.parametrize("what,words", [("tap", "the TAP"), ("udp", "the UDP port")])
def test_what_cannot_be_watched(alone, a, tmp_path, what, words):
    """It does not run and carry nothing: it says so, ends, and all is undone."""
    alone.environment = preload_source(tmp_path, BLIND.replace("IS_BLIND_TO", f"is_{what}"))
    alone.test["without"] = "worker"  # the TAP is the loop's then
    before = links(a.router)
    alone.fails(1, f"cannot watch {words}: no space left", "max_user_watches")
    assert differences(before, links(a.router)) == {}
    assert not os.path.exists(inside(a.router, CONTROL))


# ---- what it tells its peer of the LAN ----

def told(lab, a, b):
    status = b.lansplice.peer("a")
    return set(status.get("prefixes", [])), {g["address"] for g in status.get("gateways", [])}


def test_lan_is_told_as_it_changes(lab, spliced, a, b):
    wait_for(lambda: "192.168.1.0/24" in told(lab, a, b)[0], 5, "the prefix")
    wait_for(lambda: a.router_ip in told(lab, a, b)[1], 5, "the router as its own gateway")
    assert not any(p.startswith("fe80") for p in told(lab, a, b)[0])
    a.router.run("ip addr add 10.77.1.1/16 dev br-lan")
    wait_for(lambda: "10.77.0.0/16" in told(lab, a, b)[0], 5, "the new prefix")
    a.router.run("ip addr del 10.77.1.1/16 dev br-lan")
    wait_for(lambda: "10.77.0.0/16" not in told(lab, a, b)[0], 5, "the prefix to go")


def test_box_beside_the_router(lab, spliced, a, b):
    """A default route out of the LAN: the next hop is the gateway, with its own MAC."""
    host = a.host("h1")
    a.router.run(f"""
        ip route add {b.wan_ip}/32 via 192.0.2.17
        ip route replace default via {host.ip}
        ping -c 1 -W 1 {host.ip} >/dev/null""")

    def gateway():
        gateways = spliced_gateways(b)
        return gateways.get(host.ip) == host.mac() and a.router_ip not in gateways

    def spliced_gateways(home):
        return {g["address"]: g["mac"] for g in home.lansplice.peer("a").get("gateways", [])}
    wait_for(gateway, 5, "the next hop to be the gateway")


# ---- reload ----

def test_reload_keeps_sessions(lab, spliced, a, b):
    handshakes = spliced.counter("handshakes")
    spliced.peers["b"]["keepalive"] = 7
    spliced.peers["c"] = {"public_key": some_key(), "endpoint": "192.0.2.99:7788"}
    spliced.site["ttl_repair"] = "off"
    spliced.write()
    spliced.reload()
    wait_for(lambda: spliced.peer("c"), 3, "the new peer")
    assert spliced.peer("c")["state"] != "up"
    assert spliced.is_up("b") and spliced.counter("handshakes") == handshakes
    assert crosses(a, b)
    del spliced.peers["c"]
    spliced.write()
    spliced.reload()
    wait_for(lambda: not spliced.peer("c"), 3, "the peer to go")
    assert spliced.is_up("b") and crosses(a, b)
    del spliced.peers["b"]
    spliced.write()
    assert talk(a.router, '{"command":"reload"}\n') == [{"ok": True}]
    assert spliced.status()["peers"] == []
    wait_for(lambda: not crosses(a, b), 5, "no way to the peer that was removed")


def some_key():
    return tool("pubkey", input=tool("genkey"))


def test_bad_configuration_is_refused_whole(spliced, a, b):
    spliced.peers["b"]["keepalive"] = 7
    spliced.site["guard"] = "nonsense"
    spliced.write()
    spliced.reload()
    wait_for(lambda: "not reloaded" in spliced.log(), 3, "the refusal")
    answer = talk(a.router, '{"command":"reload"}\n')[0]
    assert answer["ok"] is False and "nonsense" in answer["error"]
    del spliced.site["guard"]
    spliced.write()  # status needs a good file
    assert spliced.is_up("b") and crosses(a, b)


def test_restart_is_asked_for(spliced):
    spliced.site.update(port=7799, name="renamed")
    spliced.write()
    spliced.reload()
    wait_for(lambda: "'port' has changed" in spliced.log(), 3, "the warning")
    assert "'name' has changed" in spliced.log()
    assert spliced.status()["name"] == "a"


# ---- status ----

def test_status_without_a_daemon(alone):
    alone.write()
    done = alone.command("status", check=False)
    assert done.returncode == 1 and CONTROL in done.stderr and "lansplice run" in done.stderr


def test_status_for_people(spliced, b):
    shown = spliced.command("status").stdout
    assert f"{b.wan_ip}:7788" in shown and "direct4" in shown and "br-lan" in shown
    lines = shown.splitlines()
    head = next(n for n, line in enumerate(lines) if line.startswith("PEER"))
    column = lines[head].index("STATE")
    assert lines[head + 1].startswith("b ") and lines[head + 1][column:].startswith("up ")


# ---- rights ----

def status_of(daemon):
    with open(f"/proc/{daemon.process.pid}/status") as status:
        return dict(line.split(":", 1) for line in status)


def test_rights_are_reduced(alone):
    alone.start()
    fields = {key: value.strip() for key, value in status_of(alone).items()}
    net_admin = f"{1 << 12:016x}"
    assert fields["CapEff"] == fields["CapPrm"] == fields["CapBnd"] == net_admin
    assert int(fields["CapInh"], 16) == int(fields["CapAmb"], 16) == 0
    assert fields["NoNewPrivs"] == "1"
    with open(f"/proc/{alone.process.pid}/limits") as limits:
        core = next(line for line in limits if line.startswith("Max core"))
    assert core.split()[4:6] == ["0", "0"]


def test_threads_have_no_more_rights(alone):
    """The resolver's threads began after the reduction."""
    alone.peers["far"] = {"public_key": some_key(), "endpoint": "name.invalid:7788"}
    alone.start()
    tasks = f"/proc/{alone.process.pid}/task"
    wait_for(lambda: len(os.listdir(tasks)) > 1, 5, "a thread that resolves")
    for task in os.listdir(tasks):
        with open(f"{tasks}/{task}/status") as status:
            assert f"CapEff:\t{1 << 12:016x}" in status.read()


def test_ends_at_once_while_names_resolve(alone, a):
    """DNS that never answers must not hold up the end."""
    alone.peers["far"] = {"public_key": some_key(), "endpoint": "name.example:7788"}
    a.router.run("mkdir -p /run/etc && cp /etc/nsswitch.conf /run/etc/ 2>/dev/null || true")
    a.router.run(f"""
        echo 'nameserver 192.0.2.{16 * a.number + 1}' >/run/resolv.conf
        mount --bind /run/resolv.conf /etc/resolv.conf""")
    a.rule("udp dport 53 drop", "output")
    a.isp.run("nft 'add chain inet rules input { type filter hook input priority 0; }'; "
              "nft add rule inet rules input udp dport 53 drop")
    alone.start()
    time.sleep(0.3)
    begin = time.monotonic()
    assert alone.process.kill(signal.SIGTERM) == 0
    assert time.monotonic() - begin < 2
    assert TAP not in links(a.router)


# ---- what is kept ----

def test_endpoint_is_kept(lab, a, b):
    """The end that was never told where its peer is can call it after a restart."""
    lab.introduce(a, b, both=False)
    a.lansplice.start()
    b.lansplice.start()
    b.lansplice.wait_up()
    kept = b.lansplice.folder / "state/endpoints"
    wait_for(lambda: kept.exists() and a.wan_ip in kept.read_text(), 3, "the endpoint on disk")
    b.lansplice.kill()
    a.lansplice.stop()
    a.lansplice.peers["b"]["endpoint"] = None
    (a.lansplice.folder / "state/endpoints").unlink()
    a.lansplice.start()
    b.lansplice.restart()
    b.lansplice.wait_up()
    a.lansplice.wait_up()


def test_invitation_ends_unused(lab, a, b):
    """It alone goes; who has joined meanwhile stays, though the files of the start knew nobody."""
    inviter, joiner = lab.daemon(a), lab.daemon(b)
    inviter.test["token_lifetime_ms"] = 4000
    inviter.start()
    joiner.start()
    token = inviter.command("invite", "b", "--endpoint", a.endpoint()).stdout
    inviter.command("invite", "nobody")
    joiner.command("join", "-", input=token)
    inviter.wait_up("b", seconds=3)
    assert inviter.peer("nobody")["invited"]
    wait_for(lambda: not inviter.peer("nobody"), 8, "the invitation to end")
    assert not (inviter.folder / "state/invites/nobody").exists()
    assert "ended unused" in inviter.log()
    assert inviter.is_up("b")
