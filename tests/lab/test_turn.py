# SPDX-License-Identifier: MIT
"""The last way: datagrams through a real TURN server, coturn, with authentication."""
import time

from coturn import Coturn
from lansplice import write_secret
from machine import link, wait_for
from nats import cut, mend, paths, place
from streams import Stream

PASSWORD = "correct horse 5301"
MARK = "6c616e73706c696365"  # what pings carry, as `ping -p` takes it
UP_S = 15
ELSEWHERE_S = 3
DIRECT_AGAIN_S = 60
NEXT_S = 15  # 3 s unanswered, 5 s until it is given up, 5 s more when the next is silent, too


def serve(lab, number=1, password=PASSWORD, **options):
    """A TURN server beyond the network that the homes' providers share."""
    machine = lab.machine(f"turn{number}")
    link(lab.wan, f"to-turn{number}", machine, "eth0")
    near, ip = f"203.0.113.{4 * number + 1}", f"203.0.113.{4 * number + 2}"
    lab.wan.run(f"ip addr add {near}/30 dev to-turn{number}")
    machine.run(f"ip addr add {ip}/30 dev eth0\nip route add default via {near}")
    server = Coturn(machine, {"home": password}, addresses=[ip], **options)
    server.ip = ip
    return server


def use(home, *servers, passwords=(PASSWORD,)):
    """The home's daemon, not started, asks these servers for a relay."""
    daemon = home.lab.daemon(home)
    secret = write_secret(daemon.folder / "turn.secret", "\n".join(passwords))
    daemon.site.update(turn=[f"turn:home@{server.ip}" for server in servers], turn_secret=secret)
    return daemon


def states(daemon):
    return daemon.status().get("nat", {}).get("turn", [])


def relayed(daemon):
    """Where the relay is that the daemon has, if it has one."""
    return next((server["relayed"] for server in states(daemon) if server["relayed"]), None)


def wait_relayed(daemon, server, seconds=NEXT_S):
    return wait_for(lambda: (relayed(daemon) or "").startswith(f"{server.ip}:") and relayed(daemon),
                    seconds, f"a relay at {server.ip}")


def splice_through(lab, a, b, server):
    """Two homes that no direct path can join; b learns where a's relay is by word of mouth."""
    place(a, "symmetric")
    place(b, "symmetric")
    use(a, server)
    lab.introduce(a, b)
    a.lansplice.start()
    b.lansplice.peers["a"]["endpoint"] = wait_relayed(a.lansplice, server)
    b.lansplice.start()
    for home, other in (a, "b"), (b, "a"):
        home.lansplice.wait_up(other, seconds=UP_S)


def test_two_symmetric_nats(lab, a, b):
    """It carries, both ends call it a relay, the server sees sealed datagrams only; and it is given
    back at the end."""
    server = serve(lab)
    seen = lab.capture(server.host, "eth0", "udp")
    hosts = a.host("h1"), b.host("h1")
    splice_through(lab, a, b, server)
    assert [d.peer(n)["path"] for d, n in ((a.lansplice, "b"), (b.lansplice, "a"))] == ["relay"] * 2
    for one, other in hosts, hosts[::-1]:
        assert one.ping(other.ip, count=5, options=f"-p {MARK}")
        assert one.ping(other.ip, count=3, options=f"-s 1472 -p {MARK}")
    frames = [bytes(frame) for frame in seen.frames()]
    assert len(frames) > 2 * 2 * 8
    assert not [frame for frame in frames if bytes.fromhex(MARK) in frame]
    assert not server.released()
    begin = time.monotonic()
    a.lansplice.stop()
    assert time.monotonic() - begin < 3
    assert server.released() == server.allocated() != set()


def test_a_relay_that_has_only_ipv6(lab, a, b):
    """Nothing passes between two homes that have IPv6 alone, but through such a server."""
    machine = lab.machine("turn6")
    link(lab.wan, "to-turn6", machine, "eth0")
    lab.wan.run("ip addr add 2001:db8:ffff::1/64 dev to-turn6 nodad")
    machine.run("ip addr add 2001:db8:ffff::2/64 dev eth0 nodad\n"
                "ip -6 route add default via 2001:db8:ffff::1")
    server = Coturn(machine, {"home": PASSWORD}, addresses=["2001:db8:ffff::2"])
    server.ip = "[2001:db8:ffff::2]"
    hosts = a.host("h1"), b.host("h1")
    for home in a, b:
        place(home, "ip6fw")
    cut(a, b, families=[6])
    use(a, server)
    lab.introduce(a, b, family=6)
    a.lansplice.start()
    b.lansplice.peers["a"]["endpoint"] = wait_relayed(a.lansplice, server)
    b.lansplice.start()
    for home, other in (a, "b"), (b, "a"):
        home.lansplice.wait_up(other, seconds=UP_S)
    assert paths(a, b) == ["relay"] * 2
    for one, other in hosts, hosts[::-1]:
        assert one.ping(other.ip, count=5)
        assert one.ping(other.ip, count=3, options="-s 1472")


