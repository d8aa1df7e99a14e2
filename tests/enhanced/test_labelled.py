"""Enhanced MR in xarray: by value, lazily, in chunks, and back from the files that it writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask
import numpy as np
import pytest
import xarray
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import mrdock
from mrdock.enhanced.pixels import Pixels
from mrdock.errors import MalformedError
from tests.builders import StudyIdentity, enhanced_mr

from .support import REAL


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "made.dcm"
    enhanced_mr(StudyIdentity(), slices=4, dynamics=3, rows=6, columns=5, types=("M", "P"), echoes=2).save_as(path)
    return path


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_lazily_the_same(real_data: Path, name: str) -> None:
    image = mrdock.dicomeread(str(real_data / name))
    lazily = xarray.open_dataarray(real_data / name, engine="mrdock")
    at_once = image.to_xarray()
    xarray.testing.assert_identical(lazily.load(), at_once)
    assert np.array_equal(at_once.values, image.data)
    assert lazily.dims == image.dims


@pytest.mark.real_data
def test_entries_are_found_by_value(real_data: Path) -> None:
    image = mrdock.dicomeread(str(real_data / REAL[1]))
    labelled = image.to_xarray()
    found = labelled.sel(image_type_mr="P", effective_echo_time=4.6, in_stack_position_number=[3, 50])
    assert np.array_equal(found.values, image.data[:, :, [2, 49], 1, 1])
    near = labelled.sel(effective_echo_time=2.0, method="nearest")
    assert float(near.effective_echo_time) == 2.3
    assert labelled.effective_echo_time.attrs["units"] == "ms"
    assert np.array_equal(np.reshape(labelled.attrs["affine"], (4, 4)), image.affine)  # type: ignore[arg-type]


@pytest.mark.real_data
def test_diffusion_volumes_are_found_by_b_value(real_data: Path) -> None:
    path = real_data / "dicom2nifti/enhanced/dti.dcm"
    image = mrdock.dicomeread(str(path))
    for labelled in (image.to_xarray(), xarray.open_dataarray(path, engine="mrdock")):
        assert np.array_equal(labelled.sel(diffusion_b_value=1300).values, image.data[..., :3])
        assert np.array_equal(labelled.sel(diffusion_b_value=0).values, image.data[..., 3])
        assert labelled.diffusion_gradient_orientation_y.values[:3].tolist() == [0, -1, -0.6491867899894714]
        assert np.isnan(labelled.diffusion_gradient_orientation_x.values[3])


@pytest.mark.real_data
@pytest.mark.parametrize("path", REAL)
@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_files_bring_all_back(real_data: Path, tmp_path: Path, path: str, ending: str) -> None:
    image = mrdock.dicomeread(str(real_data / path))
    image.save(str(tmp_path / f"out.{ending}"))
    engine = {"nc": "netcdf4", "zarr": "zarr"}[ending]
    with xarray.open_dataarray(tmp_path / f"out.{ending}", engine=engine) as back:
        ours = image.to_xarray()
        assert np.array_equal(back.values, image.data)
        assert back.dims == image.dims
        for name in map(str, ours.coords):
            floats = ours[name].dtype.kind == "f"
            assert np.array_equal(back[name].values, ours[name].values, equal_nan=floats)
        assert np.allclose(back.attrs["affine"], ours.attrs["affine"])


def test_only_the_planes_that_are_needed_are_read(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    blocks = Pixels.blocks

    def watched(self: Pixels, frames: Sequence[int]) -> Any:
        read.extend(frames)
        return blocks(self, frames)

    monkeypatch.setattr(Pixels, "blocks", watched)
    lazily = xarray.open_dataarray(made, engine="mrdock")
    assert read == []
    one = lazily.isel(in_stack_position_number=2, temporal_position_index=1, image_type_mr=0, effective_echo_time=1)
    assert one.values.shape == (6, 5)
    assert len(read) == 1
    chunked = xarray.open_dataarray(made, engine="mrdock", chunks={})
    assert chunked.chunks == ((6,), (5,), (4,), (1, 1, 1), (1, 1), (1, 1))
    assert len(read) == 1
    chunked.isel(temporal_position_index=0, image_type_mr=1, effective_echo_time=0).mean().compute()
    assert len(read) == 5


def test_chunks_are_computed_in_other_processes(made: Path) -> None:
    whole = mrdock.dicomeread(str(made)).data
    chunked = xarray.open_dataarray(made, engine="mrdock", chunks={"temporal_position_index": 1})
    with dask.config.set(scheduler="processes", num_workers=2):
        found = chunked.max("row").values
    assert np.array_equal(found, whole.max(0))


@st.composite
def keys(draw: st.DrawFn, size: int) -> Any:
    return draw(
        st.one_of(
            st.integers(-size, size - 1),
            st.slices(size).filter(lambda chosen: bool(range(size)[chosen])),  # xarray itself fails at some empty ones
            st.lists(st.integers(-size, size - 1), max_size=5),
        )
    )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_selection_is_that_of_the_array(made: Path, data: st.DataObject) -> None:
    order = data.draw(st.sampled_from([None, [2, 1, 5, 3, 4, 6]]))
    eager = mrdock.dicomeread(str(made), order=order).to_xarray()
    lazily = xarray.open_dataarray(made, engine="mrdock", order=order)
    chosen = {dim: data.draw(keys(size)) for dim, size in zip(eager.dims, eager.shape, strict=True)}
    assert np.array_equal(lazily.isel(chosen).values, eager.isel(chosen).values)


def test_xarray_knows_an_enhanced_file(made: Path, tmp_path: Path) -> None:
    assert xarray.open_dataarray(made).dims[:2] == ("row", "column")
    (tmp_path / "other.dcm").write_bytes(b"no DICOM")
    with pytest.raises(ValueError, match="did not find a match"):
        xarray.open_dataarray(tmp_path / "other.dcm")


def test_a_file_that_changes_is_not_read_on(made: Path, tmp_path: Path) -> None:
    path = tmp_path / "changing.dcm"
    path.write_bytes(made.read_bytes())
    lazily = xarray.open_dataarray(path, engine="mrdock")
    path.write_bytes(made.read_bytes() + b"\0\0")
    with pytest.raises(MalformedError, match="was changed since its header was read"):
        lazily.load()


def test_the_options_of_dicomeread(made: Path) -> None:
    stored = xarray.open_dataarray(made, engine="mrdock", scale=False, combine="image_type_mr")
    assert stored.dtype == np.uint16
    assert "temporal_position_index_x_image_type_mr" in stored.dims
    assert stored.sel(image_type_mr="P").sizes["temporal_position_index_x_image_type_mr"] == 3
