# SPDX-License-Identifier: MIT
"""What the data path has to reach, the plan of the run that measures just that, and the verdict.

`scripts/bench --final --build NAME=PROGRAM`: lansplice with the system's libsodium and with a newer
one, the fastest encrypted peers, and two ceilings; what costs time and decides nothing is measured
in every third round only. A must holds for the medians of all rounds; those that name no cipher
are judged by the one that each program takes by itself.
"""
from dataclasses import dataclass

from results import METRICS, table_lines

PEERS = ("fastd-aes128", "tinc", "softether", "vxlan", "cable")  # and all of ours
NEW_SODIUM = (1, 0, 22)  # the first with the AEGIS that was measured in the trial
ROUNDS, SECONDS, KEEP = 9, 2, 3


@dataclass(frozen=True)
class Must:
    """limit is in the metric's own unit, or a ratio to a peer: "best" is the best encrypted one."""
    point: int
    key: str
    limit: float
    at_least: bool
    against: str = ""
    cipher: str = ""    # only of this cipher
    sodium: str = ""    # new or old: only of programs with such a libsodium
    aim: float = 0.0


MUSTS = [
    Must(1, "tcp_mbit", 5.5, True, "best", "aegis128l", "new", 7),
    Must(1, "tcp_mbit", 4.1, True, "best", "aes256gcm", "new", 5),
    Must(1, "tcp_mbit", 3.0, True, "best", "chacha20poly1305", "new", 3.6),
    Must(1, "tcp_mbit", 3.8, True, "best", "aes256gcm", "old"),
    Must(1, "tcp_mbit", 2.9, True, "best", "chacha20poly1305", "old"),
    Must(2, "tcp_machine_s_per_gb", 1 / 5.5, False, "best", "aegis128l"),
    Must(2, "tcp_machine_s_per_gb", 1 / 4, False, "best", "aes256gcm"),
    Must(3, "udp64_clean_pps", 200000, True, aim=250000),
    Must(3, "udp64_kept", 0.9, True),
    Must(4, "rtt_p50_ms", 1.15, False, "fastd-aes128-ctr+umac"),
    Must(4, "loaded_p50_ms", 1.2, False),
    Must(4, "loaded_p99_ms", 4, False),
    Must(5, "lossy_mbit", 0.9, True, "cable"),
    Must(6, "rss_kib", 4000 / 1.024, False),
    Must(6, "binary_kib", 250 / 1.024, False),
]


def is_new(peer):
    return tuple(int(n) for n in peer.sodium.split(".") if n.isdigit()) >= NEW_SODIUM


def is_main(peer, peers):
    """Of each of our programs the best cipher it has. peers: those that can run here."""
    return peer.ours and peer is next(p for p in peers if p.ours and p.label == peer.label)


def plan(peers):
    """What turns.run_round() shall measure."""
    def wanted(measure, peer, number):
        third = number % KEEP == 0
        return {
            "rtt": peer.encrypted or third,
            "tcp": True,
            "loaded": peer.encrypted or third,
            "udp64": is_main(peer, peers) or peer.name.startswith("fastd") or third,
            "rss": peer.encrypted,
            "lossy": is_main(peer, peers) or peer.name == "cable",
            "box": peer.name == "cable" and third,
        }.get(measure, False)
    return wanted


def applies(must, peer, peers):
    return (peer.ours and must.sodium in ("", "new" if is_new(peer) else "old")
            and (must.cipher == peer.cipher if must.cipher else is_main(peer, peers)))


def reference(must, results, metric):
    return results.reference(metric) if must.against == "best" else must.against


def verdict_row(must, peer, results, metric):
    """None when there is nothing to judge."""
    values = results.values(peer.name, must.key)
    if must.against:
        other = reference(must, results, metric)
        values = results.ratios(peer.name, other, must.key) if other else []
    if not values:
        return None
    show = (lambda value: f"{value:.3g}x") if must.against else metric.show
    median, low, high = results.summary(values)
    held = median >= must.limit if must.at_least else median <= must.limit
    what = f"{metric.full_title()}, {metric.unit}" if not must.against else \
        f"{metric.full_title()}, to {other}"
    sign = ">=" if must.at_least else "<="
    aim = f" (aim {show(must.aim)})" if must.aim else ""
    return [must.point, what, peer.name, f"{sign} {show(must.limit)}{aim}", show(median),
            f"{show(low)} to {show(high)}", len(values), "yes" if held else "**NO**"]


def verdict(results):
    """Markdown: must, measured, verdict, a row for each of ours that a must speaks of."""
    peers = [peer for peer in results.peers if peer.name in results.connected]
    rows = [row for must in MUSTS for peer in peers if applies(must, peer, peers)
            if (row := verdict_row(must, peer, results, METRICS[must.key]))]
    header = ["Must", "what", "program", "limit", "median", "rounds' range", "rounds", "held"]
    return table_lines(header, rows, 3) + [""] if rows else []
