# SPDX-License-Identifier: MIT
"""OpenWrt's feed: the package's Makefile, by a stand-in for the SDK's (openwrt/sdk)."""
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "openwrt"))

from router import BINARY, HERE, PACKAGE, TOP  # noqa: E402

LEFT_OUT = "libminiupnpc"
C_LIBRARIES = "libc", "libm", "libpthread", "ld-linux-x86-64", "libasan", "libubsan"
LONG = bool(os.environ.get("LANSPLICE_LONG"))


def make(folder, target, **variables):
    words = [f"{name}={value}" for name, value in variables.items()]
    return subprocess.run(
        ["make", "-s", "--no-print-directory", "-C", PACKAGE, f"TOPDIR={HERE / 'sdk'}",
         f"BUILD_DIR={folder / 'build'}", f"DESTDIR={folder / 'root'}", *words, target],
        check=True, capture_output=True, text=True).stdout


@pytest.fixture
def shown(tmp_path):
    lines = make(tmp_path, "show").splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines}


def test_what_it_says_of_itself(shown):
    version = re.search(r"^VERSION := (.*)$", (TOP / "Makefile").read_text(), re.M)[1]
    assert shown["version"] == [f"{version}-r1"]
    # What apk takes for a version: digits, dots, then -r and digits.
    assert re.fullmatch(r"\d+(\.\d+)*(_(alpha|beta|pre|rc)\d*)?-r\d+", shown["version"][0])
    assert shown["licence"] == ["MIT"] and (TOP / shown["licence-file"][0]).exists()
    assert shown["conffiles"] == ["/etc/config/lansplice"]


def test_depends_on_what_the_programs_need(shown):
    """Each library that the programs are linked with is in DEPENDS by OpenWrt's name."""
    names = {"libsodium": "+libsodium", "libuv": "+libuv", "libnl-3": "+libnl-core",
             "libinih": "+libinih", "libjson-c": "+libjson-c",
             "libmbedcrypto": "+LANSPLICE_TURN:libmbedtls"}
    if not BINARY.exists():
        pytest.skip(f"{BINARY} is not built")
    for program in BINARY, BINARY.with_name("lansplice-tools"):
        listed = subprocess.run(["objdump", "-p", program], capture_output=True, text=True).stdout
        for library in re.findall(r"NEEDED\s+(\S+)\.so", listed):
            if library not in (LEFT_OUT, *C_LIBRARIES):
                assert names[library] in shown["depends"], library
    assert "+kmod-tun" in shown["depends"]


def test_the_files(tmp_path):
    make(tmp_path, "prepare")
    folder, = (tmp_path / "build").iterdir()
    assert (folder / "kmod-free/site.h").exists() and (folder / "daemon/main.c").exists()
    if LONG:
        make(tmp_path, "compile")
        for name in "lansplice", "lansplice-tools":
            assert str(folder).encode() not in (folder / "build" / name).read_bytes()
    else:
        (folder / "build").mkdir()
        for name in "lansplice", "lansplice-tools":
            shutil.copy("/bin/true", folder / "build" / name)
    make(tmp_path, "install")
    root = tmp_path / "root"
    listed = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert listed == {
        "usr/sbin/lansplice", "usr/sbin/lansplice-tools", "etc/config/lansplice",
        "etc/init.d/lansplice", "etc/uci-defaults/99_lansplice", "lib/upgrade/keep.d/lansplice",
        "lib/netifd/proto/lansplice.sh", "usr/lib/lansplice/uci-config", "usr/lib/lansplice/event",
        "usr/lib/lansplice/functions.sh", "etc/hotplug.d/lansplice/10-peers",
        "etc/hotplug.d/lansplice/20-port",
        "usr/share/nftables.d/chain-pre/srcnat/lansplice.nft",
        "etc/hotplug.d/lansplice/90-example"}
    for name in ("usr/sbin/lansplice", "etc/init.d/lansplice", "lib/netifd/proto/lansplice.sh",
                 "usr/lib/lansplice/uci-config", "usr/lib/lansplice/event"):
        assert os.access(root / name, os.X_OK), name
