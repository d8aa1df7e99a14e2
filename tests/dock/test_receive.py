"""An image that is answered with Success is on disk, byte for byte, under a name that says what it is; once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from mrdock.dock import placing, queries, receive, record, store
from mrdock.dock.clock import parse_stamp
from mrdock.dock.record import PRIVATE_CREATOR, Receipt
from mrdock.files import durable
from mrdock.network.dimse import Status
from tests.builders import bulk_classic
from tests.dock.support import (
    ENHANCED_MR,
    EXPLICIT,
    IMPLICIT,
    MR,
    RAW_DATA,
    START,
    STUDY,
    Bench,
    Image,
    ended,
    from_part10,
    image,
    names_in,
    stored_file,
)

PRIVATE_SERIES_DATA = "1.3.46.670589.11.0.0.12.2"


def statuses(bench: Bench, *images: Image) -> list[int]:
    """What a sender hears."""
    return [outcome.status for outcome in bench.send(*images)]


def only_file(bench: Bench) -> Path:
    """The one image of the study."""
    (name,) = bench.names()
    return bench.directory() / name


@pytest.mark.parametrize("piece", [1, 7, 1000, 16384])
def test_an_image_is_stored_byte_for_byte(bench: Bench, piece: int) -> None:
    sent = from_part10(next(bulk_classic(1)))
    with bench.association() as association:
        assert association.send(sent, piece).status == Status.SUCCESS
    (study,) = queries.all_studies(bench.index)
    (row,) = bench.images(study.uid)
    file = bench.directory(study.uid) / row.name
    meta, data = stored_file(file)
    assert data == sent.data
    assert (meta.sop_class, meta.sop_instance, meta.transfer_syntax) == (sent.sop_class, sent.uid, EXPLICIT)
    assert row.size == file.stat().st_size
    assert row.received == pytest.approx(START, abs=10)
    assert bench.leftovers() == []


@pytest.mark.parametrize("length", [0, 1, 2, -1, -2])
def test_objects_around_the_limit_of_memory_and_far_beyond_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(receive, "SPILL", 10_000)
    monkeypatch.setattr(receive, "_FLUSH", 25_000)
    overhead = len(image(pixels=b"").data)
    for number, size in enumerate((10_000, 25_000, 100_000), 1):
        sent = image(number, pixels=os.urandom(size - overhead + length & ~1))
        assert statuses(bench, sent) == [0]
        assert stored_file(bench.directory() / f"MR.{sent.uid}")[1] == sent.data
    assert bench.leftovers() == []


def test_an_object_that_is_larger_than_memory_goes_to_disk_while_it_comes(bench: Bench) -> None:
    sent = image(pixels=bytes(receive.SPILL * 3))
    with bench.association() as association:
        sink = association.begin(sent)
        for start in range(0, len(sent.data), 65536):
            sink.write(memoryview(sent.data)[start : start + 65536])
            assert len(sink._memory) <= receive.SPILL
        (name,) = bench.leftovers()
        assert (bench.store.root / ".mrdock/incoming" / name).stat().st_size > receive.SPILL * 3
        assert ended(sink).status == 0
    assert bench.leftovers() == []
    assert stored_file(only_file(bench))[1] == sent.data


def test_the_file_meta_information_says_from_whom_and_when(bench: Bench) -> None:
    with bench.association(calling="INTERA 3T") as association:
        association.send(image())
        caller = association.caller
    file = only_file(bench)
    assert file.read_bytes()[:132] == bytes(128) + b"DICM"
    read = pydicom.dcmread(file)
    meta = read.file_meta
    assert meta.FileMetaInformationGroupLength == file.read_bytes().index(b"\x08\x00\x16\x00UI") - 144
    assert meta.MediaStorageSOPClassUID == read.SOPClassUID == MR
    assert meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    assert meta.TransferSyntaxUID == EXPLICIT
    assert meta.SourceApplicationEntityTitle == "INTERA 3T"
    assert meta.PrivateInformationCreatorUID == PRIVATE_CREATOR
    receipt = Receipt.decode(meta.PrivateInformation)
    assert receipt is not None
    assert receipt.association == caller.association
    assert receipt.received == pytest.approx(bench.images()[0].received, abs=1e-6)
    assert parse_stamp(meta.PrivateInformation.decode().split()[0].split("=")[1]) == receipt.received


def test_a_caller_without_a_title_leaves_it_out(bench: Bench) -> None:
    with bench.association(calling="") as association:
        assert association.send(image()).status == 0
    assert "SourceApplicationEntityTitle" not in pydicom.dcmread(only_file(bench)).file_meta


def test_implicit_vr_is_kept_as_it_came(bench: Bench) -> None:
    explicit = image()
    dataset = pydicom.dcmread(DicomBytesIO(explicit.data), force=True)
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    write_dataset(buffer, dataset)
    assert statuses(bench, Image(MR, explicit.uid, buffer.getvalue(), IMPLICIT)) == [0]
    meta, data = stored_file(only_file(bench))
    assert (meta.transfer_syntax, data) == (IMPLICIT, buffer.getvalue())


@pytest.mark.parametrize(
    ("sop_class", "prefix"),
    [(MR, "MR"), (ENHANCED_MR, "MRe"), (RAW_DATA, "RAW"), (PRIVATE_SERIES_DATA, "RAW"), ("1.2.999", "UNKNOWN")],
)
def test_names_begin_as_storescp_s_do(bench: Bench, sop_class: str, prefix: str) -> None:
    assert statuses(bench, image(sop_class=sop_class)) == [0]
    assert bench.names() == [f"{prefix}.{STUDY}.1.1"]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027])  # the dock's processes set 027: see test_service
def test_modes_do_not_widen_with_the_umask(bench: Bench, umask: int) -> None:
    os.umask(umask)
    statuses(bench, image(), image(study="1.2.4"))
    for uid in (STUDY, "1.2.4"):
        directory = bench.directory(uid)
        assert directory.stat().st_mode & 0o7777 == 0o2750
        assert {name: (directory / name).stat().st_mode & 0o7777 for name in os.listdir(directory)} == dict.fromkeys(
            os.listdir(directory), 0o640
        )


def test_the_order_is_file_rename_directory_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        target = os.readlink(f"/proc/self/fd/{descriptor}")
        calls.append("directory" if target == str(bench.directory()) else f"fsync {Path(target).suffix}")

    def rename(*words: Any, **more: Any) -> None:
        durable.rename_new(*words, **more)
        calls.append("rename")

    real_fsync: Callable[[int], None] = os.fsync
    statuses(bench, image(1))
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(placing, "rename_new", rename)
    with bench.association() as association:
        sink = association.begin(image(2))
        sink.write(memoryview(image(2).data))
        assert calls == []
        ended(sink)
    assert calls == ["fsync .part", "rename", "directory"]


# ---- the same UID again ----


def test_the_same_bytes_again_change_nothing(bench: Bench) -> None:
    statuses(bench, image())
    before, rows = only_file(bench).stat(), bench.images()
    assert statuses(bench, image(), image()) == [0, 0]
    after = only_file(bench).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert bench.images() == rows
    assert bench.study().version == 1
    assert bench.events() == []


def test_the_same_bytes_from_another_sender_change_nothing(bench: Bench) -> None:
    statuses(bench, image())
    with bench.association(calling="ANOTHER", listener="classic") as association:
        assert association.send(image()).status == 0
    assert len(bench.names()) == 1


def test_other_bytes_are_kept_beside_and_reported(bench: Bench) -> None:
    first, other = image(), image(pixels=b"\3\4")
    statuses(bench, first)
    inode = only_file(bench).stat().st_ino
    assert statuses(bench, other) == [0]
    digest = hashlib.sha256(EXPLICIT.encode() + other.data).hexdigest()[:8]
    assert bench.names() == [f"MR.{first.uid}", f"MR.{first.uid}_{digest}"]
    assert (bench.directory() / f"MR.{first.uid}").stat().st_ino == inode
    assert stored_file(bench.directory() / f"MR.{first.uid}")[1] == first.data
    assert stored_file(bench.directory() / f"MR.{first.uid}_{digest}")[1] == other.data
    assert [(row.differs, row.uid) for row in bench.images()] == [(False, first.uid), (True, first.uid)]
    (said,) = bench.events("differs")
    assert said.endswith(f"MR.{first.uid}_{digest}")


def test_each_of_several_is_kept_once(bench: Bench) -> None:
    images = [image(pixels=bytes([number, 0])) for number in range(4)]
    assert set(statuses(bench, *images, *reversed(images), *images)) == {0}
    assert len(bench.names()) == 4
    assert {stored_file(bench.directory() / name)[1] for name in bench.names()} == {each.data for each in images}


def test_no_data_set_of_a_digest_that_is_taken_is_acknowledged_and_lost(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 hex digits can meet by chance, and can be made to: what is acknowledged has to be there."""
    monkeypatch.setattr(placing, "image_digest", lambda _: "00000000")
    images = [image(pixels=bytes([number, 0])) for number in range(3)]
    answered = statuses(bench, *images)
    assert answered[:2] == [0, 0]
    kept = {stored_file(bench.directory() / name)[1] for name in bench.names()}
    assert {each.data for each, status in zip(images, answered, strict=True) if status == 0} <= kept


