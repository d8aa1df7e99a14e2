"""The independent PAR/REC builder prints what scanners print."""

from __future__ import annotations

from importlib.resources import as_file, files

import pytest

from tests.builders import StudyIdentity, classic_fmri
from tests.builders.par_of_classic import BANNER, DEFINITIONS, END, FORMATS, HEADING, LABELS, PIXEL_VALUES, image_line
from tests.builders.par_of_classic import par_of_classic as built

# Real files of V4.2 in nibabel's own test data; the others there are edited copies or of release 11.
SCANNERS = ["phantom_EPI_asc_CLEAR_2_1.PAR", "ASL_3D_Multiecho.PAR", "DTI.PAR", "T1_dual_echo.PAR", "NA.PAR"]


@pytest.mark.parametrize("name", SCANNERS)
def test_layout_is_a_scanners(name: str) -> None:
    with as_file(files("nibabel") / "tests" / "data" / name) as path:
        text = path.read_bytes().decode("ascii").replace("\r\n", "\n")
    for part in (BANNER.split("{name}")[0], BANNER.split("{name}")[1], PIXEL_VALUES, HEADING):
        assert part in text
    assert text.endswith(END)
    general = [line for line in text.splitlines() if line.startswith(".")]
    assert [line[:44] for line in general] == [f".    {label:35}:   " for label in LABELS]
    assert "".join(f"#  {column:41}({kind})\n" for column, kind in DEFINITIONS) in text
    images = [line for line in text.splitlines() if line and line[0] not in ".#"]
    whole = [form.endswith("d") for form in FORMATS]
    for line in images:
        values = [int(word) if is_whole else float(word) for word, is_whole in zip(line.split(), whole, strict=True)]
        assert image_line(values) == line


def test_the_parts_are_in_order() -> None:
    pair = built(classic_fmri(StudyIdentity(), slices=2, dynamics=2, rows=4, columns=4))
    lines = pair.par().split(b"\r\n")
    images = [line.split() for line in lines if line[:1] == b" "]
    keys = [tuple(int(line[at]) for at in (0, 2, 6)) for line in images]
    assert keys == [(1, 1, 0), (2, 1, 1), (1, 2, 2), (2, 2, 3)]
    assert len(pair.rec()) == 4 * 4 * 4 * 2
    assert lines[-1] == b""


def test_shuffled_images_keep_their_place_in_the_rec() -> None:
    pair = built(classic_fmri(StudyIdentity(), slices=3, dynamics=2, rows=4, columns=4))
    before = {(image.columns[0], image.columns[2]): image.pixels for image in pair.images}
    pair.shuffle(1)
    rec = pair.rec()
    lines = [line.split() for line in pair.par().split(b"\r\n") if line[:1] == b" "]
    assert [int(line[6]) for line in lines] != sorted(int(line[6]) for line in lines)
    for line in lines:
        index = int(line[6])
        assert rec[index * 32 : index * 32 + 32] == before[int(line[0]), int(line[2])]
