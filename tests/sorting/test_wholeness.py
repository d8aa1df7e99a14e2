"""What looks whole and what does not: the real files, whole and reduced, and series of other kinds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields, replace
from itertools import product
from math import inf, nan
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrdock.sorting import wholeness
from mrdock.sorting.wholeness import ImageFacts, Verdict, facts_from, judge_series

CLASSIC = "1.2.840.10008.5.1.4.1.1.4"
ENHANCED = "1.2.840.10008.5.1.4.1.1.4.1"
SLICES = 4


def facts_of(dataset: pydicom.Dataset) -> ImageFacts:
    """The facts of one file, read by pydicom."""

    def values(key: Any) -> list[Any]:
        try:
            element = dataset[key] if isinstance(key, int) else dataset.private_block(key[0], key[2])[key[1]]
        except KeyError:
            return []
        several = element.value if element.VM > 1 else [element.value]
        return [value for value in several if value not in (None, "")]

    def text(key: Any) -> str | None:
        return "\\".join(map(str, values(key))) or None

    def number(key: Any) -> float | None:
        found = values(key)
        return float(found[0]) if found else None

    return facts_from(text, number, str(dataset.SOPClassUID))


def read(paths: Iterable[Path]) -> list[ImageFacts]:
    return [facts_of(pydicom.dcmread(path, stop_before_pixels=True)) for path in sorted(paths)]


def judge(images: Sequence[ImageFacts]) -> Verdict:
    (verdict,) = judge_series(images)
    return verdict


def scan(
    *,
    slices: int = SLICES,
    echoes: int = 1,
    dynamics: int = 1,
    phases: int = 1,
    labels: int = 1,
    types: Sequence[str] = ("M",),
    **more: Any,
) -> list[ImageFacts]:
    """All images of a scan without diffusion."""
    promise = ImageFacts(
        slices=slices, echoes=echoes, dynamics=dynamics, phases=phases, labels=labels, sequence="FFE", **more
    )
    names = ["CONTROL", "LABEL"] if labels == 2 else [""]
    numbers = product(*(range(1, n + 1) for n in (slices, echoes, dynamics, phases)))
    return [
        replace(promise, type=t, slice=s, echo=e, dynamic=d, phase=p, label=label, position=f"0,0,{s}.0")
        for (s, e, d, p), t, label in product(numbers, types, names)
    ]


def diffusion(steps: Iterable[tuple[int, int]], b_values: int, directions: int, **more: Any) -> list[ImageFacts]:
    """A scan with the given numbers of b-value and gradient orientation, in the order of a table if so told."""
    ordered = more.pop("ordered", False)
    base = scan(b_values=b_values, directions=directions, **more)
    return [replace(image, b=b, g=g, order=n if ordered else 0) for n, (b, g) in enumerate(steps, 1) for image in base]


def plan(b_values: int, directions: int, trace: bool = False) -> list[tuple[int, int]]:
    """The steps of a scanner's own scheme: b=0 has the last number, as has the trace."""
    shells = range(2, b_values + 1)
    last = directions + 1
    traces = [(b, last) for b in shells] if trace else []
    return [(1, last), *((b, g) for b in shells for g in range(1, last)), *traces]


# --- the real files ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def classic(real_data: Path) -> Callable[[str], list[ImageFacts]]:
    read_once: dict[str, list[ImageFacts]] = {}

    def series(number: str) -> list[ImageFacts]:
        if number not in read_once:
            read_once[number] = read((real_data / "philips_r57" / "classic" / number).iterdir())
        return read_once[number]

    return series


Classic = Callable[[str], list[ImageFacts]]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1901", Verdict(True, 40, 40, "40 images: 40 slices")),
        ("2001", Verdict(True, 212, 212, "212 images: 53 slices x 2 echoes x 2 types")),
        (
            "2101",
            Verdict(
                False,
                378,
                4725,
                "378 of 4725 images: 63 slices x 75 dynamics promised, dynamics 1-6 here; "
                "the scan may have been stopped",
            ),
        ),
        (
            "2201",
            Verdict(
                False,
                328,
                1394,
                "328 of 1394 images: 82 slices x 17 volumes promised, 1 b-value of 2 here, directions 1-4 of 16 here",
            ),
        ),
    ],
)
def test_real_classic_series(classic: Classic, number: str, expected: Verdict) -> None:
    assert judge(classic(number)) == expected