def test_the_same_bytes_in_another_transfer_syntax_are_others(bench: Bench) -> None:
    jpeg = "1.2.840.10008.1.2.4.50"
    statuses(bench, image())
    assert statuses(bench, Image(MR, image().uid, image().data, jpeg)) == [0]
    assert len(bench.names()) == 2


def test_one_uid_in_two_series_is_kept_twice(bench: Bench) -> None:
    other = image(more={0x0020000E: ("UI", f"{STUDY}.77")})
    assert statuses(bench, image(), other) == [0, 0]
    assert len(bench.names()) == 2
    assert {row.series for row in bench.images()} == {f"{STUDY}.1", f"{STUDY}.77"}


def test_one_uid_in_two_studies_is_in_both(bench: Bench) -> None:
    other = Image(MR, image().uid, image(study="1.2.4", more={0x00080018: ("UI", image().uid)}).data)
    assert statuses(bench, image(), other) == [0, 0]
    assert bench.names() == bench.names("1.2.4") == [f"MR.{STUDY}.1.1"]


@pytest.mark.parametrize("spill", [10, 1 << 20])
def test_a_second_copy_that_breaks_off_leaves_the_first_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, spill: int
) -> None:
    monkeypatch.setattr(receive, "SPILL", spill)
    statuses(bench, image())
    before = only_file(bench).stat()
    with bench.association() as association:
        sink = association.begin(image(pixels=b"\3\4"))
        sink.write(memoryview(image(pixels=b"\3\4").data)[:100])
        sink.discard()
    assert bench.leftovers() == []
    assert only_file(bench).stat().st_ino == before.st_ino
    assert stored_file(only_file(bench))[1] == image().data


