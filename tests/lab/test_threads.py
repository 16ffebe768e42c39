# SPDX-License-Identifier: MIT
"""A daemon of two threads, and everything done to it while both are busy.

Each test asks the same at its end: the daemon is the same process, frames pass, and it has as many
threads and open files as it had.
"""
import contextlib
import os
import signal
import subprocess
import time

import pytest

from lansplice import preload, sanitizers
from links import TAP, is_in, links
from machine import wait_for
from programs import listening

LONG = bool(os.environ.get("LANSPLICE_LONG"))
ANSWERS_WITHIN_S = 1.0
FLOOD_SECONDS = 10 if LONG else 3

# A machine that has no room for another thread. The worker's is told from the library's by the
# size of its stack, for libuv ends the process when its own cannot be made.
NO_THREAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
enum { WORKER_STACK_BYTES = 256 << 10 };
int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *argument)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) =
        (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))
            dlsym(RTLD_NEXT, "pthread_create");
    size_t bytes = 0;
    if (attributes)
        pthread_attr_getstacksize(attributes, &bytes);
    return bytes == WORKER_STACK_BYTES ? EAGAIN : real(thread, attributes, run, argument);
}
"""

# A device gone mad: frames as fast as one process can send them, for so many seconds.
STORM = """
import os, random, socket, sys, time
kind, own, peer, seconds = *sys.argv[1:4], float(sys.argv[4])
own, peer = (bytes.fromhex(m.replace(':', '')) for m in (own, peer))
chance = random.Random(1)
def mac():
    return b'\\x02\\x53' + chance.randbytes(4)
def arp(source):
    return (b'\\xff' * 6 + source + bytes.fromhex('0806000108000604 0001') + source
            + bytes([192, 168, 1, 66]) + bytes(6) + bytes([192, 168, 1]) + chance.randbytes(1)
            + bytes(18))
kinds = {'arp': lambda: arp(own), 'macs': lambda: arp(mac()),
         'small': lambda: peer + own + b'\\x88\\xb5' + bytes(46),
         'unknown': lambda: mac() + own + b'\\x88\\xb5' + bytes(46),
         'multicast': lambda: b'\\x01\\x00\\x5e\\x00\\x00\\xfb' + own + b'\\x88\\xb5' + bytes(46)}
frames = [kinds[kind]() for _ in range(8192)]
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(('eth0', 0))
end, count = time.monotonic() + seconds, 0
while time.monotonic() < end:
    for frame in frames:
        try:
            raw.send(frame)
        except OSError:
            pass
    count += len(frames)
print(f'{count / seconds:.0f} a second')
"""


def storm(host, kind, seconds, towards="00:00:00:00:00:00"):
    return host.start(["/usr/bin/python3", "-c", STORM, kind, host.mac(), towards, seconds],
                      name="storm")


@contextlib.contextmanager
def processors(*numbers):
    """What is started meanwhile may use only these."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, numbers)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextlib.contextmanager
def load(near, far, seconds=60):
    """TCP both ways at full speed, until the end of the block; the connections must live on."""
    server = far.start(["iperf3", "-s", "-B", far.ip], name="iperf3")
    wait_for(lambda: 5201 in listening(far, "tcp"), 10, "iperf3 to listen")
    client = near.start(["iperf3", "-c", far.ip, "--bidir", "-t", seconds, "--forceflush"],
                        name="iperf3")
    wait_for(lambda: "1.00" in client.log(), 15, "iperf3 to begin")
    yield client
    assert client.running, client.log()[-2000:]
    client.kill()
    server.kill()


def holds(home):
    """What a daemon must not lose or gain: its process, threads and open files."""
    pid = home.lansplice.process.pid
    return pid, len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))


def same(home, before):
    wait_for(lambda: holds(home) == before, 10, f"{before} of {home.name}, which has {holds(home)}")


def threads(home):
    return home.lansplice.status()["threads"]


def answers(home):
    """How long `status` takes, seconds; it must come."""
    began = time.monotonic()
    assert home.lansplice.status(), f"{home.name} did not answer"
    return time.monotonic() - began


