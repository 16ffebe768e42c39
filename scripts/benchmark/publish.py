# SPDX-License-Identifier: MIT
"""Put a run's chart and table where readers find them.

The chart goes to scripts/benchmark/results/; the README's part between the two marks is replaced by
the machine's description, the chart and the short table. What stands around the marks, and says
what to make of the numbers, is written by hand.
"""
import chart
from results import METRICS, summary_table

FOLDER = "scripts/benchmark/results"
BEGIN, END = "<!-- measured: scripts/bench --publish writes this -->", "<!-- until here -->"


def section(results):
    best = results.titles().get(results.reference(METRICS["tcp_mbit"]), "not in this run")
    return "\n".join([
        BEGIN, " ".join(results.facts), "", f"![The same as bars]({FOLDER}/speed.svg)", "",
        *summary_table(results), "",
        "Medians of the rounds; ± is their spread, (max - min) / median. RTT and memory: less is "
        f"better. In brackets: libsodium's version. The best peer by TCP is {best}. \\* not "
        "encrypted: ceilings, not peers.", END])


def replace_between(text, begin, end, new):
    head, mark, rest = text.partition(begin)
    _, other_mark, tail = rest.partition(end)
    if not mark or not other_mark:
        raise SystemExit(f"bench: README.md has no marks: {begin} ... {end}")
    return head + new + tail


def publish(top, results):
    readme, folder = top / "README.md", top / FOLDER
    text = replace_between(readme.read_text(), BEGIN, END, section(results))
    folder.mkdir(exist_ok=True)
    (folder / "speed.svg").write_text(chart.svg(results))
    readme.write_text(text)
    print(f"published: {readme} {folder}/speed.svg")
