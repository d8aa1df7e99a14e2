"""Which files are sent: those that are DICOM, whatever their names; the others are counted and named."""

from __future__ import annotations

import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian

from mrdock.dicom.part10 import FileMeta, encode_file_meta
from mrdock.errors import DicomError, MalformedError, NotDicomError
from mrdock.network.collecting import Collection, collect, recognised
from mrdock.network.outgoing import image_file
from tests.builders import StudyIdentity, bulk_classic, classic_fmri, enhanced_mr, part10

from .pydicoms import pydicom_files

WHO = StudyIdentity("collecting")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Images of any names, an Enhanced one, a text, and more in a directory below."""
    folder = tmp_path / "study"
    (folder / "below" / "deep").mkdir(parents=True)
    for name, content in zip(("b", "IM_1", "x.txt", ".hidden"), bulk_classic(4, WHO), strict=True):
        (folder / name).write_bytes(content)
    (folder / "enhanced.dcm").write_bytes(part10(enhanced_mr(WHO)))
    (folder / "notes.dcm").write_text("no image")
    (folder / "empty").write_bytes(b"")
    (folder / "below" / "IM_2").write_bytes(next(bulk_classic(1, StudyIdentity("below"))))
    (folder / "below" / "deep" / "IM_3").write_bytes(next(bulk_classic(1, StudyIdentity("deep"))))
    return folder


def names(found: Collection) -> list[str]:
    return [item.path.name for item in found.images]


def test_the_files_of_a_directory_and_not_those_below(study: Path) -> None:
    found = collect([str(study)])
    assert names(found) == [".hidden", "IM_1", "b", "enhanced.dcm", "x.txt"]
    assert [Path(path).name for path, _ in found.others] == ["empty", "notes.dcm"]
    assert (found.failures, found.left, found.below) == ([], [], 1)


def test_those_below_too(study: Path) -> None:
    found = collect([str(study)], recurse=True)
    assert names(found) == [".hidden", "IM_1", "b", "enhanced.dcm", "x.txt", "IM_2", "IM_3"]
    assert found.below == 0


def test_only_classic_ones(study: Path) -> None:
    found = collect([str(study)], classic=True)
    assert names(found) == [".hidden", "IM_1", "b", "x.txt"]
    why = "Enhanced MR Image Storage; only classic images are sent"
    assert found.left == [(str(study / "enhanced.dcm"), why)]


def test_what_is_named_and_cannot_be_sent_is_a_failure(study: Path) -> None:
    found = collect([str(study / "notes.dcm"), str(study / "missing"), str(study / "b")])
    assert names(found) == ["b"]
    assert found.failures == [
        (str(study / "notes.dcm"), "no DICOM file: the prefix DICM is missing"),
        (str(study / "missing"), "No such file or directory"),
    ]


def test_each_file_once(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    found = collect(["b", str(study / "b"), "./b", str(study), "below/../b"])
    assert sorted(names(found)) == [".hidden", "IM_1", "b", "enhanced.dcm", "x.txt"]


def test_pipes_and_links(study: Path) -> None:
    os.mkfifo(study / "pipe")
    (study / "link").symlink_to(study / "b")
    (study / "loop").symlink_to(study)
    (study / "dangling").symlink_to("nowhere")
    found = collect([str(study)], recurse=True)
    assert "link" in names(found)
    assert "pipe" not in names(found)
    assert "no DICOM file: not a regular file" in collect([str(study / "pipe")]).failures[0][1]


def test_a_stop(study: Path) -> None:
    asked = iter([False, False, True])
    assert len(collect([str(study)], stopped=lambda: next(asked)).images) <= 2


def test_how_many_were_looked_at(study: Path) -> None:
    seen: list[int] = []
    collect([str(study)], seen=seen.append)
    assert seen == list(range(1, 8))


# ---- recognising ----


def test_files_without_preamble_and_meta_group(tmp_path: Path) -> None:
    """A bare data set, as old software writes it, in each transfer syntax."""
    image = next(iter(classic_fmri(WHO, slices=1, dynamics=1)))
    whole = part10(image)
    start = tmp_path / "whole"
    start.write_bytes(whole)
    item = image_file(start)
    data = dcmread(BytesIO(whole))
    path = tmp_path / "bare"
    path.write_bytes(whole[item.meta.data_set_at :])
    assert recognised(str(path)).meta == FileMeta(
        item.meta.sop_class, item.meta.sop_instance, item.meta.transfer_syntax, data_set_at=0
    )
    for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian):
        buffer = BytesIO()
        data.save_as(
            buffer,
            implicit_vr=syntax.is_implicit_VR,
            little_endian=syntax.is_little_endian,
            force_encoding=True,
            enforce_file_format=False,
        )
        content = buffer.getvalue()
        path.write_bytes(content)
        if content[128:132] == b"DICM":
            path.write_bytes(content[image_file(path).meta.data_set_at :])
        assert recognised(str(path)).meta.transfer_syntax == syntax
        assert recognised(str(path)).meta.sop_instance == item.meta.sop_instance


def test_the_bytes_count_where_the_meta_information_lies(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(next(bulk_classic(1, WHO)))
    item = image_file(path)
    lies = FileMeta("1.2.9", "1.2.8", "1.2.840.10008.1.2")
    path.write_bytes(encode_file_meta(lies) + path.read_bytes()[item.meta.data_set_at :])
    found = recognised(str(path)).meta
    assert (found.sop_class, found.sop_instance) == (item.meta.sop_class, item.meta.sop_instance)
    assert found.transfer_syntax == "1.2.840.10008.1.2.1"


def test_uids_far_behind_the_beginning(tmp_path: Path) -> None:
    """A first element of 100 kB before them."""
    path = tmp_path / "image"
    path.write_bytes(next(bulk_classic(1, WHO)))
    item = image_file(path)
    content = path.read_bytes()
    long = b"\x08\0\x01\0UN\0\0" + (100_000).to_bytes(4, "little") + bytes(100_000)
    path.write_bytes(content[: item.meta.data_set_at] + long + content[item.meta.data_set_at :])
    assert recognised(str(path)).meta == FileMeta(
        item.meta.sop_class, item.meta.sop_instance, item.meta.transfer_syntax, data_set_at=item.meta.data_set_at
    )


@pytest.mark.parametrize(
    ("meta", "sentence"),
    [
        (FileMeta("", "1.2", "1.2.840.10008.1.2.1"), "no SOP Class UID"),
        (FileMeta("1.2", "", "1.2.840.10008.1.2.1"), "no SOP Instance UID"),
        (FileMeta("1.02", "1.2", "1.2.840.10008.1.2.1"), "'1.02' is no UID"),
        (FileMeta("MR", "1.2", "1.2.840.10008.1.2.1"), "'MR' is no UID"),
        (FileMeta("1.2", "1." + "2" * 70, "1.2.840.10008.1.2.1"), "longer than 64 characters"),
        (FileMeta("1.2", "1.2", "JPEG"), "transfer syntax 'JPEG' is no UID"),
    ],
)
def test_what_no_association_can_carry(tmp_path: Path, meta: FileMeta, sentence: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(encode_file_meta(meta) + b"\x08\0\x60\0CS\x02\0MR")
    with pytest.raises(MalformedError, match=sentence):
        recognised(str(path))
    assert sentence in collect([str(tmp_path)]).failures[0][1]


def test_a_dicomdir_is_a_list_of_files() -> None:
    for name in pydicom_files("DICOMDIR*"):
        with pytest.raises(NotDicomError, match="a DICOMDIR"):
            recognised(name)


@pytest.mark.filterwarnings("ignore")
def test_odd_files_are_what_pydicom_reads_or_refused() -> None:
    """Every file that comes with pydicom: the same UIDs, or a sentence."""
    found = 0
    for name in pydicom_files("*"):
        try:
            item = recognised(name)
        except (DicomError, OSError):
            continue
        theirs = dcmread(name, force=True, stop_before_pixels=True)
        assert item.meta.sop_instance == theirs.get(
            "SOPInstanceUID", theirs.file_meta.get("MediaStorageSOPInstanceUID")
        )
        found += 1
    assert found > 100


@pytest.mark.real_data
def test_real_files_are_what_they_say(real_data: Path) -> None:
    found = collect([str(real_data)], recurse=True)
    assert len(found.images) > 900
    assert not found.failures
    for item in found.images:
        other = image_file(item.path)
        assert item == replace(other, meta=replace(other.meta, source_ae=""))