def placed(home):
    return is_in(home.router, "br-lan") and home.lansplice.status().get("bridge_attached")


# ---- one thread or two ----

@pytest.mark.parametrize("way", ["two", "one-processor", "without", "no-thread"])
def test_number_of_threads(lab, a, b, tmp_path, way):
    """Whatever there is: it works, and `status` says what it is."""
    near, far = a.host("h1"), b.host("h1")
    if way == "two" and len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor")
    if way == "no-thread":
        if sanitizers():
            pytest.skip("a sanitizer wants to be the first library")
        (tmp_path / "none.c").write_text(NO_THREAD)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "none.so", tmp_path / "none.c",
                        "-ldl"], check=True)
        for home in a, b:
            lab.daemon(home, preload(tmp_path / "none.so"))
    with processors(0) if way == "one-processor" else contextlib.nullcontext():
        lab.splice(a, b, test={"without": "worker"} if way == "without" else None)
    expected = 2 if way == "two" else 1
    assert (threads(a), threads(b)) == (expected, expected)
    if way == "no-thread":
        assert "no second thread" in a.lansplice.log()
    assert near.ping(far.ip, count=3)
    with load(near, far):
        a.router.run(f"ip link del {TAP}")
        wait_for(lambda: placed(a), 5, "a new TAP")
        wait_for(lambda: near.ping(far.ip), 5, "a ping through it")
    assert (threads(a), threads(b)) == (expected, expected)


# ---- the TAP, the bridge ----

TAKEN_AWAY = {
    "deleted": f"ip link del {TAP}",
    "down": f"ip link set {TAP} down",
    "out": f"ip link set {TAP} nomaster",
    "renamed": f"ip link set {TAP} down; ip link set {TAP} name other0; ip link set other0 up",
}


@pytest.mark.parametrize("way", TAKEN_AWAY if LONG else ["deleted", "renamed"])
def test_tap_under_load(lab, a, b, way):
    """A TAP that is taken away again and again comes again, and TCP survives it."""
    near, far = a.host("h1"), b.host("h1")
    lab.splice(a, b)
    assert near.ping(far.ip)
    before = holds(a)
    with load(near, far, 300):
        for _ in range(20 if LONG else 3):
            a.router.run(TAKEN_AWAY[way])
            time.sleep(0.2)
            if way == "down":
                a.router.run(f"ip link set {TAP} up")
            if way == "renamed":
                a.router.run(f"""ip link set other0 down; ip link set other0 name {TAP}
                                 ip link set {TAP} up""")
            if way == "out":
                a.router.run(f"ip link set {TAP} master br-lan")
            wait_for(lambda: placed(a), 10, "the TAP in its bridge")
            wait_for(lambda: near.ping(far.ip), 10, "a ping through it")
    same(a, before)


# ---- signals ----

@pytest.mark.parametrize("ends", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]],
                         ids=["term", "int-int"])
def test_end_under_load(lab, a, b, ends):
    """A daemon that is ended while both its threads are busy leaves the links as it found them."""
    near, far = a.host("h1"), b.host("h1")
    wait_for(lambda: "state UP" in a.router.output("ip link show br-lan"), 5, "the bridge's state")
    before = links(a.router)
    lab.splice(a, b)
    with load(near, far):
        for _ in range(5 if LONG else 1):
            pid = a.lansplice.process.pid
            for number in ends:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            assert a.lansplice.process.popen.wait(5) == 0
            assert links(a.router) == before
            a.lansplice.restart()
            a.lansplice.wait_up()
            wait_for(lambda: near.ping(far.ip), 10, "a ping after the restart")


def test_stopped_and_continued(lab, a, b):
    """SIGSTOP for a while, as a laptop's lid or a debugger does: it goes on at once."""
    near, far = a.host("h1"), b.host("h1")
    lab.splice(a, b)
    before = holds(a)
    with load(near, far, 120):
        for _ in range(3 if LONG else 1):
            a.lansplice.process.signal(signal.SIGSTOP)
            time.sleep(3)
            a.lansplice.process.signal(signal.SIGCONT)
            os.kill(a.lansplice.process.popen.pid, signal.SIGCONT)  # nsenter stopped with it
            began = time.monotonic()
            wait_for(lambda: near.ping(far.ip), 10, "a ping after it", every=0.01)
            assert time.monotonic() - began < 5
    same(a, before)


