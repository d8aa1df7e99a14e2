"""What is not taken is answered with the right status, kept where that helps, and leaves nothing in the store."""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from mrdock.dock import quarantine, receive
from mrdock.network.dimse import Status
from mrdock.network.handler import Outcome
from tests.builders.elements import SEQUENCE_END, encode_element, raw, start
from tests.dock.support import ENHANCED_MR, EXPLICIT, MR, STUDY, Bench, Image, ended, image, stored_file

DEFLATED = "1.2.840.10008.1.2.1.99"
GOOD = image().data


def refused(bench: Bench, each: Image, status: Status, piece: int = 16384) -> Outcome:
    """Send an image that is to be refused; nothing of it may be in the store's studies."""
    with bench.association() as association:
        outcome = association.send(each, piece)
    assert f"{outcome.status:#06x}" == f"{status:#06x}", outcome.comment
    assert outcome.comment
    assert list(bench.store.study_names()) == []
    assert bench.leftovers() == []
    assert len(bench.events("refused")) == 1
    return outcome


def kept(bench: Bench) -> list[Path]:
    """The files in the quarantine."""
    return sorted((bench.store.root / "quarantine").iterdir())


# ---- 0xA900 ----


@pytest.mark.parametrize("spill", [10, 1 << 20])
@pytest.mark.parametrize(
    ("command", "context"),
    [
        pytest.param((ENHANCED_MR, f"{STUDY}.1.1"), None, id="class of the data set"),
        pytest.param((MR, "1.9.9"), None, id="instance of the data set"),
        pytest.param((MR, f"{STUDY}.1.1"), ENHANCED_MR, id="class of the context"),
        pytest.param(("", f"{STUDY}.1.1"), MR, id="no class in the command"),
        pytest.param((MR, ""), MR, id="no instance in the command"),
        pytest.param((MR, "../../../etc/passwd"), MR, id="a path for an instance"),
    ],
)
def test_what_disagrees_is_a_mismatch(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, command: tuple[str, str], context: str | None, spill: int
) -> None:
    monkeypatch.setattr(receive, "SPILL", spill)
    each = Image(*command, GOOD)
    with bench.association() as association:
        sink = association.begin(each, context)
        sink.write(memoryview(GOOD))
        outcome = ended(sink)
    assert outcome.status == Status.MISMATCH
    assert list(bench.store.study_names()) == []
    assert bench.leftovers() == []
    assert kept(bench) == []


# ---- 0xC000 ----


def with_element(tag: int, vr: str, value: bytes) -> bytes:
    """An image with one element replaced, the value as it is."""
    return image(more={tag: (vr, value)}).data