@pytest.mark.real_data
@pytest.mark.parametrize("number", ["1901", "2001"])
def test_a_real_series_that_lacks_an_image_is_not_whole(classic: Classic, number: str) -> None:
    images = classic(number)
    for gone in range(0, len(images), 7):
        left = images[:gone] + images[gone + 1 :]
        verdict = judge(left)
        assert verdict.whole is False
        assert (verdict.have, verdict.promised) == (len(left), len(images))
        repeated = judge([*left, left[0]])
        assert (repeated.whole, repeated.have) == (False, len(left)), "a repeat must not stand for what is missing"


@pytest.mark.real_data
def test_parts_of_the_real_field_map(classic: Classic) -> None:
    images = classic("2001")
    assert judge([i for i in images if i.type == "M"]).text == "106 images: 53 slices x 2 echoes"
    assert judge([i for i in images if i.echo == 1]).whole is None, "one echo may be all that was kept"
    assert judge([i for i in images if i.type == "M" or i.echo == 1]).whole is None
    assert judge([i for i in images if i.slice <= 20]).text == (
        "80 of 212 images: 53 slices x 2 echoes x 2 types promised, slices 1-20 here"
    )
    assert judge([i for i in images if (i.slice, i.echo, i.type) != (7, 2, "P")]).text == (
        "211 of 212 images: 53 slices x 2 echoes x 2 types promised, echo 2 has 52 of 53 slices"
    )


@pytest.mark.real_data
def test_a_real_scan_cut_in_a_volume(classic: Classic) -> None:
    images = [i for i in classic("2101") if (i.dynamic, i.slice) < (6, 20)]
    assert judge(images).text == (
        "334 of 4725 images: 63 slices x 75 dynamics promised, dynamics 1-6 here, dynamic 6 has 19 of 63 slices; "
        "the scan may have been stopped"
    )
    lost = [i for i in images if (i.dynamic, i.slice) != (3, 5)]
    assert "stopped" not in judge(lost).text, "a stopped scan does not lack an image in its middle"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("path", "whole", "text"),
    [
        ("philips_r57/enhanced/1901_3DpCASL_real.dcm", True, "40 frames: 40 slices"),
        (
            "philips_r57/enhanced/2001_fcMRI_Field_Mapping.dcm",
            True,
            "212 frames: 53 slices x 2 echoes x 2 types",
        ),
        ("philips_asl/enhanced/201_pCASL_real.dcm", True, "16 frames: 16 slices"),
        (
            "philips_asl/enhanced/402_SOURCE_3D_pCASL_6mm.dcm",
            True,
            "224 frames: 14 slices x 8 dynamics x 2 label types",
        ),
        *(
            (
                f"dicom2nifti/enhanced/{name}.dcm",
                None,
                f"{n} frames; cannot tell: the headers promise nothing to compare with",
            )
            for name, n in (("dti", 32), ("fmri", 32), ("anatomical", 8))
        ),
        ("philips_asl/rawdata/402_SOURCE_3D_pCASL_6mm_Raw.dcm", None, "1 raw data file"),
    ],
)
def test_real_enhanced_and_raw_files(real_data: Path, path: str, whole: bool | None, text: str) -> None:
    (verdict,) = judge_series(read([real_data / path]))
    assert (verdict.whole, verdict.text) == (whole, text)


@pytest.mark.real_data
def test_the_forms_of_a_real_series_are_counted_apart(real_data: Path, classic: Classic) -> None:
    folder = real_data / "philips_r57"
    images = [
        *classic("2001")[:-1],
        *read((folder / "enhanced").glob("2001*")),
        *read((folder / "rawdata").glob("2001*.dcm")),
    ]
    found = {verdict.form: verdict.whole for verdict in judge_series(images)}
    assert found == {"enhanced": True, "classic": False, "other": None}
    assert list(found) == ["enhanced", "classic", "other"]


@pytest.mark.real_data
def test_facts_of_real_files_survive_json_and_are_small(real_data: Path, classic: Classic) -> None:
    images = [*classic("2101"), *classic("2201"), *read((real_data / "philips_r57" / "enhanced").glob("*.dcm"))]
    for image in images:
        assert ImageFacts.from_json(image.to_json()) == image
        assert len(image.to_json()) < 120


# --- facts ------------------------------------------------------------------------------------------------------------