def test_the_direct_path_is_cut(lab, a, b):
    """The relay is there when it is needed, and left when it is not any more."""
    server = serve(lab)
    place(a, "eim")
    place(b, "eim")
    use(a, server)
    a.host("h1"), b.host("h1")
    lab.splice(a, b)
    wait_relayed(a.lansplice, server)
    wait_for(lambda: paths(a, b) == ["direct4"] * 2, UP_S, "a direct path")
    stream = Stream(b.host("h1"), a.host("h1"), 5001, 0.01)
    stream.wait_flowing(10)
    time.sleep(2)
    cut(a, b)
    moment = time.monotonic()
    assert stream.back_after(moment + 0.05, 2 * ELSEWHERE_S) <= ELSEWHERE_S
    wait_for(lambda: paths(a, b) == ["relay"] * 2, ELSEWHERE_S, "the relay at both ends")
    mend(a)
    wait_for(lambda: paths(a, b) == ["direct4"] * 2, DIRECT_AGAIN_S, "the direct path")
    stream.stop()


def test_wrong_password(lab, a):
    """It is said once, where and what to do; and the password is not."""
    server = serve(lab)
    daemon = use(a, server, passwords=["not " + PASSWORD]).start()
    wait_for(lambda: states(daemon)[0]["state"] == "failed", 5, "the failure")
    time.sleep(2)
    told = [line for line in daemon.log().splitlines() if "TURN" in line]
    assert len(told) == 1 and told[0].startswith("warn: "), told
    for word in f"{server.ip}:3478", "401", "user or password", "turn-secret":
        assert word in told[0]
    assert "password" in states(daemon)[0]["error"]
    assert PASSWORD not in daemon.log()
    assert not server.allocated()


def test_the_next_server(lab, a, b):
    """Each with a password of its own. One that is gone is left for the next, and the first is
    taken again when that goes, too."""
    servers = [serve(lab, n, password) for n, password in ((1, "one"), (2, "two"))]
    daemon = use(a, *servers, passwords=["one", "two"])
    lab.introduce(a, b)  # b does not run: it is called through the relay all the time
    daemon.start()
    for gone, there in servers, servers[::-1]:
        wait_relayed(daemon, gone, 2 * NEXT_S)
        gone.stop()
        wait_relayed(daemon, there)
        gone.start()


def test_a_server_that_never_answers(lab, a):
    """Not the first, which is silent, nor the second, whose password is wrong, but the third."""
    servers = [serve(lab, n) for n in (1, 2, 3)]
    servers[0].stop()
    daemon = use(a, *servers, passwords=[PASSWORD, "wrong", PASSWORD]).start()
    wait_relayed(daemon, servers[2])
    assert [server["state"] for server in states(daemon)] == ["failed", "failed", "allocated"]


def test_a_name_that_cannot_be_resolved(lab, a):
    server = serve(lab)
    daemon = use(a, server)
    daemon.site["turn"].insert(0, "turn:home@turn.invalid")
    daemon.start()
    wait_relayed(daemon, server)
    wait_for(lambda: "TURN server: cannot resolve turn.invalid:3478" in daemon.log(), 30,
             "a word about it")


def test_names_that_dns_does_not_answer_for(lab, a):
    """Two of them, 10 s each: both are asked for at once, and the third server does not wait."""
    server = serve(lab)
    a.router.run("echo nameserver 192.0.2.17 >/run/resolv.conf; "
                 "mount --bind /run/resolv.conf /etc/resolv.conf")
    a.isp.run("nft 'add chain inet rules input { type filter hook input priority 0; }'")
    a.rule("udp dport 53 drop", chain="input")
    daemon = use(a, server)
    daemon.site["turn"] = [f"turn:home@{name}.example" for name in ("one", "two")] + [
        f"turn:home@{server.ip}"]
    daemon.start()
    wait_relayed(daemon, server, seconds=3)


def test_killed_and_started_again(lab, a):
    """The server still has the allocation of the same port: it is released and asked for anew."""
    server = serve(lab)
    daemon = use(a, server).start()
    wait_relayed(daemon, server)
    daemon.kill()
    daemon.restart()
    wait_relayed(daemon, server, 5)
    assert len(server.allocated()) == 2
    assert "TURN server" in daemon.log() and "warn: TURN" not in daemon.log()


def test_a_server_that_forgot(lab, a, b):
    """Restarted, it knows nothing of us; the homes find each other again by a new relay."""
    server = serve(lab)
    daemon = use(a, server)
    lab.introduce(a, b)
    daemon.start()
    wait_relayed(daemon, server)
    server.stop()
    server.start()
    wait_for(server.allocated, NEXT_S, "another allocation")
    wait_relayed(daemon, server)


def test_a_nonce_that_grew_old(lab, a):
    server = serve(lab, stale_nonce=1)
    daemon = use(a, server).start()
    wait_relayed(daemon, server)
    time.sleep(2.5)
    a.router.run("ip addr add 10.9.9.9/32 dev wan")  # a change makes it look after the relay
    wait_for(lambda: "438" in server.log(), 5, "the server to refuse the old nonce")
    wait_for(lambda: "REFRESH processed, success" in server.log(), 5, "a refresh")
    assert relayed(daemon) and len(server.allocated()) == 1