# ---- reloads ----

def test_reloads_under_load(lab, a, b):
    """Ten a second: a hub or not, a peer more or less, and a file that is wrong."""
    near, far = a.host("h1"), b.host("h1")
    lab.splice(a, b)
    assert near.ping(far.ip)
    before = holds(a)
    stranger = {"public_key": "l" * 42 + "8="}
    handshakes = a.lansplice.counter("handshakes")
    with load(near, far, 120):
        for turn in range(150 if LONG else 30):
            a.lansplice.site["hub"] = "yes" if turn % 2 else "no"
            a.lansplice.peers.pop("stranger", None)
            if turn % 3 == 0:
                a.lansplice.peers["stranger"] = stranger
            a.lansplice.site["guard"] = "nonsense" if turn % 5 == 4 else None
            a.lansplice.write()
            a.lansplice.reload()
            time.sleep(0.1)
        a.lansplice.site["guard"] = None
        a.lansplice.peers.pop("stranger", None)
        a.lansplice.write()
        a.lansplice.reload()
        assert near.ping(far.ip, count=5)
    assert a.lansplice.counter("handshakes") == handshakes, "the session lives on"
    assert "not reloaded" in a.lansplice.log()
    same(a, before)


# ---- floods ----

def spokes(lab, a, b, c):
    """b and c reach each other through a only."""
    lab.introduce(a, b)
    lab.introduce(a, c)
    lab.daemon(a).site["hub"] = "yes"
    for home in a, b, c:
        home.lansplice.start()
    for home in a, b, c:
        home.lansplice.wait_up()


def endure(lab, flood, asked, pinged):
    """While a flood runs each daemon answers, and hosts reach each other."""
    (near, far), slowest = pinged, 0
    pings = near.start(f"ping -n -i 0.1 -c {8 * FLOOD_SECONDS} {far.ip}", name="ping")
    while flood.running:
        slowest = max([slowest, *(answers(home) for home in asked)])
    wait_for(lambda: not pings.running, 20, "the pings' end")
    for home in asked:
        status = home.lansplice.status()
        assert home.lansplice.is_up()
    received = int(pings.log().split(" received")[0].split()[-1])
    assert slowest < ANSWERS_WITHIN_S
    return received / (8 * FLOOD_SECONDS)


@pytest.mark.parametrize("kind", ["macs", "arp", "unknown", "multicast"] if LONG else ["macs"])
def test_mad_device(lab, a, b, kind):
    """A host floods its own LAN: what it teaches is more than the notes hold."""
    near, far, mad = a.host("h1"), b.host("h1"), a.host("h2")
    lab.splice(a, b)
    assert near.ping(far.ip)
    before = holds(a)
    assert endure(lab, storm(mad, kind, FLOOD_SECONDS), [a, b], (near, far)) > 0.7
    late = near if kind == "macs" else a.host("h3")  # its home has all the MACs it may have
    wait_for(lambda: late.ping(far.ip), 5, "a host after it")
    same(a, before)


def test_hostile_spoke(lab, a, b, c):
    """A peer's owner sends small frames to the hub as fast as he can: the others do not suffer."""
    near, far, mad = a.host("h1"), b.host("h1"), c.host("h1")
    spokes(lab, a, b, c)
    wait_for(lambda: far.ping(mad.ip), 5, "a ping through the hub")
    assert near.ping(far.ip)
    before = holds(a)
    flood = storm(mad, "small", FLOOD_SECONDS, towards=far.mac())
    assert endure(lab, flood, [a, b], (near, far)) > 0.5
    b.lansplice.kill()
    flood = storm(mad, "multicast", FLOOD_SECONDS)
    b.lansplice.restart().wait_up(seconds=FLOOD_SECONDS)
    assert flood.running, "the handshake waited for the flood's end"
    wait_for(lambda: not flood.running, 10)
    wait_for(lambda: near.ping(far.ip), 5)
    same(a, before)