def test_an_image_that_was_taken_and_comes_again_is_there_again(bench: Bench) -> None:
    statuses(bench, image())
    only_file(bench).unlink()
    bench.tick(after=61)
    assert bench.images()[0].taken is not None
    assert statuses(bench, image()) == [0]
    assert bench.images()[0].taken is None
    assert stored_file(only_file(bench))[1] == image().data


# ---- associations ----


def test_what_an_association_did_is_noted(bench: Bench) -> None:
    bad = Image(MR, "1.9", image().data)
    with bench.association(calling="S1", listener="classic") as association:
        association.send(image(1))
        association.send(bad)
        association.begin(image(2)).discard()
    with bench.index.read() as connection:
        (row,) = connection.exec_driver_sql("SELECT listener, calling, how, stored, refused FROM associations").all()
    assert tuple(row) == ("classic", "S1", "released", 1, 1)


def test_directories_are_let_go_when_the_association_ends(bench: Bench) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with bench.association() as association:
        for number in range(30):
            assert association.send(image(study=f"1.2.{number}")).status == 0
        assert len(os.listdir("/proc/self/fd")) <= before + 17  # 16 directories and the next image's file
    assert len(os.listdir("/proc/self/fd")) == before


def test_images_of_many_studies_turn_by_turn(bench: Bench) -> None:
    with bench.association() as association:
        for number in range(3):
            for study in range(12):
                assert association.send(image(number, study=f"1.2.{study}")).status == 0
    assert len(list(bench.store.study_names())) == 12
    assert all(len(bench.names(f"1.2.{study}")) == 3 for study in range(12))


def test_refused_connections_are_noted_up_to_a_number(bench: Bench) -> None:
    for _ in range(100):
        bench.receiver.refused("192.0.2.66", "EVIL", "called AE title 'X' is not ours")
    said = bench.events("refused")
    assert said[0] == "refused EVIL at 192.0.2.66: called AE title 'X' is not ours"
    assert len(said) == 60


def test_a_record_begins_with_whose_directory_it_is(bench: Bench) -> None:
    statuses(bench, image())
    assert (bench.directory() / record.NAME).read_bytes() == record.first_line(STUDY)
    assert store.study_hash(STUDY) in bench.directory().name
    assert names_in(bench.directory()) == [f"MR.{STUDY}.1.1"]
