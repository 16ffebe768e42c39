# SPDX-License-Identifier: MIT
"""An SVG of horizontal bars, one panel a metric, written by hand: no library, no script in it.

Ours are coloured, other encrypted peers grey, ceilings (a cable, kernel VXLAN) only outlined. A bar
far beyond the rest (a ceiling's speed, the slowest peer's cost) is cut short, with its number.
"""
import statistics
from xml.sax.saxutils import escape

from results import TABLES

PANELS = [("tcp_mbit", "TCP, one stream", "more is better"),
          ("tcp_machine_s_per_gb", "CPU of the whole machine", "less is better"),
          ("udp64_clean_pps", "64-byte packets below 1 % loss", "more is better"),
          ("loaded_p50_ms", "Round trip under load, median", "less is better")]
WIDTH, LABEL_WIDTH, NUMBER_WIDTH = 720, 190, 80
BAR, GAP, TITLE, MARGIN = 16, 6, 34, 16
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 14px }
.hint { fill: #6e7781 }
.ours { fill: #0b6fb8 }
.peer { fill: #a9b4bf }
.ceiling { fill: #ffffff; stroke: #a9b4bf }
"""


def kind(peer):
    return "ours" if peer.ours else "peer" if peer.encrypted else "ceiling"


def bar(y, peer, value, metric, limit):
    room = WIDTH - LABEL_WIDTH - NUMBER_WIDTH - 2 * MARGIN
    length = max(1.0, min(value / limit, 1.0) * room)
    cut = "cut" if value > limit else ""
    x, middle = MARGIN + LABEL_WIDTH, y + BAR - 4
    return [f'<text x="{x - 8}" y="{middle}" text-anchor="end">{escape(peer.name)}</text>',
            f'<rect class="{kind(peer)}" x="{x}" y="{y}" width="{length:.1f}" height="{BAR}" '
            f'rx="2"/>',
            f'<text x="{x + length + 6:.1f}" y="{middle}">{metric.show(value)}'
            f'<tspan class="hint" dx="5">{cut}</tspan></text>']


def scale_limit(rows, more_is_better):
    """The value of a bar as long as there is room: that of the best, or twice what is common."""
    encrypted = [value for peer, value in rows if peer.encrypted] or [value for _, value in rows]
    longest = max(encrypted) * 1.1
    return longest if more_is_better else min(longest, 2 * statistics.median(encrypted))


def panel(y, results, metric, title, hint):
    """The panel's elements and the y where the next begins."""
    rows = [(peer, results.median(peer.name, metric.key)) for peer in results.peers]
    rows = [(peer, value) for peer, value in rows if value is not None]
    rows.sort(key=lambda row: row[1], reverse=metric.more_is_better)
    limit = scale_limit(rows, metric.more_is_better) or 1
    parts = [f'<text class="title" x="{MARGIN}" y="{y + 16}">{escape(title)}, '
             f'{escape(metric.unit)} <tspan class="hint">({hint})</tspan></text>']
    y += TITLE - 8
    for peer, value in rows:
        parts += bar(y, peer, value, metric, limit)
        y += BAR + GAP
    return parts, y + MARGIN


def svg(results):
    """The chart as text; panels without numbers are left out."""
    metrics = {m.key: m for columns in TABLES.values() for m in columns}
    parts, y = [], MARGIN
    for key, title, hint in PANELS:
        if any(results.values(peer.name, key) for peer in results.peers):
            drawn, y = panel(y, results, metrics[key], title, hint)
            parts += drawn
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" '
        f'viewBox="0 0 {WIDTH} {y}" role="img" aria-label="lansplice compared">',
        f"<style>{STYLE}</style>", f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>',
        *parts, "</svg>", ""])
