# SPDX-License-Identifier: MIT
"""Fixtures of the lab. See homes.py for the picture and machine.py for what a machine is."""
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import lansplice  # noqa: E402
from commands import make_home  # noqa: E402
from homes import Lab  # noqa: E402

REPORT_CHARACTERS = 20_000


def pytest_configure(config):
    config.addinivalue_line("markers", "cable: works without the daemon")


def pytest_collection_modifyitems(items):
    for item in items:
        if os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="network namespaces need root"))
        elif not lansplice.is_built() and not item.get_closest_marker("cable"):
            item.add_marker(pytest.mark.skip(reason=f"{lansplice.BINARY} is not built"))


@pytest.fixture(autouse=True)
def sanitizer_reports(tmp_path_factory, monkeypatch):
    """What a sanitizer finds in any of a test's programs, a command or a daemon, fails the test.

    Reports go into files, for nobody reads the stderr of every command. At its end a program under
    the thread sanitizer would wait a second for more: each `status` did.
    """
    if not lansplice.sanitizers():
        yield
        return
    folder = tmp_path_factory.mktemp("sanitizers")
    for name in "ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS":
        given = [os.environ[name]] if name in os.environ else []
        more = ["atexit_sleep_ms=0"] if name == "TSAN_OPTIONS" else []
        monkeypatch.setenv(name, ":".join([*given, *more, f"log_path={folder}/report"]))
    yield
    reports = [path.read_text(errors="replace") for path in sorted(folder.iterdir())]
    if reports:
        pytest.fail("\n".join(reports)[:REPORT_CHARACTERS], pytrace=False)


@pytest.fixture
def lab(tmp_path, request):
    built = Lab(tmp_path)
    request.node.lab = built
    yield built
    if lansplice.sanitizers():  # some look only when the program ends by itself
        for daemon in built.daemons:
            daemon.stop()
    built.close()


@pytest.fixture
def a(lab):
    return lab.home("a")


@pytest.fixture
def b(lab, a):  # a first: it is home number 1
    return lab.home("b")


@pytest.fixture
def c(lab, b):
    return lab.home("c")


@pytest.fixture
def alone(lab, a):
    """Home a's daemon without a peer, not started."""
    a.host("h1")
    return lab.daemon(a)


# Homes that are only a folder, for the commands that need no network.

@pytest.fixture
def home(tmp_path):
    return make_home(tmp_path / "home", "home")


@pytest.fixture
def parents(tmp_path):
    return make_home(tmp_path / "parents", "parents")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """A test that failed says what the daemons wrote and what was on the wires."""
    outcome = yield
    report = outcome.get_result()
    built = getattr(item, "lab", None)
    if report.when == "call" and report.failed and built:
        report.sections.append(("lab", built.report()))
