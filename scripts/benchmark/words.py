# SPDX-License-Identifier: MIT
"""What the reports say around their numbers, in each language that there is a README in."""
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Words:
    machine: str      # a template, as the next two: scripts/bench's facts() fill them
    run: str
    idle: str
    between: str      # two sentences
    chart: str        # what stands where the chart cannot be shown
    against: str      # the head of the column of ratios
    nobody: str       # of the best peer, when there is none
    legend: str       # a template for the best peer's title
    columns: dict = field(default_factory=dict)  # {a metric's key: the head of its column}
    titles: dict = field(default_factory=dict)   # {a peer's title: what it is called here}

    def facts(self, facts):
        """Lines about the machine and the run; none when nothing is known of them."""
        if not facts:
            return []
        lines = [self.machine, self.run] + ([self.idle] if facts["idle"] else [])
        return [line.format(**facts) for line in lines]

    def title(self, title):
        return self.titles.get(title, title)


ENGLISH = Words(
    machine="{cpu}, {cpus} CPUs, Linux {linux}; both ends, source and sink on it.",
    run="`scripts/bench {options}`: {rounds} rounds, {seconds} s a measure, lansplice {revision}. "
        "Other programs kept the machine's CPUs {busy} busy (median before each turn; at most "
        "{busiest}).",
    idle="Tunnels stayed up for {keep} rounds; idle, all together, their programs took {idle} of "
         "the machine: part of the number before.",
    between=" ",
    chart="The same as bars",
    against="to the best peer",
    nobody="not in this run",
    legend="Medians of the rounds; ± is their spread, (max - min) / median. RTT and memory: less "
           "is better. In brackets: libsodium's version. The best peer by TCP is {best}. \\* not "
           "encrypted: ceilings, not peers.",
    columns={"tcp_mbit": "TCP, Gbit/s", "tcp_machine_s_per_gb": "CPU, s/GB",
             "udp64_clean_pps": "64-byte frames, 1000/s", "rtt_p50_ms": "RTT idle, ms",
             "loaded_p50_ms": "loaded, ms", "loaded_p99_ms": "loaded p99, ms",
             "rss_kib": "memory, KiB"})

JAPANESE = Words(
    machine="{cpu}、CPU {cpus} 個、Linux {linux}。両端も、送り手も受け手も、この 1 台で動かしています。",
    run="`scripts/bench {options}`: {rounds} 回くり返し、1 回の測定は {seconds} 秒、lansplice "
        "{revision}。ほかのプログラムによる CPU 使用率は {busy}（各測定前の中央値。最大 {busiest}）。",
    idle="トンネルは {keep} 回のあいだ張ったままで、待機中のプログラム全部で {idle} の CPU を使います。"
         "これは前の数字に含まれます。",
    between="",
    chart="同じ内容の棒グラフ",
    against="ほかの最速との比",
    nobody="この測定にはない",
    legend="中央値です。± はばらつき、(最大 - 最小) / 中央値。RTT とメモリーは小さいほどよい値です。"
           "括弧の中は libsodium の版。TCP でほかの最速は {best} です。\\* は暗号化なし。"
           "競争相手ではなく、上限の目安です。",
    columns={"tcp_mbit": "TCP, Gbit/s", "tcp_machine_s_per_gb": "CPU, 秒/GB",
             "udp64_clean_pps": "64 バイトのフレーム, 1000/s", "rtt_p50_ms": "RTT 待機時, ms",
             "loaded_p50_ms": "負荷時, ms", "loaded_p99_ms": "負荷時 p99, ms",
             "rss_kib": "メモリー, KiB"},
    titles={"kernel VXLAN": "カーネルの VXLAN", "a plain cable": "ただのケーブル"})
