# SPDX-License-Identifier: MIT
"""What is measured: each a function of a network that is up, giving numbers by name.

MEASURES maps the names --measure takes to the condition (see network.py) and the function. Traffic
runs from a's host to b's. CPU time is of the whole machine, both ends, source and sink included,
and of the peer's own processes at both routers; both are divided by the payload that arrived.
"""
import json
import os
import re
import shlex
import time
from pathlib import Path

from machine import wait_for

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
UDP_PORT = 9
RATES = [1000 * k for k in (25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 300, 400, 500, 700)]
CLEAN_LOSS = 0.01
RATE_SECONDS = 1
SETTLE_SECONDS = 0.3
PING_INTERVAL_US = 2000
IDLE_FACTOR = 0.5          # an idle line's round trip is soon known
LOSSY_FACTOR = 3           # a lossy line's goodput wants a longer look
LOSSY_STREAMS = 32

UDPRATE = Path("udprate")  # scripts/bench says where it is
commands = {}              # name of a measure: the command lines it used, in order


def note(measure, *words):
    """Keep a command line to be printed in the end; the words. Of a path only the name is kept."""
    words = [str(word) for word in words]
    commands.setdefault(measure, {}).setdefault(shlex.join([Path(words[0]).name, *words[1:]]))
    return words


# CPU time and memory, from /proc.

def machine_busy_s():
    """CPU seconds this machine has worked since it started: all but idle, iowait and steal."""
    user, nice, system, _idle, _iowait, irq, softirq = map(
        int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + softirq) / TICKS_A_SECOND


def background_busy(seconds=0.3):
    """How busy the machine is with what is not ours, of 1, while nothing of ours runs."""
    before, began_s = machine_busy_s(), time.monotonic()
    time.sleep(seconds)  # on a busy machine it may be far more
    return (machine_busy_s() - before) / (time.monotonic() - began_s) / os.cpu_count()


def process_tree(pid):
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += process_tree(int(child))
    return found


def daemon_pids(site):
    return [pid for daemon in site.daemons if daemon.running for pid in process_tree(daemon.pid)]


def daemons_busy_s(network):
    """CPU seconds of the peer's processes at both routers."""
    total = 0
    for site in network.sites:
        for pid in daemon_pids(site):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])  # utime and stime
    return total / TICKS_A_SECOND


