# SPDX-License-Identifier: MIT
"""An SVG of horizontal bars, one panel a metric, written by hand: no library, no script in it.

Ours are coloured, other encrypted peers grey, ceilings (a cable, kernel VXLAN) only outlined. A
thin line over a bar goes from the least to the greatest of the rounds. A bar far beyond the rest
(a ceiling's speed, the slowest peer's cost) is cut short, with its number. It has its own
background, light or dark as the reader's system is.
"""
import statistics
from xml.sax.saxutils import escape

from results import METRICS

PANELS = [("tcp_mbit", "TCP, one connection", "more is better"),
          ("tcp_machine_s_per_gb", "CPU of the whole machine, both ends", "less is better"),
          ("udp64_clean_pps", "64-byte frames, less than 1 % lost", "more is better"),
          ("loaded_p50_ms", "Round trip beside a TCP connection, median", "less is better")]
WIDTH, LABEL_WIDTH, NUMBER_WIDTH = 760, 256, 80
BAR, GAP, TITLE, MARGIN = 16, 6, 34, 16
STYLE = """
svg { --back: #ffffff; --text: #24292f; --hint: #59636e; --ours: #0b6fb8; --peer: #a9b4bf;
      --range: #24292f }
@media (prefers-color-scheme: dark) {
  svg { --back: #0d1117; --text: #e6edf3; --hint: #9198a1; --ours: #4aa3e8; --peer: #57606a;
        --range: #e6edf3 } }
text { font: 12px system-ui, sans-serif; fill: #24292f; fill: var(--text) }
.title { font-weight: 600; font-size: 14px }
.mine { font-weight: 600 }
.hint { fill: #59636e; fill: var(--hint); font-weight: 400 }
.back { fill: #ffffff; fill: var(--back) }
.ours { fill: #0b6fb8; fill: var(--ours) }
.peer { fill: #a9b4bf; fill: var(--peer) }
.ceiling { fill: none; stroke: #a9b4bf; stroke: var(--peer) }
.range { stroke: #24292f; stroke: var(--range); stroke-opacity: 0.7 }
"""


def kind(peer):
    return "ours" if peer.ours else "peer" if peer.encrypted else "ceiling"


def spread_line(x, y, values, limit, room):
    """From the least to the greatest, where that can be seen."""
    if len(values) < 2 or statistics.median(values) > limit:
        return []
    ends = [x + min(value / limit, 1.0) * room for value in (min(values), max(values))]
    middle = y + BAR / 2
    return [f'<path class="range" d="M{ends[0]:.1f} {middle}H{ends[1]:.1f}"/>']


def bar(y, peer, title, values, metric, limit):
    value = statistics.median(values)
    room = WIDTH - LABEL_WIDTH - NUMBER_WIDTH - 2 * MARGIN
    length = max(1.0, min(value / limit, 1.0) * room)
    end = max(length, min(max(values) / limit, 1.0) * room)
    cut = "cut" if value > limit else ""
    x, base = MARGIN + LABEL_WIDTH, y + BAR - 4
    mine = ' class="mine"' if peer.ours else ""
    return [f'<text{mine} x="{x - 8}" y="{base}" text-anchor="end">{escape(title)}</text>',
            f'<rect class="{kind(peer)}" x="{x}" y="{y}" width="{length:.1f}" height="{BAR}" '
            f'rx="2"/>', *spread_line(x, y, values, limit, room),
            f'<text{mine} x="{x + end + 6:.1f}" y="{base}">{metric.show(value)}'
            f'<tspan class="hint" dx="5">{cut}</tspan></text>']


def scale_limit(rows, more_is_better):
    """The value of a bar as long as there is room: the best peer's, or twice what is usual."""
    peers = [value for peer, value in rows if peer.encrypted] or [value for _, value in rows]
    rivals = [value for peer, value in rows if peer.encrypted and not peer.ours] or peers
    longest = max(peers) * 1.1
    return longest if more_is_better else min(longest, 2 * statistics.median(rivals))


def panel(y, results, metric, title, hint):
    """The panel's elements and the y where the next begins."""
    titles = results.titles()
    rows = [(peer, results.median(peer.name, metric.key)) for peer in results.peers
            if peer.name in titles]
    rows = [(peer, value) for peer, value in rows if value is not None]
    rows.sort(key=lambda row: row[1], reverse=metric.more_is_better)
    limit = scale_limit(rows, metric.more_is_better) or 1
    parts = [f'<text class="title" x="{MARGIN}" y="{y + 16}">{escape(title)}, '
             f'{escape(metric.unit)} <tspan class="hint">({hint})</tspan></text>']
    y += TITLE - 8
    for peer, _ in rows:
        parts += bar(y, peer, titles[peer.name], results.values(peer.name, metric.key), metric,
                     limit)
        y += BAR + GAP
    return parts, y + MARGIN


def svg(results):
    """The chart as text; panels without numbers are left out."""
    parts, y = [], MARGIN
    for key, title, hint in PANELS:
        if any(results.values(peer.name, key) for peer in results.peers):
            drawn, y = panel(y, results, METRICS[key], title, hint)
            parts += drawn
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" role="img" aria-label="lansplice compared">',
        f"<style>{STYLE}</style>", f'<rect class="back" width="{WIDTH}" height="{y}" rx="6"/>',
        *parts, "</svg>", ""])
