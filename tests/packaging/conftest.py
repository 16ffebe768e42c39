# SPDX-License-Identifier: MIT
"""Fixtures of the packages' tests. See openwrt/router.py for what a router is."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "openwrt"))

from router import Router, build_root  # noqa: E402


def written(root):
    """What tells whether somebody has written to a file of it."""
    return {path: (path.lstat().st_size, path.lstat().st_mtime_ns, path.lstat().st_mode)
            for path in root.rglob("*") if not path.is_dir()}


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """Routers have links to its files, so nobody may write to one where it is."""
    root = build_root(tmp_path_factory.mktemp("openwrt") / "base")
    before = written(root)
    yield root
    after = written(root)
    assert [path for path in before | after if before.get(path) != after.get(path)] == []


@pytest.fixture
def router(base, tmp_path):
    return Router(base, tmp_path / "root")