def peak_rss_kib(site):
    """The most memory the peer's processes at one router have held (VmHWM)."""
    return sum(int(re.search(r"VmHWM:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[1])
               for pid in daemon_pids(site))


class CpuMeter:
    """CPU seconds between its making and the calls."""

    def __init__(self, network):
        self.network = network
        self.machine, self.daemons = machine_busy_s(), daemons_busy_s(network)

    def per_gb(self, name, gigabytes):
        machine = machine_busy_s() - self.machine
        daemons = daemons_busy_s(self.network) - self.daemons
        return {f"{name}_machine_s_per_gb": machine / gigabytes,
                f"{name}_daemon_s_per_gb": daemons / gigabytes}


# TCP.

def iperf_server(network, measure):
    server = network.b.host.start(note(measure, "iperf3", "-s", "-1"))
    wait_for(lambda: ":5201" in network.b.host.output("ss -ltn"), 5, "iperf3 to listen")
    return server


def iperf_client(network, measure, seconds, *options):
    return note(measure, "iperf3", "-J", "-C", "cubic", "-c", network.b.host.ip, "-t", seconds,
                *options)


def iperf(network, measure, seconds, *options):
    """What iperf3 says in the end."""
    server = iperf_server(network, measure)
    command = iperf_client(network, measure, seconds, *options)
    done = network.a.host.run(command, check=False, seconds=seconds + 30)
    said = json.loads(done.stdout or "{}")
    if done.returncode or "error" in said:
        raise AssertionError(f"iperf3: {said.get('error') or done.stderr.strip()}")
    server.popen.wait(10)
    return said["end"]


def tcp_one(network, seconds):
    meter = CpuMeter(network)
    arrived = iperf(network, "tcp", seconds)["sum_received"]
    return {"tcp_mbit": arrived["bits_per_second"] / 1e6,
            **meter.per_gb("tcp", max(arrived["bytes"], 1) / 1e9)}


def tcp_both(network, seconds):
    end = iperf(network, "both", seconds, "--bidir")
    return {"both_mbit": (end["sum_received"]["bits_per_second"]
                          + end["sum_received_bidir_reverse"]["bits_per_second"]) / 1e6}


def tcp_eight(network, seconds):
    return {"tcp8_mbit": iperf(network, "tcp8", seconds, "-P", "8")
            ["sum_received"]["bits_per_second"] / 1e6}


def tcp_narrow(network, seconds):
    return {"narrow_mbit": iperf(network, "narrow", seconds)["sum_received"]["bits_per_second"]
            / 1e6}


def tcp_lossy(network, seconds):
    """Many streams, for one alone is at the mercy of where its losses fall; after slow start.

    One stream takes some 3 Mbit/s of a line like that. 32 for 4 s lose 350 packets: nine such runs
    had a standard deviation of 2.5 to 4.3 % (a cable's was the largest) and spread by 7 to 13 %,
    so below 10 % takes 6 to 8 s. They need a tenth of what the box carries. With 64, while others
    kept the machine wholly busy, the tunnel's runs spread by 20 %, a cable's by 11 %.
    """
    end = iperf(network, "lossy", seconds * LOSSY_FACTOR, "-P", LOSSY_STREAMS, "-O", "1")
    return {"lossy_mbit": end["sum_received"]["bits_per_second"] / 1e6}


def tcp_box(network, seconds):
    """The delaying program's own ceiling, with as many streams."""
    end = iperf(network, "box", seconds, "-P", LOSSY_STREAMS)
    return {"box_mbit": end["sum_received"]["bits_per_second"] / 1e6}


# UDP packets a second.

def numbers_of(text):
    """The name=value pairs of udprate's line."""
    return {name: float(value) for name, value in re.findall(r"(\w+)=([\d.]+)", text)}


def delivered(network, measure, payload_bytes, rate):
    """Send at a rate (0: as fast as the sender can): (packets a second that arrived, loss)."""
    sink = network.b.host.start(note(measure, UDPRATE, "sink", UDP_PORT), name="sink")
    wait_for(lambda: "ready" in sink.log(), 5, "the sink to listen")
    words = [UDPRATE, "send", network.b.host.ip, UDP_PORT, payload_bytes]
    note(measure, *words, "RATE", RATE_SECONDS)
    sent = numbers_of(network.a.host.output([*words, rate, RATE_SECONDS]))
    time.sleep(SETTLE_SECONDS)
    sink.stop()
    received = numbers_of(sink.log().splitlines()[-1]).get("received", 0)
    return received / sent["seconds"], 1 - received / max(sent["sent"], 1)


def udp_rates(network, measure, payload_bytes):
    """The highest of RATES that arrives, by bisection; then all that the sender can.

    A rate has two tries: one hiccup of the machine is not the peer's limit.
    """
    best_clean, best, low, high = 0, 0, -1, len(RATES)
    while high - low > 1:
        middle = (low + high) // 2
        for _ in range(2):
            arrived, loss = delivered(network, measure, payload_bytes, RATES[middle])
            best = max(best, arrived)
            if loss < CLEAN_LOSS:
                break
        if loss < CLEAN_LOSS:
            low, best_clean = middle, max(best_clean, arrived)
        else:
            high = middle
    flooded, _ = delivered(network, measure, payload_bytes, 0)
    return {f"{measure}_clean_pps": best_clean, f"{measure}_flooded_pps": flooded,
            f"{measure}_kept": flooded / max(best, flooded, 1)}


def udp_64(network, _seconds):
    return udp_rates(network, "udp64", 18)  # 14 + 20 + 8 + 18, and 4 of the checksum


def udp_1400(network, _seconds):
    return udp_rates(network, "udp1400", 1400)


# Latency.

def round_trips(network, measure, seconds):
    echo = network.b.host.start(note(measure, UDPRATE, "echo", UDP_PORT), name="echo")
    wait_for(lambda: "ready" in echo.log(), 5, "the echo to listen")
    count = int(seconds * 1e6 / PING_INTERVAL_US)
    said = numbers_of(network.a.host.output(note(measure, UDPRATE, "ping", network.b.host.ip,
                                                 UDP_PORT, PING_INTERVAL_US, count),
                                            seconds=seconds + 20))
    echo.stop()
    return {f"{measure}_p50_ms": said["p50_us"] / 1000, f"{measure}_p99_ms": said["p99_us"] / 1000}


def rtt_idle(network, seconds):
    return round_trips(network, "rtt", seconds * IDLE_FACTOR)


def rtt_loaded(network, seconds):
    """While one TCP stream fills the tunnel, from half a second after its start."""
    server = iperf_server(network, "loaded")
    client = network.a.host.start(iperf_client(network, "loaded", seconds + 1))
    time.sleep(0.5)
    result = round_trips(network, "loaded", seconds)
    client.popen.wait(30)
    server.popen.wait(10)
    return result


def memory(network, _seconds):
    """After all the others, so the most they needed."""
    return {"rss_kib": max(peak_rss_kib(site) for site in network.sites)}


# In the order in which they are made; memory last.
MEASURES = {
    "rtt": ("plain", rtt_idle), "tcp": ("plain", tcp_one), "both": ("plain", tcp_both),
    "tcp8": ("plain", tcp_eight), "loaded": ("plain", rtt_loaded), "udp64": ("plain", udp_64),
    "udp1400": ("plain", udp_1400), "rss": ("plain", memory), "narrow": ("narrow", tcp_narrow),
    "lossy": ("lossy", tcp_lossy), "box": ("box", tcp_box),
}
