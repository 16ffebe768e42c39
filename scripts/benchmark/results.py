# SPDX-License-Identifier: MIT
"""Numbers of all rounds, what they come to, and how they are told: on the terminal, as Markdown.

Of each metric there is one number a round, or None where the measure failed. The median counts;
spread is (max - min) / median. A ratio is the median of the rounds' own ratios to the best
encrypted peer, which is the one with the best median in this run.
"""
import statistics
import unicodedata
from dataclasses import dataclass
from types import SimpleNamespace

from words import ENGLISH


@dataclass(frozen=True)
class Metric:
    key: str
    title: str
    unit: str
    digits: int = 0
    more_is_better: bool = True
    scale: float = 1.0
    against: str = ""  # the peer that ours is compared with; else the best encrypted one

    def show(self, value):
        return "-" if value is None else f"{value * self.scale:,.{self.digits}f}"

    def full_title(self):
        """The title where the table's does not stand beside it."""
        return f"{GROUPS[self.key]}: {self.title}"


# The tables, and their columns.
TABLES = {
    "TCP": [
        Metric("tcp_mbit", "one stream", "Gbit/s", 2, scale=1e-3),
        Metric("both_mbit", "both ways at once, sum", "Gbit/s", 2, scale=1e-3),
        Metric("tcp8_mbit", "8 streams", "Gbit/s", 2, scale=1e-3),
        Metric("narrow_mbit", "one stream, WAN MTU 1400", "Gbit/s", 2, scale=1e-3),
        Metric("lossy_mbit", "32 streams, 1 % loss, 20 ms", "Mbit/s", 1, against="cable"),
        Metric("box_mbit", "through the delaying program alone", "Mbit/s", 0),
    ],
    "Cost": [
        Metric("tcp_machine_s_per_gb", "CPU, machine", "s/GB", 2, False),
        Metric("tcp_daemon_s_per_gb", "CPU, daemons", "s/GB", 2, False),
        Metric("rss_kib", "peak RSS", "KiB", 0, False),
        Metric("binary_kib", "binary, stripped", "KiB", 0, False),
        Metric("start_ms", "start to first ping", "ms", 0, False),
    ],
    "Packets a second": [
        Metric("udp64_clean_pps", "64 bytes, < 1 % lost", "1000/s", 0, scale=1e-3),
        Metric("udp64_flooded_pps", "64 bytes, flooded", "1000/s", 0, scale=1e-3),
        Metric("udp64_kept", "flooded, of the best", "%", 1, scale=100),
        Metric("udp1400_clean_pps", "1400 bytes, < 1 % lost", "1000/s", 0, scale=1e-3),
        Metric("udp1400_flooded_pps", "1400 bytes, flooded", "1000/s", 0, scale=1e-3),
    ],
    "Round trip": [
        Metric("rtt_p50_ms", "idle p50", "ms", 3, False),
        Metric("rtt_p99_ms", "idle p99", "ms", 3, False),
        Metric("loaded_p50_ms", "loaded p50", "ms", 2, False),
        Metric("loaded_p99_ms", "loaded p99", "ms", 2, False),
    ],
}
GROUPS = {metric.key: title for title, metrics in TABLES.items() for metric in metrics}
METRICS = {metric.key: metric for metrics in TABLES.values() for metric in metrics}

# The READMEs' table: what readers ask first.
SUMMARY = ["tcp_mbit", "tcp_machine_s_per_gb", "udp64_clean_pps", "rtt_p50_ms", "loaded_p50_ms",
           "loaded_p99_ms", "rss_kib"]
# Of a peer that is written to JSON and read back: what the reports need to know.
PEER_FIELDS = ("name", "title", "encrypted", "ours", "note", "cipher", "label", "sodium")


class Results:
    """peers: in the order of the tables; rounds[name][metric key]: a number or None a round."""

    def __init__(self, peers):
        self.peers = peers
        self.facts = {}     # about the machine and the run: what words.py's templates name
        self.commands = {}  # of a measure: the command lines
        self.rounds = {peer.name: {} for peer in peers}
        self.missing = {}   # name: why it was not measured at all
        self.connected = set()
        self.failures = []  # what went wrong in one round
        self.background = []  # how busy others kept the machine before each turn, 0 to 1
        self.idle_cost = []   # how much of that the tunnels are that were up and idle

    def add(self, name, number, values):
        for key, value in values.items():
            column = self.rounds[name].setdefault(key, [])
            column += [None] * (number + 1 - len(column))
            column[number] = value

    def values(self, name, key):
        return [v for v in self.rounds.get(name, {}).get(key, []) if v is not None]

    def median(self, name, key):
        values = self.values(name, key)
        return statistics.median(values) if values else None

    @staticmethod
    def summary(values):
        """Median, least and greatest."""
        return statistics.median(values), min(values), max(values)

    def spread(self, name, key):
        values = self.values(name, key)
        median = self.median(name, key)
        return (max(values) - min(values)) / median if median else None

    def titles(self):
        """{name: what a reader calls it}; ours with libsodium's version if there are several."""
        several = len({peer.sodium for peer in self.peers if peer.ours}) > 1
        return {peer.name: (peer.title or peer.name)
                + (f" ({peer.sodium})" if peer.ours and several else "")
                for peer in self.peers if peer.name in self.connected}

    def reference(self, metric):
        """The name of the best encrypted peer that is not ours; None when none was measured."""
        if metric.against:
            return metric.against if self.median(metric.against, metric.key) else None
        medians = {peer.name: self.median(peer.name, metric.key) for peer in self.peers
                   if peer.encrypted and not peer.ours and peer.name in self.connected}
        medians = {name: median for name, median in medians.items() if median}
        pick = max if metric.more_is_better else min
        return pick(medians, key=medians.get) if medians else None

    def ratios(self, name, best, key):
        """One of each round that has both."""
        ours, theirs = (self.rounds.get(n, {}).get(key, []) for n in (name, best))
        return [x / y for x, y in zip(ours, theirs) if x is not None and y]

    def ratio(self, name, best, key):
        ratios = self.ratios(name, best, key)
        return statistics.median(ratios) if ratios else None

    def measured(self):
        """The tables with only those columns that somebody has a number for."""
        tables = {title: [m for m in metrics if any(self.values(p.name, m.key)
                                                    for p in self.peers)]
                  for title, metrics in TABLES.items()}
        return {title: metrics for title, metrics in tables.items() if metrics}

    def as_json(self):
        return {**vars(self), "connected": sorted(self.connected),
                "peers": [{field: getattr(peer, field, "") for field in PEER_FIELDS}
                          for peer in self.peers],
                "medians": {name: {key: self.median(name, key) for key in columns}
                            for name, columns in self.rounds.items()}}

    @classmethod
    def from_json(cls, said):
        self = cls([SimpleNamespace(**peer) for peer in said["peers"]])
        for name in set(vars(self)) - {"peers"}:
            setattr(self, name, type(getattr(self, name))(said[name]))
        return self