def test_wanted_names_each_element_once() -> None:
    keys = [key for key, _ in wholeness.WANTED]
    assert len(set(keys)) == len(keys) == len(wholeness.WANTED_PUBLIC) + len(wholeness.WANTED_PRIVATE)
    assert set(wholeness.PRIVATE_VRS) == set(wholeness.WANTED_PRIVATE)
    assert all(len(vr) == 2 for _, vr in wholeness.WANTED)
    shorts = [field.metadata["short"] for field in fields(ImageFacts)]
    assert len(set(shorts)) == len(shorts)


@pytest.mark.parametrize("absent", [None, 0, -1, 2147483647, 1.7e38, inf, nan])
def test_numbers_that_mean_nothing_are_absent(absent: float | None) -> None:
    facts = facts_from(lambda key: None, lambda key: absent, CLASSIC)
    assert (facts.slices, facts.echoes, facts.dynamics, facts.slice, facts.echo, facts.b) == (0, 1, 1, 0, 0, 0)
    assert judge([facts]).whole is None


def test_a_type_comes_from_the_image_type_where_private_elements_are_gone() -> None:
    def facts(image_type: str, sop_class: str = CLASSIC) -> ImageFacts:
        return facts_from(lambda key: image_type if key == 0x00080008 else None, lambda key: None, sop_class)

    assert facts("ORIGINAL\\PRIMARY\\PHASE MAP\\P\\FFE").type == "P\\FFE"
    assert facts("ORIGINAL\\PRIMARY\\M\\ND").type == "M\\ND"
    assert facts("DERIVED\\PRIMARY\\M_FFE\\M\\FFE").derived
    assert facts("ORIGINAL\\PRIMARY\\PROJECTION IMAGE\\M\\FFE").derived
    assert not facts("ORIGINAL\\PRIMARY\\COMPRESSED\\M\\FFE").derived
    assert facts("ORIGINAL\\PRIMARY\\T1\\MIXED", ENHANCED).component == "MIXED"
    assert facts("").type == ""


def test_a_position_that_is_no_number_is_none() -> None:
    assert facts_from(lambda key: "a\\b\\c", lambda key: None, CLASSIC).position == ""


def test_unknown_keys_in_json_are_passed_over() -> None:
    assert ImageFacts.from_json('{"S":3,"unknown":1}') == ImageFacts(slices=3)
    assert ImageFacts.from_json("") == ImageFacts()


def test_other_files_are_named() -> None:
    classes = [
        "1.2.840.10008.5.1.4.1.1.66",
        "1.2.840.10008.5.1.4.1.1.66",
        "1.2.840.10008.5.1.4.1.1.11.1",
        "1.3.46.670589.11.0.0.12.2",
        "1.2.3",
    ]
    verdict = judge([facts_from(lambda key: None, lambda key: None, sop_class) for sop_class in classes])
    assert verdict == Verdict(
        None, 5, None, "1 other file, 1 presentation state, 1 private file, 2 raw data files", "other"
    )


def test_nothing_gives_no_verdict() -> None:
    assert judge_series([]) == []


# --- whole series of many kinds, and what makes them not whole --------------------------------------------------------

