"""Where the series of a study go, decided from rows alone."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dock.entries import RouteRow
from mrdock.dock.queries import InstanceRow
from mrdock.dock.routing import SeriesPlan, pause, plan
from mrdock.dock.states import State
from tests.dock.rows import instance_row
from tests.dock.support import START, STUDY

SERIES = [f"{STUDY}.{number}" for number in range(4)]
DIFFERENT = "the images of the series name different paths"


def route(series: int = 1, path: str = "/data/a", asked: bool = False, state: State = State.ROUTED) -> RouteRow:
    """A route of a series."""
    return RouteRow(STUDY, SERIES[series], path, asked, state, "", "", START)


def name(number: int, series: int = 1) -> str:
    """The name of an image."""
    return f"MR.{STUDY}.{series}.{number}"


def planned(
    images: list[InstanceRow], *routes: RouteRow, asked_path: str | None = None
) -> list[tuple[str, str, bool, tuple[str, ...], str]]:
    """The plan as tuples: series, path, asked, names, reason."""
    found = plan(images, {row.series: row for row in routes}, asked_path)
    return [(item.series, item.path, item.asked, item.names, item.reason) for item in found]


ONE = instance_row(1, path="/data/a")
TWO = instance_row(2, path="/data/a")
PATHLESS = instance_row(1)
OTHER = instance_row(2, path="/data/b")


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param([], [], id="no image"),
        pytest.param([PATHLESS], [], id="no path"),
        pytest.param([ONE], [(SERIES[1], "/data/a", False, (name(1),), "")], id="one path"),
        pytest.param([ONE, TWO], [(SERIES[1], "/data/a", False, (name(1), name(2)), "")], id="the same path twice"),
        pytest.param([ONE, OTHER], [(SERIES[1], "", False, (name(1), name(2)), DIFFERENT)], id="two paths"),
        pytest.param(
            [PATHLESS, TWO], [(SERIES[1], "/data/a", False, (name(1), name(2)), "")], id="some images have none"
        ),
        pytest.param(
            [ONE, instance_row(1, series=2, path="/data/b"), instance_row(1, series=3)],
            [(SERIES[1], "/data/a", False, (name(1),), ""), (SERIES[2], "/data/b", False, (name(1, 2),), "")],
            id="each series by its own header",
        ),
        pytest.param([instance_row(1, path="")], [(SERIES[1], "", False, (name(1),), "")], id="a mark without a path"),
        pytest.param(
            [instance_row(1, path="/data/a", routed=START), TWO],
            [(SERIES[1], "/data/a", False, (name(2),), "")],
            id="one is copied already",
        ),
        pytest.param(
            [instance_row(1, path="/data/a", taken=START), TWO],
            [(SERIES[1], "/data/a", False, (name(2),), "")],
            id="one was taken",
        ),
        pytest.param(
            [instance_row(1, path="/data/a", routed=START)], [(SERIES[1], "/data/a", False, (), "")], id="all copied"
        ),
        pytest.param(
            [instance_row(1, path="/data/a", routed=START), OTHER],
            [(SERIES[1], "", False, (name(2),), DIFFERENT)],
            id="a late image names another path",
        ),
        pytest.param(
            [instance_row(1, path="/data/a", taken=START), OTHER],
            [(SERIES[1], "", False, (name(2),), DIFFERENT)],
            id="one that was taken named another path",
        ),
    ],
)
def test_without_a_person(
    images: list[InstanceRow], expected: list[tuple[str, str, bool, tuple[str, ...], str]]
) -> None:
    assert planned(images) == expected


@pytest.mark.parametrize(
    ("images", "routes", "expected"),
    [
        pytest.param(
            [ONE, OTHER],
            [route(path="/data/c", asked=True)],
            [(SERIES[1], "/data/c", True, (name(1), name(2)), "")],
            id="for a series with two paths",
        ),
        pytest.param(
            [PATHLESS], [route(path="/data/c", asked=True)], [(SERIES[1], "/data/c", True, (name(1),), "")], id="none"
        ),
        pytest.param(
            [ONE], [route(path="/data/c")], [(SERIES[1], "/data/a", False, (name(1),), "")], id="an old route is no ask"
        ),
    ],
)
def test_what_a_person_asked_for_a_series_goes_before_its_header(
    images: list[InstanceRow],
    routes: list[RouteRow],
    expected: list[tuple[str, str, bool, tuple[str, ...], str]],
) -> None:
    assert planned(images, *routes) == expected


def test_what_a_person_asked_for_the_study_is_for_series_without_a_path() -> None:
    images = [ONE, instance_row(1, series=2), instance_row(1, series=3, path="/data/b"), instance_row(2, series=3)]
    assert planned(images, asked_path="/data/c") == [
        (SERIES[1], "/data/a", False, (name(1),), ""),
        (SERIES[2], "/data/c", True, (name(1, 2),), ""),
        (SERIES[3], "/data/b", False, (name(1, 3), name(2, 3)), ""),
    ]


ROWS = st.lists(
    st.builds(
        lambda number, series, path, routed, taken: instance_row(
            number, series=series, path=path, routed=routed, taken=taken
        ),
        st.integers(1, 5),
        st.integers(0, 3),
        st.sampled_from([None, "", "/data/a", "/data/b"]),
        st.sampled_from([None, START]),
        st.sampled_from([None, START]),
    ),
    unique_by=lambda row: row.name,
)
ROUTES = st.lists(st.builds(route, st.integers(0, 3), st.sampled_from(["/data/a", "/data/c"]), st.booleans()))


@given(ROWS, ROUTES, st.sampled_from([None, "/data/d"]))
def test_a_plan_names_each_open_image_once_and_no_other(
    images: list[InstanceRow], routes: list[RouteRow], asked_path: str | None
) -> None:
    found: list[SeriesPlan] = plan(images, {row.series: row for row in routes}, asked_path)
    assert len({item.series for item in found}) == len(found)
    names = [name for item in found for name in item.names]
    series = {item.series for item in found}
    due = [row.name for row in images if row.routed is None and row.taken is None and row.series in series]
    assert sorted(names) == sorted(due)
    assert all(item.reason == "" or item.path == "" for item in found)
    pathless = {row.series for row in images} - series
    assert all(row.path is None for row in images if row.series in pathless)
    assert asked_path is None or not pathless


def test_pauses_grow_and_are_bounded() -> None:
    pauses = [pause(attempts) for attempts in range(40)]
    assert pauses[0] == 30
    assert all(later == min(2 * sooner, 3600) for sooner, later in pairwise(pauses))
    assert pause(10**9) == 3600
