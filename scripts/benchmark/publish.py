# SPDX-License-Identifier: MIT
"""Put a run's chart and table where readers find them.

The chart goes to scripts/benchmark/results/; the part of each README between the two marks is
replaced by the machine's description, the chart and the short table, in the README's language. What
stands around the marks, and says what to make of the numbers, is written by hand.
"""
import chart
from results import METRICS, summary_table
from words import ENGLISH, JAPANESE

FOLDER = "scripts/benchmark/results"
READMES = {"README.md": ENGLISH, "README.ja.md": JAPANESE}
BEGIN, END = "<!-- measured: scripts/bench --publish writes this -->", "<!-- until here -->"


def section(results, words):
    best = results.titles().get(results.reference(METRICS["tcp_mbit"]), words.nobody)
    return "\n".join([
        BEGIN, words.between.join(words.facts(results.facts)), "",
        f"![{words.chart}]({FOLDER}/speed.svg)", "",
        *summary_table(results, words), "", words.legend.format(best=best), END])


def replace_between(name, text, begin, end, new):
    head, mark, rest = text.partition(begin)
    _, other_mark, tail = rest.partition(end)
    if not mark or not other_mark:
        raise SystemExit(f"bench: {name} has no marks: {begin} ... {end}")
    return head + new + tail


def publish(top, results):
    folder = top / FOLDER
    texts = {name: replace_between(name, (top / name).read_text(), BEGIN, END,
                                   section(results, words)) for name, words in READMES.items()}
    folder.mkdir(exist_ok=True)
    (folder / "speed.svg").write_text(chart.svg(results))
    for name, text in texts.items():
        (top / name).write_text(text)
    print(f"published: {' '.join(texts)} {FOLDER}/speed.svg")
