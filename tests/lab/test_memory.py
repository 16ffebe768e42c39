# SPDX-License-Identifier: MIT
"""What the daemon has in memory while its peers are up and nobody says anything.

A router with 64 MB has little to give. With musl, as OpenWrt has it, the whole is judged: program,
libraries and data; here all of them are in one file. With glibc, whose own pages are more than
that, what is judged is the part that is nobody else's: the daemon's data, stacks and heap. The
bounds of that part have no room for another quarter of a MB.
"""
import os
import re
import time

import pytest

from lansplice import is_static, sanitizers

SETTLE_S = 5  # the path MTU is found by then
WHOLE_MUSL_KIB = 3_000_000 // 1024
OWN_MUSL_KIB = 512   # measured: 364
OWN_GLIBC_KIB = 768  # measured: 592
HUGE_PAGE_KIB = 2048


def test_two_idle_peers(lab, a, b, c, record_property):
    if sanitizers():
        pytest.skip("a sanitizer's memory is larger")
    if os.sysconf("SC_PAGESIZE") > 4096:
        pytest.skip("the bounds are those of small pages")
    lab.splice(a, b, c)
    time.sleep(SETTLE_S)
    assert a.lansplice.is_up("b", "c")
    whole, own = (a.lansplice.process.rss_kib(part) for part in ("VmRSS", "RssAnon"))
    record_property("VmRSS, of it RssAnon", f"{whole} KiB, {own} KiB")
    assert own <= (OWN_MUSL_KIB if is_static() else OWN_GLIBC_KIB)
    if is_static():
        assert whole <= WHOLE_MUSL_KIB


def test_no_huge_pages(lab, a):
    """Where the kernel takes them unasked, memory that is hardly used would be there as a whole."""
    if sanitizers():
        pytest.skip("a sanitizer has mappings of its own")
    lab.daemon(a).start()
    with open(f"/proc/{a.lansplice.process.pid}/smaps") as smaps:
        mappings = re.findall(r"^[0-9a-f]+-[0-9a-f]+ rw.*?^Size: +(\d+) kB.*?^VmFlags: (.*?)$",
                              smaps.read(), re.M | re.S)
    large = [flags.split() for size, flags in mappings if int(size) >= HUGE_PAGE_KIB]
    assert large and all("nh" in flags for flags in large)
