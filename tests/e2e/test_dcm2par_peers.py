"""`dcm2par` on every real Enhanced file: nibabel and dcm2niix read the pair, and find in it what the DICOM says.

What the DICOM says is read by pydicom alone. The layout is compared with files that scanners wrote.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from nibabel import parrec
from numpy.typing import NDArray

from mrdock.commands.dcm2par import command
from tests.conftest import NeedTool

pytestmark = pytest.mark.real_data

FILES = (
    "philips_r57/enhanced/1901_3DpCASL_real",
    "philips_r57/enhanced/2001_fcMRI_Field_Mapping",
    "philips_asl/enhanced/201_pCASL_real",
    "philips_asl/enhanced/402_SOURCE_3D_pCASL_6mm",
    "dicom2nifti/enhanced/anatomical",
    "dicom2nifti/enhanced/dti",
    "dicom2nifti/enhanced/fmri",
)
SCANNERS = Path(nibabel.__file__).parent / "tests" / "data"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])
NEAR_MM = 0.05
TYPES = {"M": 0, "P": 3, "PERFUSION": 30}
LABELS = {"": 1, "CONTROL": 1, "LABEL": 2}


@dataclass
class Frame:
    """One frame by pydicom: its keys in the order slice, echo, dynamic, type, b, gradient, label; place and values."""

    keys: tuple[int, ...]
    position: NDArray[Any]
    row: NDArray[Any]
    column: NDArray[Any]
    spacing: tuple[float, float]
    slope: float
    intercept: float
    scale: float
    begin: float
    echo_time: float
    trigger: float
    pixels: NDArray[Any]


@dataclass
class Case:
    """One file, its frames, and the pair that was made of it."""

    name: str
    frames: list[Frame]
    par: Path

    def by_keys(self) -> dict[tuple[int, ...], Frame]:
        found = {frame.keys: frame for frame in self.frames}
        assert len(found) == len(self.frames)
        return found


def _private(group: Any) -> Any:
    return group[0x2005, 0x140F].value[0]


def _of(item: Any, tag: tuple[int, int], default: Any = 0) -> Any:
    return item[tag].value if tag in item and item[tag].value not in (None, "") else default


def _frames(path: Path) -> list[Frame]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pydicom.dcmread(path)
        pixels = found.pixel_array
    shared = found.SharedFunctionalGroupsSequence[0]
    frames = []
    for group, plane in zip(found.PerFrameFunctionalGroupsSequence, pixels, strict=True):
        own = _private(group)
        values = group.PixelValueTransformationSequence[0]
        orientation = np.array(group.PlaneOrientationSequence[0].ImageOrientationPatient, float)
        measures = (group if "PixelMeasuresSequence" in group else shared).PixelMeasuresSequence[0]
        frames.append(
            Frame(
                (
                    int(own[0x2001, 0x100A].value),
                    int(own.EchoNumbers),
                    int(own.TemporalPositionIdentifier),
                    TYPES[own[0x2005, 0x1011].value],
                    int(own[0x2005, 0x1412].value),
                    int(own[0x2005, 0x1413].value),
                    LABELS[_of(own, (0x2005, 0x1429), "")],
                ),
                np.array(group.PlanePositionSequence[0].ImagePositionPatient, float),
                orientation[:3],
                orientation[3:],
                (float(measures.PixelSpacing[0]), float(measures.PixelSpacing[1])),
                float(values.RescaleSlope),
                float(values.RescaleIntercept),
                float(own[0x2005, 0x100E].value),
                float(_of(own, (0x2005, 0x10A0))),
                float(own.EchoTime),
                float(_of(own, (0x0018, 0x1060))),
                plane,
            )
        )
    return frames


@pytest.fixture(scope="module", params=FILES, ids=lambda name: Path(name).name)
def case(request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A file converted by the command, which also checks it."""
    source = real_data / f"{request.param}.dcm"
    out = tmp_path_factory.mktemp("par")
    done = CliRunner().invoke(command, ["-o", str(out), "--check", str(source)])
    assert done.exit_code == 0, done.output
    assert "read back and equal" in done.stdout
    return Case(source.stem, _frames(source), out / f"{source.stem}.PAR")