DIXON = scan(echoes=3, types=["W", "F", "IP", "OP"])
B0_MAP = scan(echoes=2, types=["M", "P"]) + [i for i in scan(echoes=2, types=["B0"]) if i.echo == 1]
WHOLE = {
    "one volume": scan(),
    "one slice": scan(slices=1, dynamics=3),
    "fMRI": scan(dynamics=5),
    "multi-echo fMRI with phase": scan(dynamics=3, echoes=3, types=["M", "P"]),
    "all four types": scan(echoes=3, types=["M", "P", "R", "I"]),
    "B0 map of the first echo only": B0_MAP,
    "Dixon, kept for the first echo only": [i for i in DIXON if i.echo == 1],
    "cardiac phases": scan(phases=6, types=["M", "P"]),
    "ASL": scan(dynamics=4, labels=2),
    "multi-phase multi-echo ASL": scan(dynamics=2, labels=2, phases=3, echoes=3),
    "perfusion map of one label": [i for i in scan(labels=2, types=["PERFUSION"]) if i.label == "LABEL"],
    "fMRI with one map": scan(dynamics=3) + [i for i in scan(dynamics=3, types=["T_TEST"]) if i.dynamic == 1],
    "two sequences": scan(types=["M"]) + [replace(i, sequence="PCA") for i in scan(types=["M", "P"])],
    "two mixes without a number": scan() * 2,
    "DTI": diffusion(plan(2, 6), 2, 7),
    "DTI with trace": diffusion(plan(2, 6, trace=True), 2, 7),
    "DWI of three b-values, with traces": diffusion(plan(3, 3, trace=True), 3, 4),
    "isotropic DWI": diffusion([(1, 1), (2, 1), (3, 1)], 3, 1),
    "DTI with phase images": diffusion(plan(2, 6), 2, 7, types=["M", "P"]),
    "DTI in dynamics": diffusion(plan(2, 6), 2, 7, dynamics=2),
    "table, as series 2301": diffusion([(1, 1), *((2, g) for g in range(2, 8))], 2, 8, ordered=True),
    "table with repeats of b=0, as dcm_qa_philips_dwi": diffusion(
        [*((b, 1) for b in range(1, 6)), *((6, g) for g in range(2, 14))], 6, 14, ordered=True
    ),
    "table without an order": diffusion([(1, 1), (2, 2), (2, 3), (3, 4), (3, 5)], 3, 6),
    "ADC map": diffusion([(1, 4)], 3, 4, types=["ADC"]),
    "ADC map beside its DWI": diffusion(plan(3, 3), 3, 4) + diffusion([(1, 4)], 3, 4, types=["ADC"]),
    "derived pictures as promised": [replace(i, derived=True) for i in scan()],
    "derived trace beside the directions": diffusion(plan(2, 3), 2, 4)
    + [replace(i, derived=True) for i in diffusion([(2, 4)], 2, 4)],
    "stacks whose numbers start anew": [replace(i, slice=(i.slice + 1) // 2, slices=SLICES) for i in scan()],
    "slices without a number": [replace(i, slice=0) for i in scan(dynamics=2)],
    "other vendor, as many as promised": [ImageFacts(acquired=12, instance=n) for n in range(1, 13)],
}


@pytest.mark.parametrize("kind", WHOLE)
def test_whole(kind: str) -> None:
    verdict = judge(WHOLE[kind])
    assert verdict.whole is True, verdict.text
    assert verdict.have == verdict.promised


@pytest.mark.parametrize("kind", WHOLE)
def test_without_any_one_image_it_is_not_whole(kind: str) -> None:
    images = WHOLE[kind]
    for gone in range(len(images)):
        verdict = judge(images[:gone] + images[gone + 1 :])
        assert verdict.whole is not True, (images[gone], verdict.text)


@pytest.mark.parametrize("kind", WHOLE)
def test_one_image_twice_changes_nothing(kind: str) -> None:
    images = WHOLE[kind]
    verdict = judge([*images, images[0]])
    assert verdict.whole is True
    assert verdict.have == judge(images).have


@pytest.mark.parametrize("kind", WHOLE)
def test_order_does_not_matter(kind: str) -> None:
    images = WHOLE[kind]
    for seed in range(3):
        shuffled = random.Random(seed).sample(images, len(images))
        assert judge(shuffled) == judge(images)
        assert judge(shuffled[1:]) == judge([i for n, i in enumerate(shuffled) if n][::-1])


def without(images: Iterable[ImageFacts], **gone: Any) -> list[ImageFacts]:
    return [i for i in images if any(getattr(i, name) != value for name, value in gone.items())]


NOT_WHOLE = {
    "fMRI stopped": ([i for i in scan(dynamics=9) if i.dynamic < 5], "dynamics 1-4 here; the scan may"),
    "fMRI stopped at once": ([i for i in scan(dynamics=9) if i.dynamic == 1], "dynamic 1 here; the scan may"),
    "fMRI with holes": (
        [i for i in scan(dynamics=20) if i.dynamic % 2],
        "40 of 80 images: 4 slices x 20 dynamics promised, dynamics 1, 3, 5, 7, ... here",
    ),
    "an echo of one dynamic": (without(scan(echoes=2, dynamics=3), echo=2, dynamic=2), "some volumes are missing"),
    "one phase image": (without(scan(types=["M", "P"]), type="P", slice=2), "slices 1, 3-4 here"),
    "a dynamic of the phase images": (
        without(scan(types=["M", "P"], dynamics=3), type="P", dynamic=2),
        "20 of 24 images: 4 slices x 3 dynamics x 2 types promised, dynamics 1, 3 here",
    ),
    "cardiac phases": ([i for i in scan(phases=6) if i.phase < 4], "phases 1-3 here"),
    "two echoes of three": ([i for i in scan(echoes=3) if i.echo < 3], "echoes 1-2 here"),
    "Dixon stopped": (
        [i for i in scan(dynamics=6, types=["W", "F"]) if i.dynamic < 4],
        "24 of 48 images: 4 slices x 6 dynamics x 2 types promised, dynamics 1-3 here; the scan may",
    ),
    "slice of a map": (without(B0_MAP, type="B0", slice=2), "slices 1, 3-4 here"),
    "slices of many volumes": ([i for i in scan(dynamics=8) if (i.slice, i.dynamic % 2) != (2, 0)], "4 of 8 volumes"),
    "a direction": (
        diffusion([step for step in plan(2, 6) if step != (2, 3)], 2, 7),
        "24 of 28 images: 4 slices x 7 volumes promised, directions 1-2, 4-6 of 6 here",
    ),
    "b=0": (diffusion(plan(2, 6)[1:], 2, 7), "24 of 28 images: 4 slices x 7 volumes promised, 1 b-value of 2 here"),
    "b=0 alone": (diffusion([(1, 7)], 2, 7), "1 b-value of 2 here, directions none of 6 here"),
    "last b-value": (diffusion(plan(2, 3), 3, 4), "16 images: 4 slices x the diffusion volumes promised, 2 b-values"),
    "slice of a direction": (
        [i for i in diffusion(plan(2, 6), 2, 7) if (i.g, i.slice) != (3, 2)],
        "one volume has 3 of 4 slices",
    ),
    "direction of a table": (
        diffusion([(1, 1), *((2, g) for g in (2, 3, 5, 6, 7))], 2, 8, ordered=True),
        "directions 1-3, 5-7 of 7 here",
    ),
}


@pytest.mark.parametrize("kind", NOT_WHOLE)
def test_not_whole(kind: str) -> None:
    images, why = NOT_WHOLE[kind]
    verdict = judge(images)
    assert verdict.whole is False
    assert why in verdict.text
    assert verdict.promised is None or verdict.have < verdict.promised


DERIVED = [replace(i, derived=True) for i in scan(slices=9)]
UNCLEAR = {
    "projections": DERIVED[:5],
    "more slices than promised": scan() + [replace(i, slice=i.slice + 9) for i in scan()],
    "more dynamics than promised": [replace(i, dynamics=2) for i in scan(dynamics=4)],
    "dynamics without numbers": [replace(i, dynamic=0) for i in scan(dynamics=4)],
    "one of a series that was split up": [i for i in scan(dynamics=4) if i.dynamic == 3],
    "one echo of three": [i for i in scan(echoes=3) if i.echo == 2],
    "a mean over dynamics": [i for i in scan(dynamics=4, types=["PERFUSION"]) if i.dynamic == 1],
    "control images only": [i for i in scan(labels=2) if i.label == "CONTROL"],
    "calibration without label": [i for i in scan(labels=2, dynamics=3) if (i.label, i.dynamic) != ("LABEL", 1)],
    "isotropic images only": diffusion([(1, 7), (2, 7)], 2, 7),
    "trace only": diffusion([(2, 7)], 2, 7),
    "b=0 in one of two dynamics": [i for i in diffusion(plan(2, 3), 2, 4, dynamics=2) if i.b == 2 or i.dynamic == 1],
    "b-values with different directions": diffusion([s for s in plan(3, 4) if s != (2, 3)], 3, 5),
    "a trace of one b-value": diffusion([*plan(3, 3), (3, 4)], 3, 4),
    "a table whose order has a gap": [
        replace(i, order=i.order + (i.order > 2)) for i in diffusion([(1, 1), (2, 2), (2, 3)], 2, 4, ordered=True)
    ],
    "diffusion without numbers": [replace(i, b=0, g=0, b_value=n) for n in (0, 1000) for i in scan()],
    "diffusion beyond the promise": diffusion([(1, 1), (2, 1)], 1, 1),
    "uneven repeats": scan() * 2 + scan()[1:],
    "some images without a promise": scan() + [replace(i, slices=0, type="P") for i in scan()],
    "other vendor": [ImageFacts(type="M\\ND", position=f"0,0,{n}.0") for n in range(9)],
    "other vendor, fewer than promised": [ImageFacts(acquired=240, instance=n) for n in range(1, 61)],
    "time points, all": [ImageFacts(dynamics=3, dynamic=n, position=p) for n in (1, 2, 3) for p in ("0", "1")],
    "time points, one": [ImageFacts(dynamics=3, dynamic=2, position=p) for p in ("0", "1")],
}


@pytest.mark.parametrize("kind", UNCLEAR)
def test_cannot_tell(kind: str) -> None:
    images = UNCLEAR[kind]
    verdict = judge(images)
    assert verdict.whole is None, verdict.text
    assert "; cannot tell: " in verdict.text
    assert verdict.have == len(images)


def test_time_points_of_anonymised_files() -> None:
    images = [
        ImageFacts(dynamics=5, dynamic=n, position=f"0,0,{p}.0", type="M\\FFE") for n in range(1, 6) for p in range(4)
    ]
    assert judge(images).whole is None
    assert judge(images[:12]).text == ("12 images: 5 time points promised, 1-3 here; the scan may have been stopped")
    assert judge(images[:-1]).text == "19 images: 5 time points promised, some lack images"
    assert judge([*images[:-1], images[0]]).whole is False, "a repeat must not stand for what is missing"


def test_a_few_files_that_promise_otherwise_are_outvoted() -> None:
    images = scan(dynamics=4)
    odd = [replace(i, dynamics=9, slices=40, echoes=2) for i in images[:3]]
    assert judge(odd + images[3:]).whole is True


def test_huge_promises_are_cheap() -> None:
    big: dict[str, Any] = {"slices": 9_999_999, "dynamics": 9_999_999, "b_values": 9_999_999, "directions": 9_999_999}
    assert judge([ImageFacts(**big, slice=3, dynamic=9_000_000, b=1, g=2, position="")]).whole is not True
    assert judge([ImageFacts(**big, form="enhanced", frames=9_999_999)]).whole is not True


# --- Enhanced ---------------------------------------------------------------------------------------------------------


def enhanced(frames: int, component: str = "MAGNITUDE", **more: Any) -> ImageFacts:
    return ImageFacts(form="enhanced", frames=frames, component=component, slices=more.pop("slices", 10), **more)


@pytest.mark.parametrize(
    ("file", "whole"),
    [
        (enhanced(750, dynamics=75), True),
        (enhanced(1500, "MIXED", dynamics=75), True),
        (enhanced(746, dynamics=75), False),  # stopped within a dynamic
        (enhanced(740, dynamics=75), False),
        (enhanced(10, dynamics=75), False),
        (enhanced(10, "REAL", dynamics=75), None),  # a mean
        (enhanced(1496, "MIXED", dynamics=75), False),
        (enhanced(760, "MIXED", dynamics=75), None),  # M and one map, or M and P stopped
        (enhanced(30, "MIXED", echoes=2), True),  # two echoes and a map
        (enhanced(290, "MIXED", echoes=6), True),  # all types of six echoes, and five Dixon images
        (enhanced(25, "MIXED", echoes=2), False),
        (enhanced(10, echoes=2), None),  # one echo kept
        (enhanced(15, echoes=2), False),
        (enhanced(9), False),
        (enhanced(9, derived=True), None),
        (enhanced(0), None),
        (enhanced(10, slices=0), None),
        (enhanced(70, b_values=2, directions=7), True),
        (enhanced(80, b_values=2, directions=7), True),  # with trace
        (enhanced(140, "MIXED", b_values=2, directions=7), True),
        (enhanced(60, b_values=2, directions=7), None),  # a table, or one direction missing
        (enhanced(50, b_values=2, directions=7), False),
        (enhanced(20, b_values=2, directions=7), None),  # isotropic images
        (enhanced(10, b_values=2, directions=7), None),  # an ADC map
        (enhanced(65, b_values=2, directions=8), False),
        (enhanced(70, b_values=3, directions=4), True),
        (enhanced(90, b_values=3, directions=4), True),
        (enhanced(80, b_values=3, directions=4), None),
        (enhanced(30, b_values=3), True),  # no directions
    ],
)
def test_enhanced_frames(file: ImageFacts, whole: bool | None) -> None:
    verdict = judge([file])
    assert (verdict.whole, verdict.have, verdict.form) == (whole, file.frames, "enhanced"), verdict.text
    if whole is False and verdict.promised is not None:
        assert verdict.promised > verdict.have


def test_a_stopped_enhanced_scan_says_so() -> None:
    assert judge([enhanced(746, dynamics=75)]).text == (
        "746 of 750 frames: 10 slices x 75 dynamics promised; the scan may have been stopped"
    )
    assert judge([enhanced(50, b_values=2, directions=7)]).text == (
        "50 of 70 frames: 10 slices, 2 b-values, 7 gradient numbers promised"
    )


def test_enhanced_parts() -> None:
    parts = [enhanced(250, dynamics=75, concatenation="1.2", part=n, parts=3, instance=n) for n in (1, 2, 3)]
    assert judge(parts).whole is True
    assert judge([*parts, parts[1]]).whole is True
    lost = judge([parts[0], parts[2]])
    assert (lost.whole, lost.text) == (False, "500 frames: only parts 1, 3 of 3 here")
    assert judge([replace(parts[0], slices=0)]).whole is False, "parts are promised without private elements, too"


def test_several_enhanced_files() -> None:
    half = enhanced(375, dynamics=75)
    assert judge([replace(half, instance=1), replace(half, instance=2)]).whole is True
    assert judge([half, half]).whole is None, "a repeat, or two parts"
    assert judge([enhanced(750, dynamics=75)] * 2).whole is True


# --- any whole series -------------------------------------------------------------------------------------------------

COUNT = st.integers(1, 4)


@st.composite
def whole_series(draw: st.DrawFn) -> list[ImageFacts]:
    """Any grid of measured types, with or without diffusion and a map; only a type of one image is never missed."""
    slices = draw(st.integers(2, 5))
    numbers = {"echoes": draw(COUNT), "dynamics": draw(COUNT), "phases": draw(COUNT), "labels": draw(st.integers(1, 2))}
    types = draw(st.lists(st.sampled_from("MPRI"), min_size=1, max_size=4, unique=True))
    images = scan(slices=slices, types=types, **numbers)
    if draw(st.booleans()):
        b_values, directions = draw(st.integers(2, 3)), draw(st.integers(1, 4))
        steps = plan(b_values, directions, draw(st.booleans()))
        images = diffusion(steps, b_values, directions + 1, slices=slices, types=types, **numbers)
    if draw(st.booleans()):
        images += [replace(i, type="B0") for i in images if i.type == types[0] and i.echo == 1]
    return images


@settings(max_examples=40, deadline=None)
@given(images=whole_series(), data=st.data())
def test_any_whole_series_is_whole_and_never_without_an_image(images: list[ImageFacts], data: st.DataObject) -> None:
    verdict = judge(images)
    assert (verdict.whole, verdict.have) == (True, len(images)), verdict.text
    gone = data.draw(st.integers(0, len(images) - 1))
    left = images[:gone] + images[gone + 1 :]
    less = judge(left)
    assert less.whole is False
    assert less.have == len(left)
    assert judge(data.draw(st.permutations(left)) if len(left) < 200 else left[::-1]) == less
    again = judge([*left, *data.draw(st.lists(st.sampled_from(left), max_size=5))])
    assert again.whole is not True
    assert judge([ImageFacts.from_json(i.to_json()) for i in left]) == less


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.builds(
            ImageFacts,
            form=st.sampled_from(["classic", "enhanced", "other"]),
            **{
                name: st.integers(0 if name == "slices" else 1, 3)
                for name in ("slices", "echoes", "dynamics", "phases")
            },
            **{name: st.integers(1, 3) for name in ("labels", "b_values", "directions")},
            **{
                name: st.integers(0, 3) for name in ("acquired", "slice", "echo", "dynamic", "phase", "b", "g", "order")
            },
            **{name: st.integers(0, 9) for name in ("frames", "instance", "part", "parts")},
            type=st.sampled_from(["", "M", "P", "B0"]),
            label=st.sampled_from(["", "CONTROL", "LABEL"]),
            concatenation=st.sampled_from(["", "1.2"]),
            component=st.sampled_from(["", "MIXED", "REAL"]),
            derived=st.booleans(),
        ),
        max_size=12,
    )
)
def test_any_facts_get_a_verdict_that_does_not_depend_on_their_order(images: list[ImageFacts]) -> None:
    verdicts = judge_series(images)
    assert verdicts == judge_series(images[::-1])
    assert {verdict.form for verdict in verdicts} == {image.form for image in images}
    for verdict in verdicts:
        assert "\n" not in verdict.text
        assert len(verdict.text) < 300
