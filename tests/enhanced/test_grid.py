"""Frames to cells: what has to be merged, and what order and combination do."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.enhanced.grid import DuplicateError, Grid, combined, grid_of, ordered
from mrdock.errors import ChoiceError


@st.composite
def index_values(draw: st.DrawFn, most: int = 4) -> np.ndarray:
    """Some of the combinations of some entries, in any order; the values are any ascending numbers."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=most))
    marks = [sorted(draw(st.sets(st.integers(0, 70000), min_size=size, max_size=size))) for size in sizes]
    whole = list(itertools.product(*marks))
    kept = draw(st.one_of(st.just(whole), st.lists(st.sampled_from(whole), min_size=1, unique=True)))
    return np.array(draw(st.permutations(kept)), dtype=np.uint32)


def places(values: np.ndarray, grid: Grid) -> None:
    """Every frame stands in one cell, and the entries of an axis are the combinations of its parts, ranked."""
    there = grid.cells[grid.cells >= 0]
    assert sorted(there.tolist()) == list(range(len(values)))
    for at, axis in enumerate(grid.axes):
        assert axis.frames.shape == (grid.cells.shape[at], len(axis.parts))
        seen = []
        for entry in range(axis.size):
            frames = grid.cells.take(entry, axis=at).reshape(-1)
            rows = {tuple(values[frame, list(axis.parts)].tolist()) for frame in frames if frame >= 0}
            said = tuple(values[frame, part] for frame, part in zip(axis.frames[entry], axis.parts, strict=True))
            assert rows <= {said}
            seen.append(said)
        assert len(set(seen)) == len(seen)


@given(index_values())
def test_every_frame_has_a_cell_and_every_cell_a_frame(values: np.ndarray) -> None:
    grid = grid_of(values)
    places(values, grid)
    assert grid.cells.size == len(values)


@given(index_values())
def test_no_smaller_set_could_be_merged(values: np.ndarray) -> None:
    sizes = [len(set(column.tolist())) for column in values.T]
    varying = [at for at, size in enumerate(sizes) if size > 1]

    def complete(merged: tuple[int, ...]) -> bool:
        distinct = len({tuple(row) for row in values[:, list(merged)].tolist()})
        return distinct * math.prod(sizes[at] for at in varying if at not in merged) == len(values)

    grid = grid_of(values)
    merged = next((axis.parts for axis in grid.axes if len(axis.parts) > 1), ())
    if not merged:
        assert complete(())
    else:
        assert complete(merged)
        smaller = [each for count in range(len(merged)) for each in itertools.combinations(varying, count)]
        assert not any(complete(each) for each in smaller)


@given(index_values())
def test_a_full_grid_marks_what_is_missing(values: np.ndarray) -> None:
    grid = grid_of(values, "mask")
    places(values, grid)
    assert all(len(axis.parts) == 1 for axis in grid.axes)
    assert (grid.cells < 0).sum() == grid.cells.size - len(values)
    ranks = [np.unique(column, return_inverse=True)[1] for column in values.T if len(set(column.tolist())) > 1]
    for frame in range(len(values)):
        assert grid.cells[tuple(int(rank.reshape(-1)[frame]) for rank in ranks)] == frame


@given(index_values(), st.sampled_from(["merge", "mask"]), st.data())
def test_orders_and_combinations_keep_every_frame(values: np.ndarray, missing: str, data: st.DataObject) -> None:
    grid = grid_of(values, missing)  # type: ignore[arg-type]
    turned = ordered(grid, data.draw(st.permutations(range(len(grid.axes)))))
    places(values, turned)
    flags = [at > 0 and data.draw(st.booleans()) for at in range(len(grid.axes))]
    merged = combined(turned, flags)
    places(values, merged)
    assert merged.cells.ndim == len(flags) - sum(flags)
    by_hand = turned.cells
    for at in reversed([at for at, flag in enumerate(flags) if flag]):
        pieces = np.moveaxis(by_hand, at, 0)
        by_hand = np.concatenate(list(pieces), axis=at - 1)
    assert np.array_equal(np.sort(by_hand, axis=None), np.sort(merged.cells, axis=None))
    if sum(flags) == 1:
        assert np.array_equal(by_hand, merged.cells)


def test_one_b0_and_one_shell_become_one_axis_with_the_last_dimension_slowest() -> None:
    values = np.array([(s, b, d) for b, d in ((2, 1), (2, 2), (1, 3)) for s in (1, 2)])
    grid = grid_of(values)
    assert [axis.parts for axis in grid.axes] == [(0,), (1, 2)]
    assert grid.axes[1].marks == ("/",)
    assert grid.cells.tolist() == [[0, 2, 4], [1, 3, 5]]


def test_equally_many_frames_are_not_enough() -> None:
    grid = grid_of(np.array([(1, 0, 3), (1, 4, 1), (2, 0, 3), (2, 4, 1)]))
    assert [axis.parts for axis in grid.axes] == [(0,), (1, 2)]


def test_a_stopped_scan_is_one_axis_or_has_holes() -> None:
    values = np.array([(s, t) for t in range(3) for s in range(4)][:-1])
    assert grid_of(values).cells.shape == (11,)
    assert grid_of(values, "mask").cells.shape == (4, 3)


def test_no_two_frames_in_one_cell() -> None:
    with pytest.raises(DuplicateError, match="frames 2 and 4 have the same index values") as caught:
        grid_of(np.array([(1, 1), (1, 2), (2, 1), (1, 2)]))
    assert caught.value.frames == (1, 3)
    with pytest.raises(DuplicateError):
        grid_of(np.empty((2, 0), np.int64))


def test_one_frame_has_no_axes() -> None:
    grid = grid_of(np.array([(1, 1, 7)]))
    assert grid.axes == ()
    assert grid.cells.tolist() == 0


def test_a_grid_that_would_be_nearly_all_empty_is_refused() -> None:
    values = np.arange(300)[:, np.newaxis].repeat(3, axis=1)
    assert grid_of(values).cells.shape == (300,)
    with pytest.raises(ChoiceError, match="27000000 cells for 300 frames"):
        grid_of(values, "mask")


def test_many_dimensions_of_many_entries_do_not_overflow() -> None:
    values = np.arange(5000)[:, np.newaxis].repeat(8, axis=1)
    assert grid_of(values).cells.shape == (5000,)
