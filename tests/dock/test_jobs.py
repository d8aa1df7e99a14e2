"""How many studies are copied at a time, and where to."""

from __future__ import annotations

from pathlib import Path

import pytest

from mrdock.dock.jobs import MOST, CopyJobs
from mrdock.dock.settings import RouteSettings


def jobs(*roots: str, mounts: tuple[str, ...] = ()) -> CopyJobs:
    return CopyJobs(RouteSettings(roots=tuple(map(Path, roots)), mount_points=tuple(map(Path, mounts))))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/data/x", "/data"),
        ("/data", "/data"),
        ("/data/lab/x", "/data/lab"),
        ("/data/lab2/x", "/data"),
        ("/database", ""),
        ("lab/x", ""),
    ],
)
def test_a_place_is_the_innermost_root_or_mount_point(path: str, place: str) -> None:
    assert jobs("/data", mounts=("/data/lab",)).place_of(path) == place


def test_a_place_takes_two_and_the_others_go_on() -> None:
    running = jobs("/a", "/b")
    assert [running.begin(study, ["/a/x"]) for study in "123"] == [True, True, False]
    assert [running.begin(study, ["/b/x"]) for study in "456"] == [True, True, False]
    assert running.begin("7", [])
    assert [study in running for study in "1234567"] == [True, True, False, True, True, False, True]
    running.end("1")
    assert running.begin("3", ["/a/y"])


def test_a_study_for_two_places_is_in_the_way_only_where_it_is() -> None:
    running = jobs("/a", "/b")
    for study in "12":
        assert running.begin(study, ["/a/x", "/b/x"])
    assert not running.begin("3", ["/b/x"])
    for study in "12":
        running.move(study, "/a/x")  # and there they hang
    assert running.begin("3", ["/b/x"])
    assert not running.begin("4", ["/b/x", "/a/x"])
    assert running.begin("5", ["/b/x"])


def test_not_more_than_so_many_in_all() -> None:
    running = jobs(*(f"/{number}" for number in range(MOST)))
    for number in range(MOST):
        assert not running.full
        assert running.begin(str(number), [f"/{number}"])
    assert running.full
    for number in range(MOST):
        running.end(str(number))
    running.end("unknown")
    assert not running
