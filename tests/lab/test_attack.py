# SPDX-License-Identifier: MIT
"""Datagrams replayed, cut, changed or made up: each is counted, and nothing else happens."""
import contextlib
import re
import time

from captures import UDP, Ether
from lansplice import TOOLS
from machine import wait_for
from streams import Stream

INITIATION, RESPONSE, DATA = 0x80, 0x81, 0x83
FLOOD_SECONDS = 5


def payload(frame):
    return bytes(Ether(frame)[UDP].payload)


def of_type(capture, kind, source_mac):
    """The whole frames a machine sent that hold a datagram of a type."""
    mac = bytes.fromhex(source_mac.replace(":", ""))
    return [data for _, data in capture.raw() if data[6:12] == mac and data[42] == kind]


def changed(frame, datagram):
    """The frame with another datagram in it; lengths and checksums fit."""
    again = Ether(frame)
    again[UDP].remove_payload()
    again = again / datagram
    for layer, fields in (("IP", ("len", "chksum")), ("UDP", ("len", "chksum"))):
        for field in fields:
            delattr(again[layer], field)
    return bytes(again)


def test_replayed_cut_and_changed(lab, a, b):
    """A wire-tapper on b's line puts what he heard, and worse, back on it."""
    near, far = a.host("h1"), b.host("h1")
    line = lab.capture(b.isp, "home", "udp port 7788")
    lab.splice(a, b)
    assert near.ping(far.ip, count=20)
    data = of_type(line, DATA, b.isp.mac("home"))
    assert len(data) >= 20
    last = data[-10:]
    before = b.lansplice.status()["counters"]
    pings = near.start(f"ping -n -i 0.05 -c 100 {far.ip}")

    def counted(name):
        return b.lansplice.counter(name) - before[name]

    b.isp.send("home", *last)
    wait_for(lambda: counted("replay_dropped") >= len(last), 5, "replays to be counted")
    flipped = []
    for frame in last:
        datagram = bytearray(payload(frame))
        datagram[20 + len(flipped)] ^= 1
        datagram[15] ^= 0x80  # the counter is new to the receiver
        datagram[13] ^= 0x01
        flipped.append(changed(frame, bytes(datagram)))
    b.isp.send("home", *flipped)
    wait_for(lambda: counted("auth_failed") >= len(flipped), 5, "changed ones to be counted")
    whole = payload(last[0])
    cut = [changed(last[0], whole[:n]) for n in (0, 1, 3, 4, 8, 15, 16, 17, 31)]
    b.isp.send("home", *cut)
    wait_for(lambda: counted("malformed") + counted("auth_failed") + counted("replay_dropped")
             >= len(last) + len(flipped) + len(cut) - 1, 5, "cut ones to be counted")
    stranger = bytearray(whole)
    stranger[4:8] = bytes(b ^ 0xff for b in stranger[4:8])
    b.isp.send("home", changed(last[0], bytes(stranger)))
    wait_for(lambda: counted("unknown_index") >= 1, 5, "a stranger's index to be counted")
    wait_for(lambda: not pings.running, 15)
    assert " 0% packet loss" in pings.log(), pings.log()


def test_replayed_handshakes(lab, a, b):
    """Genuine initiations and responses of before do nothing, after a restart either."""
    near, far = a.host("h1"), b.host("h1")
    line = lab.capture(b.isp, "home", "udp port 7788")
    lab.introduce(a, b, both=False)
    b.lansplice.start()
    a.lansplice.start().wait_up()
    assert near.ping(far.ip, count=3)
    initiations = of_type(line, INITIATION, b.isp.mac("home"))
    assert initiations
    stream = Stream(near, far)
    stream.wait_flowing()
    before = b.lansplice.status()["counters"]
    b.isp.send("home", *initiations * 20)
    wait_for(lambda: b.lansplice.counter("replay_dropped") > before["replay_dropped"], 5)
    time.sleep(0.5)  # nothing is to happen: there is no condition for that
    assert b.lansplice.counter("handshakes") == before["handshakes"]
    lost, duplicates = stream.stop()
    assert (lost, duplicates) == ([], 0)
    a.lansplice.kill()
    b.lansplice.kill()
    b.lansplice.restart()
    b.isp.send("home", *initiations)
    time.sleep(0.5)
    assert b.lansplice.peer("a")["state"] != "up"
    assert b.lansplice.counter("handshakes") == 0


def test_a_flood_of_initiations(lab, a, b, record_property):
    """100,000 a second with a valid mac1, from 1,000 sources, and genuine ones again and again."""
    near, far = a.host("h1"), b.host("h1")
    line = lab.capture(b.isp, "home", "udp[8] = 0x80")
    lab.splice(a, b)
    assert near.ping(far.ip, count=3)
    genuine = of_type(line.stop(), INITIATION, b.isp.mac("home"))
    pings = near.start(f"ping -n -i 0.1 -c {10 * (FLOOD_SECONDS + 1)} {far.ip}")
    before_kib = b.lansplice.process.rss_kib()
    flood = b.isp.start([TOOLS / "flood", "home", b.router.mac("wan"), b.wan_ip, 7788,
                         b.lansplice.public_key, 100000, FLOOD_SECONDS, 1000], name="flood")
    with contextlib.closing(b.isp.packet_socket("home")) as raw:
        while flood.running:
            for frame in genuine:
                raw.send(frame)
            time.sleep(0.02)
    reached = flood.log().strip()
    record_property("flood", reached)
    assert int(re.search(r"rate=(\d+)", reached)[1]) > 30000, "the machine is too slow to ask"
    wait_for(lambda: not pings.running, 15)
    assert " 0% packet loss" in pings.log(), pings.log()
    assert b.lansplice.counter("cookies_sent") > 100
    assert b.lansplice.process.rss_kib() - before_kib < 2048
    assert b.lansplice.is_up("a")


def test_a_new_peer_gets_in_during_a_flood(lab, a, b):
    """Who receives at its address answers a cookie and is let in while others are not."""
    lab.introduce(a, b, both=False)
    b.lansplice.start()
    flood = b.isp.start([TOOLS / "flood", "home", b.router.mac("wan"), b.wan_ip, 7788,
                         b.lansplice.public_key, 20000, 3 * FLOOD_SECONDS, 1000], name="flood")
    wait_for(lambda: b.lansplice.counter("cookies_sent") > 0, 5, "the daemon to be under load")
    a.lansplice.start()
    a.lansplice.wait_up(seconds=FLOOD_SECONDS)

    def came_by_a_cookie():
        if a.lansplice.counter("cookies_received"):
            return True
        a.lansplice.kill()  # now and then one is let in without: 50 a second are
        a.lansplice.restart().wait_up(seconds=FLOOD_SECONDS)
        return False
    wait_for(came_by_a_cookie, 2 * FLOOD_SECONDS, "a to be let in for its cookie")
    assert flood.running, "it got in only after the flood"
