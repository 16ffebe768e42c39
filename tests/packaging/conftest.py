# SPDX-License-Identifier: MIT
"""Fixtures of the packages' tests. See openwrt/router.py for what a router is."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "openwrt"))

from router import Router, build_root  # noqa: E402


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return build_root(tmp_path_factory.mktemp("openwrt") / "base")


@pytest.fixture
def router(base, tmp_path):
    return Router(base, tmp_path / "root")
