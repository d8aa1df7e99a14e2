"""`dicomeread` as its users type it."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from math import cos, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import mrdock
from mrdock.commands.dicomeread import command
from tests.builders import StudyIdentity, enhanced_mr
from tests.enhanced.support import DD1, REAL, floating, philips, read

Dicomeread = Callable[..., Result]


@pytest.fixture
def dicomeread() -> Dicomeread:
    def run(*words: str | Path, **more: Any) -> Result:
        result = CliRunner().invoke(command, [str(word) for word in words], prog_name="dicomeread", **more)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def made(tmp_path: Path) -> Path:
    path = tmp_path / "made.dcm"
    enhanced_mr(StudyIdentity(), slices=3, dynamics=2, rows=4, columns=5, types=("M", "P")).save_as(path)
    return path


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL)
def test_json_of_real_files(real_data: Path, dicomeread: Dicomeread, name: str) -> None:
    result = dicomeread(real_data / name, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    planes = floating(read(real_data / name))
    items = np.array(found["items"])
    expected = np.moveaxis(planes[items - 1], (-2, -1), (0, 1))
    assert found["shape"] == list(expected.shape)
    assert found["dtype"] == "float32"
    assert found["sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()
    assert found["names"][:2] == ["Column", "Row"]
    assert found["dims"][:2] == ["row", "column"]
    assert [len(each) for each in found["indexes"]] == found["shape"]
    assert all(isinstance(label, str) for labels in found["indexes"] for label in labels)
    assert [len(found["coords"][dim]) for dim in found["dims"]] == found["shape"]


@pytest.mark.real_data
def test_json_has_values_as_values(real_data: Path, dicomeread: Dicomeread) -> None:
    found = json.loads(dicomeread(real_data / REAL[1], "--json").stdout)
    assert found["names"] == ["Column", "Row", "In-Stack Position Number", "ImageTypeMR", "Effective Echo Time"]
    assert found["coords"]["effective_echo_time"] == [2.3, 4.6]
    assert found["indexes"][3:] == [["M", "P"], ["2.3", "4.6"]]
    result = dicomeread(real_data / "dicom2nifti/enhanced/dti.dcm", "--json")
    found = json.loads(result.stdout)
    assert found["coords"]["diffusion_b_value"] == [1300, 1300, 1300, 0]
    assert found["coords"]["diffusion_gradient_orientation"][3] is None
    assert found["coords"][found["dims"][3]][0] == {
        "diffusion_b_value": 1300,
        "diffusion_gradient_orientation": [1, 0, 0],
    }


def test_what_it_prints(dicomeread: Dicomeread, made: Path) -> None:
    result = dicomeread(made)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout.splitlines()[0] == f"{made}: 4 x 5 x 3 x 2 x 2 float32, floating point values"
    assert "  3  in_stack_position_number  3  1 .. 3" in result.stdout
    assert "  5  image_type_mr             2  M, P" in result.stdout
    longer = dicomeread(made, "--verbose").stdout
    assert "  3  in_stack_position_number  3  1, 2, 3" in longer
    assert len(longer.splitlines()) == len(result.stdout.splitlines()) + 4


def test_what_it_prints_of_turned_slices_without_philips_scale(dicomeread: Dicomeread, tmp_path: Path) -> None:
    """As radial reformats are, and other makers' files: no voxel where slices are not parallel."""
    path = tmp_path / "turned.dcm"
    enhanced_mr(StudyIdentity(), slices=3, dynamics=1, rows=4, columns=5).save_as(path)
    turned = read(path)
    for number, frame in enumerate(turned.PerFrameFunctionalGroupsSequence):
        angle = number / 10
        frame.PlaneOrientationSequence[0].ImageOrientationPatient = [
            1,
            0,
            0,
            0,
            round(cos(angle), 6),
            round(sin(angle), 6),
        ]
        block = philips(turned, number).private_block(0x2005, DD1)
        del block[0x0E]
    turned.save_as(path)
    result = dicomeread(path, "--verbose")
    assert result.stdout.splitlines()[0].endswith(" float32, displayed values")
    assert result.stdout.splitlines()[-1].startswith("  pixel ")
    assert re.search(r"no regular geometry: frame \d has another orientation or pixel size", result.stderr)