NESTED = b"".join(start(0x00081140, "SQ", 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff" for _ in range(100))
MALFORMED = {
    "nothing": b"",
    "noise": bytes(range(256)),
    "cut in the middle of an element": GOOD[:-1],
    "cut in the header": GOOD[:50],
    "a file with its preamble": bytes(128) + b"DICM" + GOOD,
    "text": b"<html>hello</html>" * 10,
    "no study": image(more={0x0020000D: ("UI", None)}).data,  # type: ignore[dict-item]
    "no series": image(more={0x0020000E: ("UI", None)}).data,  # type: ignore[dict-item]
    "no instance": image(more={0x00080018: ("UI", None)}).data,  # type: ignore[dict-item]
    "no class": image(more={0x00080016: ("UI", None)}).data,  # type: ignore[dict-item]
    "an empty study": with_element(0x0020000D, "UI", b""),
    "study ..": with_element(0x0020000D, "UI", b".."),
    "study .": with_element(0x0020000D, "UI", b".\0"),
    "study ../../x": with_element(0x0020000D, "UI", b"../../x\0"),
    "an absolute study": with_element(0x0020000D, "UI", b"/etc/x"),
    "a study with NUL": with_element(0x0020000D, "UI", b"1.2\x003.4\0"),
    "a study with a newline": with_element(0x0020000D, "UI", b"1.2\n3."),
    "a study of 66 characters": with_element(0x0020000D, "UI", b"1." * 32 + b"12"),
    "an instance that is a path": with_element(0x00080018, "UI", b"../../etc/x"),
    "a series with ESC": with_element(0x0020000E, "UI", b"1.2\x1b[31m"),
    "an instance of a shell": with_element(0x00080018, "UI", b"$(touch x)"),
    "digits of another script": with_element(0x0020000D, "UI", "\u0661.\u0662.\u0663".encode()),
    "4 GiB in a few bytes": GOOD[:-14] + start(0x7FE00010, "OW", 0xFFFFFFF0) + b"\1\2",
    "nested too deep": encode_element(raw(0x00080016, "UI", MR)) + NESTED,
    "a sequence that never ends": start(0x00081140, "SQ", 0xFFFFFFFF) + b"\xfe\xff\x00\xe0\x00\x00\x00\x00",
    "an end without a beginning": SEQUENCE_END + GOOD,
    "a command set": encode_element(raw(0x00000002, "UI", MR)) + GOOD,
}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.parametrize("spill", [10, 1 << 20])
def test_what_cannot_be_identified_goes_to_the_quarantine(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, what: str, spill: int
) -> None:
    monkeypatch.setattr(receive, "SPILL", spill)
    data = MALFORMED[what]
    outcome = refused(bench, Image(MR, f"{STUDY}.1.1", data), Status.CANNOT_UNDERSTAND)
    if not data:
        assert kept(bench) == []
        return
    file, note = kept(bench)
    assert stored_file(file)[1] == data
    assert stored_file(file)[0].transfer_syntax == EXPLICIT
    assert {path.stat().st_mode & 0o7777 for path in (file, note)} == {0o640}
    assert note.name == f"{file.stem}.json"
    about = json.loads(note.read_text())
    assert about == {
        "why": outcome.comment,
        "transfer_syntax": EXPLICIT,
        "sop_class": MR,
        "sop_instance": f"{STUDY}.1.1",
        "calling": "SCANNER1",
        "host": "192.0.2.10",
    }
    assert f"kept as quarantine/{file.name}" in bench.events("refused")[0]


def test_names_from_the_command_do_not_reach_the_note_unchecked(bench: Bench) -> None:
    refused(bench, Image("../class", "../../instance", b"noise"), Status.CANNOT_UNDERSTAND)
    about = json.loads(kept(bench)[1].read_text())
    assert (about["sop_class"], about["sop_instance"]) == ("", "")


def test_each_is_kept_for_itself(bench: Bench) -> None:
    with bench.association() as association:
        for number in range(3):
            assert association.send(Image(MR, "1.2", b"noise %d" % number)).status == Status.CANNOT_UNDERSTAND
    assert {stored_file(path)[1] for path in kept(bench) if path.suffix == ".dcm"} == {
        b"noise 0",
        b"noise 1",
        b"noise 2",
    }


def test_the_quarantine_has_a_limit_and_beyond_it_is_only_refused(bench: Bench) -> None:
    store = replace(bench.settings.store, quarantine_size=5000)
    bench.receiver.settings = replace(bench.settings, store=store)
    with bench.association() as association:
        for number in range(5):
            outcome = association.send(Image(MR, "1.2", bytes([number]) * 1000))
            assert outcome.status == Status.CANNOT_UNDERSTAND
    assert sum(path.stat().st_size for path in kept(bench)) <= 5000
    assert len([path for path in kept(bench) if path.suffix == ".dcm"]) == 2
    assert bench.leftovers() == []


def test_a_quarantine_of_nothing_keeps_nothing(bench: Bench) -> None:
    bench.receiver.settings = replace(bench.settings, store=replace(bench.settings.store, quarantine_size=0))
    refused(bench, Image(MR, "1.2", b"noise"), Status.CANNOT_UNDERSTAND)
    assert kept(bench) == []


@pytest.mark.parametrize("call", ["contents", "keep"])
def test_a_quarantine_that_fails_does_not_change_the_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Somebody tidies it just now, or its disk is full: the sender still hears what was wrong with the image."""

    def fail(*_: object) -> None:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(quarantine, call, fail)
    refused(bench, Image(MR, "1.2", b"noise"), Status.CANNOT_UNDERSTAND)
    assert kept(bench) == []


def test_a_flood_of_bad_images_does_not_fill_log_and_index(bench: Bench) -> None:
    with bench.association() as association:
        for number in range(150):
            assert association.send(Image(MR, f"1.9.{number}", GOOD)).status == Status.MISMATCH
    assert len(bench.events("refused")) <= 61


# ---- deflated ----


def deflated(data: bytes) -> bytes:
    """Deflated as PS3.5 section A.5 says."""
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = engine.compress(data) + engine.flush()
    return packed + b"\0" * (len(packed) % 2)


def test_a_deflated_image_is_kept_as_it_came(bench: Bench) -> None:
    data = deflated(GOOD)
    with bench.association() as association:
        assert association.send(Image(MR, f"{STUDY}.1.1", data, DEFLATED)).status == 0
    (name,) = bench.names()
    assert stored_file(bench.directory() / name)[1] == data


@pytest.mark.parametrize(
    "data",
    [deflated(GOOD)[:-9], b"no deflated data", deflated(image(pixels=bytes(65 << 20)).data)],
    ids=["cut short", "noise", "a bomb"],
)
def test_a_deflated_image_that_is_broken_or_a_bomb_is_refused(bench: Bench, data: bytes) -> None:
    refused(bench, Image(MR, f"{STUDY}.1.1", data, DEFLATED), Status.CANNOT_UNDERSTAND)


def test_after_all_this_an_ordinary_image_is_taken(bench: Bench) -> None:
    with bench.association() as association:
        for data in MALFORMED.values():
            assert association.send(Image(MR, f"{STUDY}.1.1", data)).status == Status.CANNOT_UNDERSTAND
        assert association.send(image()).status == 0
    assert len(bench.names()) == 1
    assert set(os.listdir(bench.store.root)) == {".mrdock", ".mrdock-store", "quarantine", bench.directory().name}
