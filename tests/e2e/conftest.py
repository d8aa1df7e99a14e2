"""Fixtures of the end-to-end tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders import StudyIdentity, bulk_classic
from tests.e2e.dock_process import Place

MakePlace = Callable[..., Place]


@pytest.fixture(scope="module")
def short_folder() -> Iterator[Path]:
    """A folder whose name is short enough for the header fields of 64 characters."""
    with tempfile.TemporaryDirectory(prefix="md") as name:
        yield Path(name).resolve()


@pytest.fixture
def research(short_folder: Path) -> Path:
    """A directory that images may be copied below, empty for each test."""
    folder = short_folder / f"r{len(list(short_folder.iterdir()))}"
    folder.mkdir()
    return folder


@pytest.fixture
def place(tmp_path: Path, research: Path) -> Place:
    """A place for docks whose studies are complete after half a second, and that may copy to ``research``."""
    return Place(tmp_path, quiet=0.5, roots=[research])


MakeImages = Callable[..., list[Path]]


def make_images(folder: Path, count: int, *, seed: str = "demo", comment: str = "", **overrides: Any) -> list[Path]:
    """Small classic images of one series; ``comment`` is the Study Description."""
    folder.mkdir(parents=True)
    if comment:
        overrides["study_description"] = comment
    files = []
    for number, content in enumerate(bulk_classic(count, StudyIdentity(seed), rows=4, columns=4, **overrides)):
        files.append(folder / f"IM_{number:04d}")
        files[-1].write_bytes(content)
    return files


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> MakeImages:
    """`make_images` in a folder of its own at each call."""

    def make(count: int, **what: Any) -> list[Path]:
        return make_images(tmp_path_factory.mktemp("scanner") / "images", count, **what)

    return make