def test_printing_reads_no_pixels(dicomeread: Dicomeread, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("mrdock.enhanced.pixels.Pixels.blocks", never)
    assert dicomeread(made).exit_code == 0


@pytest.mark.parametrize(
    "words", [("--no-scale",), ("--scale", "stored"), ("--scale", "display"), ("--scale", "float")]
)
def test_values(dicomeread: Dicomeread, made: Path, words: tuple[str, ...], tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    assert dicomeread(made, *words, "--out", out).exit_code == 0
    expected = mrdock.dicomeread(str(made), scale=words[1] if len(words) > 1 else False)
    assert np.array_equal(np.load(out), expected.data)


def test_order_combine_and_missing(dicomeread: Dicomeread, made: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.npy"
    words = ["--order", "1,2,5,3,4", "--combine", "0,0,0,0,1", "--missing", "mask", "--out", out]
    result = dicomeread(made, *words)
    assert result.exit_code == 0
    image = mrdock.dicomeread(str(made), order=[1, 2, 5, 3, 4], combine=[0, 0, 0, 0, 1], missing="mask")
    assert np.array_equal(np.load(out), image.data)
    assert "in_stack_position_number_x_temporal_position_index" in result.stdout


@pytest.mark.parametrize("words", [("--prompt",), ("--order", "Prompt")])
def test_prompt(dicomeread: Dicomeread, made: Path, words: tuple[str, ...]) -> None:
    result = dicomeread(made, *words, "--json", input="1,2,5,4,3\n")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["dims"][2] == "image_type_mr"
    assert "4  temporal_position_index" in result.stderr
    assert json.loads(dicomeread(made, *words, "--json", input="\n").stdout)["dims"][4] == "image_type_mr"


def test_remarks(dicomeread: Dicomeread, tmp_path: Path) -> None:
    path = tmp_path / "stopped.dcm"
    enhanced_mr(StudyIdentity(), slices=3, dynamics=2, rows=4, columns=4, missing={(3, 2)}).save_as(path)
    result = dicomeread(path)
    assert result.exit_code == 0
    assert "not every combination of in_stack_position_number and temporal_position_index has a frame" in result.stderr
    assert dicomeread(path, "--quiet").stderr == ""
    assert "1 of 6 cells have no frame" in dicomeread(path, "--missing", "mask").stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--order", "3,2,1,4,5"], 2, "away from the front"),
        (["--combine", "1"], 2, "1 flags, there are 5 axes"),
        (["--out", "out.png"], 2, "an output's name ends with"),
        (["--out", "there.npy"], 1, "there.npy: exists already"),
        (["--out", "nowhere/out.npy"], 1, "nowhere"),
        (["--scale", "PV"], 2, "PV"),
    ],
)
def test_wrong_usage_is_one_sentence(
    dicomeread: Dicomeread, made: Path, words: list[str], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(made.parent)
    Path("there.npy").write_bytes(b"mine")
    result = dicomeread(made, *words)
    assert result.exit_code == code
    assert said in result.stderr.splitlines()[-1]
    assert result.stdout == ""
    assert Path("there.npy").read_bytes() == b"mine"
    assert not any(name.name.startswith(".") for name in made.parent.iterdir() if name.name != "home")


def test_wrong_files(dicomeread: Dicomeread, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no DICOM", encoding="utf-8")
    for path in (tmp_path / "text", tmp_path / "nowhere", tmp_path):
        result = dicomeread(path, "--json")
        assert result.exit_code == 1
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"dicomeread: {path}")


def test_help_starts_without_numpy() -> None:
    code = (
        "import sys; from mrdock.commands.dicomeread import command; command(['--help'], standalone_mode=False); "
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--combine" in done.stdout
    assert not {"numpy", "pydicom", "xarray"} & set(done.stderr.split())


def test_the_package_has_it() -> None:
    code = "import sys, mrdock; assert 'numpy' not in sys.modules; print(mrdock.dicomeread.__name__, *dir(mrdock))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("dicomeread ")
    assert set(mrdock.__all__) <= set(done.stdout.split())
    assert list(mrdock.__all__) == sorted(mrdock.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mrdock.nothing  # noqa: B018