def columns(text):
    """How wide a text is on a terminal."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def table_lines(header, rows, texts=1):
    """A Markdown table that reads well on a terminal, too; the first columns (texts) are words."""
    rows = [header] + [[str(cell) for cell in row] for row in rows]
    widths = [max(columns(row[i]) for row in rows) for i in range(len(header))]

    def line(cells):
        blanks = [" " * (width - columns(cell)) for cell, width in zip(cells, widths)]
        filled = [cell + blank if i < texts else blank + cell
                  for i, (cell, blank) in enumerate(zip(cells, blanks))]
        return "| " + " | ".join(filled) + " |"
    rule = "|" + "|".join("-" * (w + 2) if i < texts else "-" * (w + 1) + ":"
                          for i, w in enumerate(widths)) + "|"
    return [line(rows[0]), rule, *(line(row) for row in rows[1:])]


def cell(results, name, metric):
    """The median and, of more rounds than one, the spread."""
    median = results.median(name, metric.key)
    if median is None:
        return "-"
    spread = results.spread(name, metric.key)
    several = len(results.values(name, metric.key)) > 1 and spread is not None
    return metric.show(median) + (f" ±{spread * 100:.0f}%" if several else "")


def median_tables(results):
    """One table per group, a row a peer."""
    lines = []
    for title, metrics in results.measured().items():
        header = [title, *(f"{m.title}, {m.unit}" for m in metrics)]
        rows = [[peer.name + ("" if peer.encrypted else " *"),
                 *(cell(results, peer.name, m) for m in metrics)]
                for peer in results.peers if peer.name in results.connected]
        lines += table_lines(header, rows) + [""]
    return lines


def summary_row(results, peer, title, best):
    tcp = METRICS["tcp_mbit"]
    ratio = results.ratio(peer.name, best, tcp.key) if best else None
    numbers = [METRICS[key].show(results.median(peer.name, key)) if key != tcp.key
               else cell(results, peer.name, tcp) for key in SUMMARY]
    return [f"**{title}**" if peer.ours else title + ("" if peer.encrypted else " *"), numbers[0],
            "-" if ratio is None else f"{ratio:.2f}x", *numbers[1:]]


def summary_table(results, words):
    """A README's: a row a peer."""
    best = results.reference(METRICS["tcp_mbit"])
    titles = results.titles()
    rows = [summary_row(results, peer, words.title(titles[peer.name]), best)
            for peer in results.peers if peer.name in titles]
    first, *rest = (words.columns[key] for key in SUMMARY)
    return table_lines(["", first, words.against, *rest], rows)


def ratio_table(results):
    """Ours against the best encrypted peer, metric by metric; on a bad line, against a cable."""
    ours = [peer for peer in results.peers if peer.ours and peer.name in results.connected]
    rows = []
    for metric in (m for metrics in results.measured().values() for m in metrics):
        best = results.reference(metric)
        if best is None:
            continue
        ratios = [results.ratio(peer.name, best, metric.key) for peer in ours]
        rows.append([f"{metric.title}, {metric.unit}",
                     f"{metric.show(results.median(best, metric.key))} {best}",
                     *("-" if r is None else f"{r:.2f}x" for r in ratios)])
    if not rows or not ours:
        return []
    header = ["Ratio", "to the best encrypted peer", *(peer.name for peer in ours)]
    return table_lines(header, rows) + [""]


def markdown(results, verdict, rates):
    """The whole report; rates are the values of RATE."""
    lines = [*ENGLISH.facts(results.facts), "",
             "Medians; ± is the spread, (max - min) / median, of the rounds. "
             "\\* not encrypted: a ceiling, not a peer.", ""]
    lines += median_tables(results) + ratio_table(results) + verdict
    notes = [f"- {peer.name}: {peer.note}" for peer in results.peers
             if peer.note and peer.name in results.connected]
    notes += [f"- {name} is missing: {why}" for name, why in results.missing.items()]
    notes += [f"- failed: {text}" for text in results.failures]
    lines += notes + [""] if notes else []
    lines += ["Command lines (a's host sends, b's receives; RATE, a second: of "
              f"{', '.join(map(str, rates))} the highest of which less than 1 % is lost, found by "
              "bisection, then 0: no limit):", "", "```"]
    for measure, used in results.commands.items():
        lines += [f"{measure + ':':9}{command}" for command in used]
    return "\n".join(lines + ["```", ""])
