"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import mrdock

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "mrdock"

LONGEST_MODULE = 400
# Modules that are one long table may be longer: their names, relative to the repository.
TABLES = frozenset({"src/mrdock/dicom/philips.py", "src/mrdock/dicom/sop_classes.py", "src/mrdock/dicom/standard.py"})

POSIX_ONLY = frozenset({"pwd", "grp", "fcntl", "resource", "termios"})

SKIPPING_TESTS = """
import pytest

def test_plain():
    pass

def test_skips():
    pytest.skip("there is no peer")

@pytest.mark.skip(reason="marked")
def test_marked():
    pass

@pytest.mark.xfail(reason="known")
def test_expected_failure():
    raise AssertionError
"""


def modules(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def imported(module: Path) -> Iterator[tuple[int, str]]:
    """Line and top-level package of each absolute import, wherever it stands in the module."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name.partition(".")[0]) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.lineno, node.module.partition(".")[0]


def test_modules_are_short() -> None:
    lengths = {
        str(module.relative_to(ROOT)): len(module.read_text(encoding="utf-8").splitlines())
        for module in modules("src", "demo", "benchmarks", "scripts")
    }
    too_long = {name: n for name, n in lengths.items() if n > LONGEST_MODULE and name not in TABLES}
    assert not too_long
    assert set(lengths) >= TABLES, "a table that is gone needs no exception"


def test_posix_stays_in_the_dock() -> None:
    found = [
        f"{module.relative_to(ROOT)}:{line}: import of {name}"
        for module in modules("src")
        if PACKAGE / "dock" not in module.parents
        for line, name in imported(module)
        if name in POSIX_ONLY
    ]
    assert not found, "only mrdock.dock may be for POSIX systems alone"


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, mrdock; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pydicom", "pynetdicom", "sqlalchemy", "click", "rich"} & set(done.stdout.split())


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == mrdock.__version__


def test_changelog_has_a_place_for_the_next_release() -> None:
    assert "## [Unreleased]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(("ci", "exit_code"), [("true", 1), ("", 0)])
def test_in_ci_a_skipped_test_fails(tmp_path: Path, ci: str, exit_code: int) -> None:
    (tmp_path / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_some.py").write_text(SKIPPING_TESTS, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "--color=no"]
    environment = {**os.environ, "CI": ci, "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == exit_code, done.stdout
    closing = done.stdout.splitlines()[-1]
    if ci:
        assert "test_some.py::test_skips: in CI no test may be skipped" in done.stdout
        assert "there is no peer" in done.stdout
        assert "1 failed, 1 passed, 1 xfailed, 1 error" in closing
    else:
        assert "1 passed, 2 skipped, 1 xfailed" in closing


def test_in_ci_a_skipped_module_fails(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    (tmp_path / "test_some.py").write_text(
        "import pytest\npytest.skip('no data', allow_module_level=True)\n", encoding="utf-8"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no"],
        cwd=tmp_path,
        env={**os.environ, "CI": "true", "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode != 0
    assert "test_some.py: in CI no test may be skipped" in done.stdout
