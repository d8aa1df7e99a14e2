"""Series whose headers have no slice number: Siemens, GE, Canon, CT, ultrasound, captures.

GE-like headers are built as GE scanners write them: Cardiac Number of Images (0018,1090) is 0 unless gated, a cine
series numbers all phases of a location in a row, a functional one all locations of a time point.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dicom.scan import Key
from mrdock.sorting import records as tags
from mrdock.sorting.naming import ALIKE, names_of
from mrdock.sorting.records import ImageRecord
from mrdock.sorting.stacks import PHASES_BY_TIME
from tests.sorting.headers import CAPTURE, CT, MR, US_MULTI_FRAME, Said, image, named, slices

AXES = (math.cos(0.3), 0.0, math.sin(0.3), 0.0, 1.0, 0.0)
NORMAL = (-math.sin(0.3), 0.0, math.cos(0.3))


def at(mm: float, instance: int, said: dict[Key, Said] | None = None, sop_class: str = MR) -> ImageRecord:
    """An image so far along the normal."""
    corner = [round(c * mm + 20, 6) for c in NORMAL]
    usual: dict[Key, Said] = {tags.ORIENTATION: AXES, tags.POSITION: corner, tags.INSTANCE: instance}
    return image(usual | (said or {}), sop_class)


def cine(locations: int, phases: int, number: Callable[[int, int], int], reverse: bool = False) -> list[ImageRecord]:
    """A gated series: ``number`` gives the Instance Number of (location, phase), both from 0."""
    images = []
    for location in range(locations):
        for phase in range(phases):
            said: dict[Key, Said] = {
                tags.CARDIAC_IMAGES: phases,
                tags.TRIGGER_TIME: 11 + 37.5 * phase,
                tags.ACQUIRED: locations * phases,
            }
            mm = 8.0 * (locations - location if reverse else location)
            images.append(at(mm, number(location, phase), said))
    return images


def expected(locations: int, phases: int) -> list[str]:
    return [f"{location + 1:04d}_{phase + 1:04d}" for location in range(locations) for phase in range(phases)]


# ---- slices ----


def test_slices_are_numbered_along_the_normal() -> None:
    mixed = random.Random(5).sample(range(1, 21), 20)
    assert slices([at(2.5 * n, instance) for n, instance in enumerate(mixed)]) == [f"{n:04d}" for n in range(1, 21)]


def test_slices_whose_numbers_run_the_other_way() -> None:
    images = [at(2.5 * n, 20 - n, {tags.ACQUIRED: 20}) for n in range(20)]
    assert slices(images) == [f"{n:04d}" for n in range(1, 21)]
    assert slices(images[4:9]) == ["0005", "0006", "0007", "0008", "0009"]
    assert slices([at(2.5 * n, 20 - n) for n in range(20)]) == [f"{n:04d}" for n in range(1, 21)]


def test_some_slices_of_a_series_keep_their_numbers() -> None:
    images = [at(2.5 * n, n + 1) for n in range(20)]
    assert slices(images[7:9]) == ["0008", "0009"]
    assert slices(images[11:12]) == ["0012"]


def test_a_scout_has_three_stacks_in_a_row() -> None:
    axes = [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (1, 0, 0, 0, 0, -1)]
    normals = [(0, 0, 1), (-1, 0, 0), (0, 1, 0)]
    images = []
    for stack in range(3):
        for n in range(5):
            place = [10.0 * n * c for c in normals[stack]]
            said: dict[Key, Said] = {tags.ORIENTATION: axes[stack], tags.POSITION: place}
            images.append(image(said | {tags.INSTANCE: 5 * stack + (5 - n)}))
    assert slices(images) == [f"{n:04d}" for n in range(1, 16)]


def test_without_geometry_the_image_number_names() -> None:
    for sop_class in (CAPTURE, US_MULTI_FRAME, CT):
        assert slices([image({tags.INSTANCE: n}, sop_class) for n in (3, 12, 1)]) == ["0003", "0012", "0001"]
    assert slices([image({tags.INSTANCE: 4}), image({})]) == ["0004", "0005"]
    broken = [image({tags.INSTANCE: n, tags.ORIENTATION: "1\\0\\0\\1\\0\\0", tags.POSITION: "0\\0\\0"}) for n in (1, 2)]
    assert slices(broken) == ["0001", "0002"]


def test_volumes_that_headers_do_not_number_are_named_by_the_image_number() -> None:
    mosaics = [at(0.0, n) for n in range(1, 31)]
    assert slices(mosaics) == [f"{n:04d}" for n in range(1, 31)]
    assert slices(mosaics[4:6]) == ["0005", "0006"]
    volumes = [at(3.0 * (n % 10), n + 1) for n in range(40)]
    assert slices(volumes) == [f"{n:04d}" for n in range(1, 41)]


def test_images_alike_in_all_are_said() -> None:
    images = [at(0.0, 1), at(3.0, 2), at(3.0, 2)]
    assert sorted(slices(images)) == ["0001", "0002", "0002_2"]
    assert {name.warning for name in names_of(images).values()} == {"", ALIKE}


# ---- echoes, time points, components ----


def test_echoes_that_the_header_announces() -> None:
    images = [at(4.0 * (n // 2), n + 1, {tags.GE_ECHOES: 2, tags.ECHO: n % 2 + 1}) for n in range(12)]
    assert slices(images) == [f"{n // 2 + 1:04d}_{n % 2 + 1:04d}" for n in range(12)]
    assert slices(images[3:5]) == ["0002_0002", "0003_0001"]


def test_the_second_of_two_echoes_that_nobody_announced() -> None:
    images = [at(4.0 * (n % 6), n + 1, {tags.ECHO: n // 6 + 1}) for n in range(12)]
    assert slices(images) == [f"{n % 6 + 1:04d}" + ("_0002" if n > 5 else "") for n in range(12)]


@pytest.mark.parametrize("locations_first", [True, False])
def test_time_points(locations_first: bool) -> None:
    images = []
    for n in range(40):
        place, time = (n % 8, n // 8) if locations_first else (n // 5, n % 5)
        said: dict[Key, Said] = {tags.TIME_POINT: time + 1, tags.TIME_POINTS: 5, tags.ACQUIRED: 40}
        images.append((f"{place + 1:04d}_{time + 1:04d}", at(3.0 * place, n + 1, said)))
    assert slices([record for _, record in images]) == [name for name, _ in images]


def test_phase_images_have_their_word() -> None:
    images = [at(0.0, 1), at(0.0, 2, {tags.GE_COMPONENT: 1}), at(0.0, 3, {tags.COMPONENT: "REAL"})]
    images.append(at(0.0, 4, {tags.IMAGE_TYPE: "ORIGINAL\\PRIMARY\\I\\ND"}))
    assert slices(images) == ["0001", "0001_P", "0001_R", "0001_I"]


def test_diffusion_weighted_images_have_their_b_value() -> None:
    images = [at(3.0 * (n % 4), n + 1, {tags.B_VALUE: 1000.0 * (n // 4)}) for n in range(8)]
    assert slices(images) == [f"{n % 4 + 1:04d}" + ("_b1000" if n > 3 else "") for n in range(8)]


# ---- cardiac phases ----


@pytest.mark.parametrize("reverse", [False, True])
def test_cine_with_all_phases_of_a_location_in_a_row(reverse: bool) -> None:
    images = cine(6, 20, lambda location, phase: location * 20 + phase + 1, reverse)
    order = expected(6, 20)
    if reverse:
        order = [f"{7 - int(name[:4]):04d}{name[4:]}" for name in order]
    assert slices(images) == order


def test_cine_with_all_locations_of_a_phase_in_a_row() -> None:
    images = cine(6, 20, lambda location, phase: phase * 6 + location + 1)
    assert slices(images) == expected(6, 20)
    assert slices(images[:20]) == expected(1, 20)
    assert slices(images[3::20]) == expected(6, 20)[3::20]


def test_some_images_of_a_cine_series_keep_their_names() -> None:
    images = cine(6, 20, lambda location, phase: location * 20 + phase + 1)
    together = named(images)
    for some in (images[3:4], images[30:70], images[::7], images[5:120:20]):
        assert named(some).items() <= together.items()


def test_one_location_with_its_phases() -> None:
    images = cine(1, 25, lambda location, phase: phase + 1)
    assert slices(images) == expected(1, 25)
    assert slices(images[9:10]) == ["0001_0010"]


def test_trigger_times_decide_where_image_numbers_contradict_them() -> None:
    images = cine(3, 10, lambda location, phase: location * 10 + (10 - phase))
    assert slices(images) == expected(3, 10)
    assert {name.warning for name in names_of(images).values()} == {PHASES_BY_TIME}


def test_image_numbers_that_say_nothing_leave_the_trigger_times() -> None:
    shuffled = random.Random(7).sample(range(1, 31), 30)
    images = cine(3, 10, lambda location, phase: shuffled[location * 10 + phase])
    assert slices(images) == expected(3, 10)


def test_a_series_that_is_not_gated_has_no_phases() -> None:
    for said in (0, 1):
        assert slices([at(3.0 * n, n + 1, {tags.CARDIAC_IMAGES: said}) for n in range(3)]) == ["0001", "0002", "0003"]


# ---- anything ----


@st.composite
def heaps(draw: st.DrawFn) -> list[ImageRecord]:
    small = st.integers(0, 4)
    keys: tuple[Key, ...] = (
        tags.TIME_POINT,
        tags.TIME_POINTS,
        tags.ECHO,
        tags.GE_ECHOES,
        tags.CARDIAC_IMAGES,
        tags.ACQUIRED,
    )
    rows = draw(st.lists(st.tuples(small, small, st.dictionaries(st.sampled_from(keys), small)), max_size=12))
    return [at(3.0 * place, instance, dict(said)) for place, instance, said in rows]


@given(heaps(), st.data())
def test_names_do_not_depend_on_the_order_of_files(images: list[ImageRecord], data: st.DataObject) -> None:
    assert named(data.draw(st.permutations(images))) == named(images)
