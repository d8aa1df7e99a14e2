"""The page on reliability: its cases are tests, the tests are cases; its variables and fuzz targets are there."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.target import names

ROOT = Path(__file__).resolve().parents[2]
FAULTS = ROOT / "tests" / "faults"
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")

ROW = re.compile(r"^\| (T\d+) \| (.+?) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
MODULE = re.compile(r"`(test_\w+\.py)`")
TEST = re.compile(r"test_(t\d+)_")
VARIABLE = re.compile(r"\bMRDOCK_[A-Z_]+\b")
TARGET = re.compile(r"^\| `(\w+)` \| [\d,]+ \|$", re.MULTILINE)

UNTESTED = {"T20"}
"""TLS, which is not offered."""


def cases() -> dict[str, set[str]]:
    """The ids of the page, and the modules that it names for each."""
    rows = ROW.findall(PAGE)
    assert len(rows) == len({row[0] for row in rows}), "an id has two rows"
    return {case: set(MODULE.findall(modules)) for case, _, _, modules in rows}


def ids_of_tests() -> dict[str, set[str]]:
    """The ids that tests are named by, and the modules that these are in."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(FAULTS.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match = TEST.match(node.name) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else None
            if match is not None:
                found[match[1].upper()].add(path.name)
    return found


def variables_read(*folders: Path) -> set[str]:
    """The variables of ours that the code in these folders takes from the environment."""
    return {
        name
        for folder in folders
        for path in folder.rglob("*.py")
        for name in read_by(ast.parse(path.read_text(encoding="utf-8")))
        if name.startswith("MRDOCK_")
    }


def read_by(tree: ast.AST) -> Iterator[str]:
    """The names in ``os.environ["NAME"]``, ``os.environ.get("NAME")`` and ``os.getenv("NAME")``."""
    for node in ast.walk(tree):
        match node:
            case ast.Subscript(ast.Attribute(attr="environ"), ast.Constant(str(name)), ast.Load()):
                yield name
            case ast.Call(ast.Attribute(ast.Attribute(attr="environ"), "get"), [ast.Constant(str(name)), *_]):
                yield name
            case ast.Call(ast.Attribute(ast.Name("os"), "getenv"), [ast.Constant(str(name)), *_]):
                yield name


def test_all_cases_that_there_are_have_a_row() -> None:
    gaps = {27, 33, 36, 41, 43, 44, 48}
    assert list(cases()) == [f"T{number:02}" for number in range(1, 53) if number not in gaps]


def test_each_case_names_the_module_of_its_tests_and_each_test_is_a_case() -> None:
    found = ids_of_tests()
    assert not UNTESTED & found.keys(), "this has a test now, and is no exception"
    assert cases() == {**found, **{case: set() for case in UNTESTED}}


def test_each_module_that_is_named_exists() -> None:
    named = set(re.findall(r"`((?:test_)?\w+\.py)`", PAGE))
    assert named
    assert [name for name in sorted(named) if not (FAULTS / name).is_file()] == []


def test_the_variables_of_the_page_are_those_that_are_read() -> None:
    named = set(VARIABLE.findall(PAGE))
    assert named <= variables_read(ROOT / "tests", ROOT / "fuzz")
    assert variables_read(FAULTS) <= named


def test_the_figures_of_fuzzing_are_of_the_targets_that_there_are() -> None:
    assert sorted(TARGET.findall(PAGE)) == sorted(names())


@pytest.mark.parametrize("code", ['os.environ["MRDOCK_X"]', 'os.environ.get("MRDOCK_X", "1")', 'os.getenv("MRDOCK_X")'])
def test_what_counts_as_read(code: str) -> None:
    assert list(read_by(ast.parse(code))) == ["MRDOCK_X"]


def test_what_does_not_count_as_read() -> None:
    assert list(read_by(ast.parse('os.environ["MRDOCK_X"] = "1"; print("MRDOCK_X")'))) == []
