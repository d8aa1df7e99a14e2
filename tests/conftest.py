"""What all tests share: the real data, the peers' programs, free ports, and no skipping in CI."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

NeedTool = Callable[[str], str]
FreePort = Callable[[], int]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The directory of real Philips files: $MRDOCK_TEST_DATA, or shared/data beside the repository."""
    given = os.environ.get("MRDOCK_TEST_DATA")
    folder = Path(given).resolve() if given else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        why = f"{folder} is not there" if given else "MRDOCK_TEST_DATA does not name their directory"
        pytest.skip(f"no real Philips files: {why}")
    return folder


@pytest.fixture(scope="session")
def need_tool() -> NeedTool:
    """A function from a program's name to its full path; where the program is missing, the test skips.

    Use the path that it returns: a bare `storescu` may be the script of that name that pynetdicom brings.
    """

    def find(name: str) -> str:
        path = shutil.which(name, path=os.pathsep.join(_program_folders()))
        if path is None:
            pytest.skip(f"{name} is not installed (scripts/peers.sh installs it on Debian)")
        return path

    return find


def _program_folders() -> list[str]:
    """Debian's own folders first, then PATH without the folders of virtual environments."""
    folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
    for version in sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name)):
        folders.insert(0, str(version))  # initdb, postgres: not on PATH; the newest comes first
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and folder not in folders and not (Path(folder).parent / "pyvenv.cfg").exists():
            folders.append(folder)
    return folders


@pytest.fixture(scope="session")
def free_port() -> FreePort:
    """A function that returns a TCP port free on loopback, another one at each call."""
    given: set[int] = set()

    def find() -> int:
        while True:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                probe.bind(("127.0.0.1", 0))
                port = int(probe.getsockname()[1])
            if port not in given:
                given.add(port)
                return port

    return find


# In CI every peer and all data are there: a test that skips shows that the set-up is broken, so it fails.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_skipped_in_ci(report)
    return report


def _fail_if_skipped_in_ci(report: pytest.TestReport | pytest.CollectReport) -> None:
    expected_failure = hasattr(report, "wasxfail")  # pytest calls these skipped, too
    if os.environ.get("CI") != "true" or not report.skipped or expected_failure:
        return
    where = ":".join(map(str, report.longrepr)) if isinstance(report.longrepr, tuple) else str(report.longrepr)
    report.outcome = "failed"
    report.longrepr = f"{report.nodeid}: in CI no test may be skipped: {where}"
