# SPDX-License-Identifier: MIT
"""A daemon dies and comes again: traffic is back within 2 s. One that ends leaves all as it was."""
import os
import subprocess
import time

import pytest

from lansplice import preload
from machine import wait_for
from streams import Stream

BACK_WITHIN_S = 2.0
ALL = [(killed, knowing, way) for killed in "ab" for knowing in ("a", "b", "ab")
       for way in ("a to b", "b to a", "both")]
SOME = [("a", "a", "a to b"), ("a", "b", "b to a"), ("b", "a", "a to b"), ("b", "b", "b to a"),
        ("a", "b", "both"), ("b", "a", "both")]

# The clock of a router without a battery: two years behind.
PAST_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
enum { TWO_YEARS_S = 2 * 365 * 86400 };
int clock_gettime(clockid_t id, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real(id, now);
    if (id == CLOCK_REALTIME)
        now->tv_sec -= TWO_YEARS_S;
    return status;
}
time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
int gettimeofday(struct timeval *now, void *zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
"""


def streams_of(way, a, b):
    ends = {"a": a.host("h1"), "b": b.host("h1")}
    pairs = [("a", "b"), ("b", "a")] if way == "both" else [tuple(way.split(" to "))]
    return [Stream(ends[one], ends[other], port=5001 + n) for n, (one, other) in enumerate(pairs)]


def splice_knowing(lab, a, b, knowing):
    """Only the homes in `knowing` have an endpoint in their files."""
    one, other = (a, b) if "a" in knowing else (b, a)
    lab.introduce(one, other, both=knowing == "ab")
    for home in (other, one):
        home.lansplice.start()
    for home in (a, b):
        home.lansplice.wait_up()


def check_back(streams, moment):
    for stream in streams:
        assert stream.back_after(moment) < BACK_WITHIN_S


@pytest.mark.parametrize("killed,knowing,way", ALL if os.environ.get("LANSPLICE_LONG") else SOME)
def test_kill_and_restart_under_traffic(lab, a, b, killed, knowing, way):
    streams = streams_of(way, a, b)
    splice_knowing(lab, a, b, knowing)
    for stream in streams:
        stream.wait_flowing()
    for _ in range(2):
        daemon = lab.homes[killed].lansplice
        daemon.kill()
        moment = time.monotonic()
        daemon.restart(wait=False)
        check_back(streams, moment)
        for stream in streams:
            stream.wait_flowing()
    for stream in streams:
        _, duplicates = stream.stop()
        assert duplicates == 0


def test_restart_with_the_clock_two_years_back(lab, a, b, tmp_path):
    """The order of handshakes is kept on disk; the peer does not take a restart for a replay."""
    (tmp_path / "past.c").write_text(PAST_CLOCK)
    library = tmp_path / "past.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "past.c", "-ldl"],
                   check=True)
    past = preload(library)
    year = int(subprocess.run(["date", "+%Y"], capture_output=True, text=True, check=True).stdout)
    assert int(a.router.output("date +%Y", env=past)) == year - 2
    streams = streams_of("both", a, b)
    lab.splice(a, b)
    for home in (a, b):
        home.lansplice.environment = past
        home.lansplice.kill()
        moment = time.monotonic()
        home.lansplice.restart(wait=False)
        check_back(streams, moment)
    for stream in streams:
        stream.stop()


@pytest.mark.parametrize("bridge", ["br-lan", None], ids=["bridge", "no-bridge"])
def test_sigterm_leaves_all_as_it_was(lab, a, b, bridge):
    near, far = a.host("h1"), b.host("h1")
    wait_for(lambda: "state UP" in a.router.output("ip link show br-lan"), 5, "the bridge's state")
    before = a.router.shape()
    lab.splice(a, b)
    if bridge:
        assert near.ping(far.ip)
    else:  # another program places the TAP
        a.lansplice.stop()
        a.lansplice.site["bridge"] = None
        a.lansplice.start().wait_up()
        a.router.run("ip link set lansplice0 master br-lan")
        wait_for(lambda: near.ping(far.ip), 5, "a ping through a TAP placed by hand")
    assert a.router.shape() != before
    assert a.lansplice.stop() == 0
    assert a.router.shape() == before
    assert not a.router.ok("ls /run/lansplice.sock")
    wait_for(lambda: b.lansplice.peer("a")["state"] != "up", 3, "b to hear that a ended")


def test_links_that_come_later(lab, a, b):
    """The bridge goes away and comes back, as on a network restart: the TAP is put in again."""
    near, far = a.host("h1"), b.host("h1")
    lab.splice(a, b)
    assert near.ping(far.ip)
    a.router.run("ip link del br-lan")
    wait_for(lambda: a.lansplice.status().get("bridge_attached") is False, 5, "a to notice")
    a.router.run(f"""ip link add br-lan type bridge mcast_snooping 0 forward_delay 0
                     ip link set br-lan up; ip link set h1 master br-lan
                     ip addr add {a.router_ip}/24 dev br-lan""")
    wait_for(lambda: near.ping(far.ip), 10, "a ping after the bridge's return")
