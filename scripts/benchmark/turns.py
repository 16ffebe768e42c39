# SPDX-License-Identifier: MIT
"""Rounds and turns: in each round each peer has its turn; the order rotates from round to round.

Tunnels keeps what is up. Usually a peer's network is built for its turn and closed after it. With
`--keep N` those of all peers are built at once and stay up for N rounds: much quicker, for tinc
and SoftEther need ten seconds until they are at their best. Idle tunnels cost little, but not
nothing: how much of the machine is measured and printed. N rounds later all are built anew, so that
no number is one network's good or bad luck.
"""
import os
import subprocess
import time

import measures
from network import CONDITIONS, Network

TROUBLE = (AssertionError, OSError, ValueError, KeyError, subprocess.SubprocessError)


class Tunnels:
    """The networks that are up, by (peer's name, condition)."""

    def __init__(self, results):
        self.results, self.networks = results, {}

    def open(self, wanted, number):
        """Bring up (peer, condition) pairs, all settling at a time."""
        settling = []
        for peer, condition in wanted:
            network = None
            try:
                network = Network(condition)
                self.networks[peer.name, condition] = network
                self.connect(peer, network, number)
                settling.append(peer.settle(network))
            except TROUBLE as why:
                self.refuse(peer, condition, number, f"{why}\n{network.logs() if network else ''}")
        for process in settling:
            process.popen.wait()

    def connect(self, peer, network, number):
        peer.start(network)
        peer.wait_ready(network)
        self.results.connected.add(peer.name)
        if network.condition == "plain" and network.started_s:
            start_s = time.monotonic() - network.started_s
            self.results.add(peer.name, number, {"start_ms": start_s * 1000})

    def refuse(self, peer, condition, number, why):
        """One that has never connected is missing; else only this once."""
        self.close(peer.name, condition)
        if peer.name in self.results.connected:
            self.results.failures.append(
                f"{peer.name}, round {number + 1}, start, {condition}: {why.splitlines()[0]}")
        else:
            self.results.missing[peer.name] = f"did not connect: {why.splitlines()[0]}"
        print(f"{peer.name}, {condition}: {why}", flush=True)

    def idle_cost(self, seconds=3):
        """The part of the machine that the peers' programs take while nothing passes, of 1.

        By their own CPU time: what others do meanwhile must not hide it.
        """
        before, began_s = self.busy_s(), time.monotonic()
        time.sleep(seconds)
        after, passed_s = self.busy_s(), time.monotonic() - began_s
        shares = {key: (after[key] - before[key]) / passed_s / os.cpu_count() for key in after}
        for (name, condition), share in shares.items():
            print(f"idle: {name}, {condition}: {share * 100:.2f} %", flush=True)
        return sum(shares.values())

    def busy_s(self):
        return {key: measures.daemons_busy_s(network) for key, network in self.networks.items()}

    def close(self, name, condition):
        network = self.networks.pop((name, condition), None)
        if network:
            network.close()

    def close_all(self):
        while self.networks:
            self.close(*next(iter(self.networks)))


def run_measure(results, network, peer, number, name, seconds):
    try:
        values = measures.MEASURES[name][1](network, seconds)
    except TROUBLE as why:
        text = f"{peer.name}, round {number + 1}, {name}: {why}"
        results.failures.append(text.splitlines()[0])
        print(text, flush=True)
        return
    results.add(peer.name, number, values)
    shown = ", ".join(f"{key} {value:.4g}" for key, value in values.items())
    print(f"{number + 1} {peer.name} {shown}", flush=True)


def needed(plan, peer, number):
    """{condition: names of measures}: what the plan asks of a peer in a round."""
    names = [name for name in measures.MEASURES if plan(name, peer, number)]
    found = {c: [n for n in names if measures.MEASURES[n][0] == c] for c in CONDITIONS}
    return {condition: names for condition, names in found.items() if names}


def run_round(results, tunnels, peers, number, plan, seconds, keep):
    """Each peer once under each condition; the order turns, so that nobody is always after one.

    plan(measure, peer, round) says whether to measure that.
    """
    if keep > 1 and number % keep == 0:
        open_for(results, tunnels, peers, range(number, number + keep), plan)
    for peer in peers[number % len(peers):] + peers[:number % len(peers)]:
        results.background.append(measures.background_busy())
        for condition, names in needed(plan, peer, number).items():
            if keep == 1 and peer.name not in results.missing:
                tunnels.open([(peer, condition)], number)
            network = tunnels.networks.get((peer.name, condition))
            for name in names if network else []:
                run_measure(results, network, peer, number, name, seconds)
            if keep == 1:
                tunnels.close(peer.name, condition)
    if (number + 1) % keep == 0:
        tunnels.close_all()


def open_for(results, tunnels, peers, rounds, plan):
    """All that some rounds need, and what these cost while nothing passes."""
    wanted = {(peer, condition): None for number in rounds for peer in peers
              if peer.name not in results.missing for condition in needed(plan, peer, number)}
    tunnels.open(wanted, rounds[0])
    results.idle_cost.append(tunnels.idle_cost())