def _header(par: Path) -> Any:
    with warnings.catch_warnings(), par.open() as stream:
        warnings.simplefilter("error")  # what nibabel would merely warn of is an error
        return parrec.PARRECHeader.from_fileobj(stream, permit_truncated=False, strict_sort=True)


def _keys_of_lines(header: Any) -> list[tuple[int, ...]]:
    names = (
        "slice number",
        "echo number",
        "dynamic scan number",
        "image_type_mr",
        "diffusion b value number",
        "gradient orientation number",
        "label type",
    )
    return [tuple(int(line[name]) for name in names) for line in header.image_defs]


@pytest.mark.parametrize("scaling", ["dv", "fp"])
def test_nibabel_reads_every_value(case: Case, scaling: str) -> None:
    header = _header(case.par)
    with case.par.with_suffix(".REC").open("rb") as rec:
        data = np.asarray(parrec.PARRECArrayProxy(rec, header, mmap=False, scaling=scaling))
    frames, keys = case.by_keys(), _keys_of_lines(header)
    assert sorted(keys) == sorted(frames)
    slices = data.shape[2]
    flat = data.reshape(*data.shape[:3], -1)
    assert flat.shape[2] * flat.shape[3] == len(frames)
    for at, line in enumerate(header.get_sorted_slice_indices()):
        frame = frames[keys[line]]
        shown = frame.pixels * frame.slope + frame.intercept
        if scaling == "fp":
            shown = shown / (frame.slope * frame.scale)
        got = flat[:, :, at % slices, at // slices].T
        tolerance = 1e-5 * np.abs(shown).max() if scaling == "fp" else 0.51e-5 * frame.pixels.max() + 1e-6
        np.testing.assert_allclose(got, shown, rtol=0, atol=tolerance)


def test_nibabel_puts_every_pixel_in_its_place(case: Case) -> None:
    affine = _header(case.par).get_affine()
    numbers = sorted({frame.keys[0] for frame in case.frames})
    for frame in case.frames:
        for down, right in ((0, 0), (frame.pixels.shape[0] - 1, frame.pixels.shape[1] - 1)):
            voxel = [right, down, numbers.index(frame.keys[0]), 1]
            there = (affine @ voxel)[:3]
            place = frame.position + frame.row * frame.spacing[1] * right + frame.column * frame.spacing[0] * down
            assert np.linalg.norm(there - LPS_TO_RAS @ place) <= NEAR_MM


def test_nibabel_reads_times_and_order(case: Case) -> None:
    header = _header(case.par)
    frames = case.by_keys()
    keys = _keys_of_lines(header)
    for key, line in zip(keys, header.image_defs, strict=True):
        assert float(line["dyn_scan_begin_time"]) == pytest.approx(frames[key].begin, abs=0.0051)
        assert float(line["echo_time"]) == pytest.approx(frames[key].echo_time, abs=0.0051)
        assert float(line["trigger_time"]) == pytest.approx(frames[key].trigger, abs=0.0051)
    slices = len({key[0] for key in keys})
    volumes = [keys[at : at + slices] for at in range(0, len(keys), slices)]
    for volume in volumes:  # whole volumes, their slices ascending, one after the other
        assert [key[0] for key in volume] == sorted({key[0] for key in keys})
        assert len({key[1:] for key in volume}) == 1
    assert [volume[0][2] for volume in volumes] == sorted(volume[0][2] for volume in volumes)
    assert header.image_defs["index in REC file"].tolist() == list(range(len(keys)))


def _digest(planes: list[NDArray[Any]]) -> str:
    return hashlib.sha256(b"".join(plane.astype("<u2").tobytes() for plane in planes)).hexdigest()


def test_dcm2niix_makes_the_same_volumes(case: Case, need_tool: NeedTool, tmp_path: Path) -> None:
    """Type 30 (perfusion) it does not know and calls phase, but the numbers and places are right."""
    program = need_tool("dcm2niix")
    words = [program, "-s", "y", "-b", "n", "-f", "out_%s", "-o", str(tmp_path), str(case.par)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    outputs = sorted(tmp_path.glob("*.nii"))
    assert outputs, done.stdout + done.stderr
    volumes: dict[tuple[int, ...], list[Frame]] = {}
    for frame in sorted(case.frames, key=lambda each: each.keys):
        volumes.setdefault(frame.keys[1:], []).append(frame)
    wanted = Counter(_digest([frame.pixels for frame in volume]) for volume in volumes.values())
    some = next(iter(volumes.values()))
    found: Counter[str] = Counter()
    for output in outputs:
        image = nibabel.load(output)
        stored = np.asarray(image.dataobj.get_unscaled())
        voxels = [_voxels(image.affine, frame) for frame in some]
        for volume in np.moveaxis(stored.reshape(*stored.shape[:3], -1), 3, 0):
            found[_digest([volume[tuple(each)] for each in voxels])] += 1
    assert found == wanted


def _voxels(affine: NDArray[Any], frame: Frame) -> NDArray[Any]:
    """The voxel of every pixel of a frame (3, rows, columns), which all lie within the tolerance."""
    rows, columns = frame.pixels.shape
    down, right = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    place = (
        frame.position
        + right[..., np.newaxis] * frame.row * frame.spacing[1]
        + down[..., np.newaxis] * frame.column * frame.spacing[0]
    ) @ LPS_TO_RAS
    exact = (place - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    voxels = np.rint(exact)
    off = np.linalg.norm((exact - voxels) @ affine[:3, :3].T, axis=-1)
    assert off.max() <= NEAR_MM
    return np.moveaxis(voxels.astype(int), -1, 0)


def test_the_layout_is_a_scanners(case: Case) -> None:
    """Every line that says nothing of the scan, every label, the place of every column, every line end."""
    ours, theirs = _lines(case.par), _lines(SCANNERS / "phantom_EPI_asc_CLEAR_2_1.PAR")
    assert all(line.endswith(b"\r\n") and line.isascii() for line in ours)
    fixed = [line for line in ours if line.startswith(b"#") and not line.startswith(b"# Dataset")]
    assert fixed == [line for line in theirs if line.startswith(b"#") and not line.startswith(b"# Dataset")]
    assert [line[:44] for line in ours if line.startswith(b".")] == [x[:44] for x in theirs if x.startswith(b".")]
    kinds = [line[:1] for line in ours]
    assert b"".join(kinds) == re.sub(rb" +", b" " * len(case.frames), b"".join(line[:1] for line in theirs))
    wide = _lines(SCANNERS / "ADC_Map.PAR")  # a type of two digits pushes the rest of the line to the right
    for line in ours:
        if line.startswith(b" "):
            assert _ends(line) == _ends(_image_line(wide if int(line.split()[4]) > 9 else theirs))


def _lines(par: Path) -> list[bytes]:
    return par.read_bytes().splitlines(keepends=True)


def _image_line(lines: list[bytes]) -> bytes:
    return next(line for line in lines if line.startswith(b" "))


def _ends(line: bytes) -> list[int]:
    """Where the columns of an image line end."""
    return [match.end() for match in re.finditer(rb"\S+", line)]


@pytest.mark.parametrize("series", ["1901_3DpCASL_real", "2001_fcMRI_Field_Mapping"])
def test_the_classic_export_gives_the_same_pair(series: str, real_data: Path, tmp_path: Path) -> None:
    """They differ in nothing but the name of the data set."""
    folder = real_data / "philips_r57"
    words = ["--name", "scan", "-o"]
    for way, source in (("a", f"enhanced/{series}.dcm"), ("b", f"classic/{series[:4]}")):
        done = CliRunner().invoke(command, [*words, str(tmp_path / way), str(folder / source)])
        assert done.exit_code == 0, done.output
    for ending in ("PAR", "REC"):
        assert (tmp_path / "a" / f"scan.{ending}").read_bytes() == (tmp_path / "b" / f"scan.{ending}").read_bytes()


def test_every_real_file_is_tested(real_data: Path) -> None:
    there = {str(path.relative_to(real_data).with_suffix("")) for path in real_data.glob("*/enhanced/*.dcm")}
    assert there == set(FILES)
