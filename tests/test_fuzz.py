"""The targets of ``make fuzz`` on changed messages and files, without atheris; and that a fault in them is found."""

from __future__ import annotations

import importlib
import struct
import sys
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz import __main__ as program
from fuzz import corpus, report
from fuzz.recorder import Conversation
from fuzz.target import Harness, Target, TooLargeError, TooSlowError, load, names
from fuzz.traffic import Traffic
from mrdock.network.accepting import encode_accept
from mrdock.network.negotiation import parse_request
from mrdock.network.pdu import ProtocolFault
from tests.builders import bulk_classic, enhanced_mr, part10, presentation_state
from tests.builders.identity import StudyIdentity
from tests.dock.support import STUDY
from tests.network import messages
from tests.network.serving import ACCEPTABLE

WITH_INDEX = {"journal", "record"}


def traffic() -> Traffic:
    """Little of each kind, made here."""
    request = messages.associate()
    parsed = parse_request(memoryview(request)[6:])
    _, results = ACCEPTABLE.negotiate(parsed)
    files = list(bulk_classic(2, StudyIdentity("fuzz"), rows=2, columns=2, study_description="#-#/data/x"))
    files.append(part10(enhanced_mr(StudyIdentity("fuzz"), slices=1, dynamics=1, rows=2, columns=2)))
    files.append(part10(presentation_state(StudyIdentity("fuzz"))))
    asked = request + messages.p_data(messages.pdv(5, messages.echo(), command=True, last=True))
    asked += messages.store(b"\x08\0\x16\0UI\x02\x001\0" * 40) + messages.RELEASE
    answered = encode_accept(parsed, results, 16384) + messages.pdu(6, bytes(4))
    record = f'{{"event": "study", "study": "{STUDY}"}}\n{{"event": "received"}}\n'
    return Traffic([Conversation(asked, answered)], files, [record.encode()])


@cache
def seeds(name: str) -> list[bytes]:
    """The inputs that a target begins with."""
    found = list(load(name).seeds(traffic()))
    assert found
    return found


@cache
def harness(name: str) -> Harness:
    return Harness(load(name))


@pytest.mark.parametrize("name", names())
def test_every_target_takes_its_seeds(name: str) -> None:
    for data in seeds(name):
        harness(name).check(data)


CHANGES = st.tuples(
    st.sampled_from([0, 1, 1, 2, 8, 1 << 20]),
    st.one_of(
        st.binary(max_size=4),
        st.sampled_from(
            [b"\xff\xff\xff\xff", bytes(4), b"\xff\xff", b"\0\1", b"\xfe\xff\0\xe0", b"SQ", b'"', b"[", b"\n"]
        ),
    ),
)


@pytest.mark.parametrize("name", names())
def test_changed_inputs_break_nothing(name: str) -> None:
    """Documented exceptions only, in bounded time and memory, and what each target says of its parser."""

    @settings(deadline=None, max_examples=30 if name in WITH_INDEX else 100)
    @given(st.data())
    def changed(data: st.DataObject) -> None:
        content = bytearray(data.draw(st.sampled_from(seeds(name))))
        for where, change in data.draw(st.lists(st.tuples(st.integers(0, len(content)), CHANGES), max_size=4)):
            removed, put = change
            content[where : where + removed] = put
        harness(name).check(bytes(content))

    changed()


# ---- that something is found ----


@pytest.mark.parametrize(
    ("name", "place", "wrong"),
    [
        ("scan", "scan", lambda *_, **__: 1 / 0),
        ("scan", "first_values", lambda *_, **__: {0x00080016: b"x"}),
        ("reading", "read_many", lambda paths, wanted: [(paths[0], TypeError())]),
        ("values", "is_uid", lambda _: True),
        ("framing", "pdvs", lambda _: iter(())),
        ("command", "encode_response", lambda *_: b""),
        ("stream", "heard", lambda *arguments: arguments),
        ("request", "encode_accept", lambda *_: b"\2\0\0\0\0\0"),
        ("journal", "decode", lambda _: 1 / 0),
        ("frames", "FrameTable", lambda *_: 1 / 0),
        ("dicomeread", "dicomeread", lambda *_, **__: 1 / 0),
        ("shortacq", "drop_partial_acquisition", lambda path: Path(path).write_bytes(b"lost") and None),
        ("par", "format_par", lambda *_, **__: b"1"),
        ("dcm2par", "convert", lambda *_, **__: 1 / 0),
        ("parameters", "read_block", lambda _: 1 / 0),
        ("rawdata", "text_of_raw", lambda *_, **__: ["\x1b"]),
        ("record", "reconcile", lambda store, *_: [path.unlink() for path in store.root.glob("*_*/MR*1.2")]),
    ],
)
def test_a_fault_is_found(name: str, place: str, wrong: object, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "record":
        bench_of_its_own(monkeypatch)
    monkeypatch.setattr(importlib.import_module(f"fuzz.targets.{name}"), place, wrong)
    with pytest.raises((AssertionError, ZeroDivisionError, ValueError, struct.error, ProtocolFault)):
        check_all(name)


def check_all(name: str) -> None:
    for data in seeds(name):
        load(name).check(data)


def bench_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    from fuzz import bench

    made = bench.bench.__wrapped__()
    monkeypatch.setattr(importlib.import_module("fuzz.targets.record"), "bench", lambda: made)


def test_an_input_that_takes_long_is_found() -> None:
    def check(data: bytes) -> None:
        if data == b"long":
            sum(range(3_000_000))

    slow = Harness(Target(check, lambda _: [], seconds=0.01))
    slow.check(b"short")
    with pytest.raises(TooSlowError, match="for 4 bytes"):
        slow.check(b"long")


def test_an_input_that_takes_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    megabytes = iter([100, 164, 164, 229])
    monkeypatch.setattr("fuzz.target._most_memory", lambda: next(megabytes))
    large = Harness(Target(lambda _: None, lambda _: []))
    large.check(b"small")
    with pytest.raises(TooLargeError, match="65 MB for 5 bytes"):
        large.check(b"large")


# ---- the program ----

FOUND = """\
INFO: Running with entropic power schedule (0xFF, 100).
#77	INITED cov: 288 ft: 870 corp: 51/1205Kb exec/s: 0 rss: 120Mb
#1024	NEW    cov: 290 ft: 880 corp: 52/1206Kb lim: 65536 exec/s: 512 rss: 130Mb L: 9/9 MS: 1 -

 === Uncaught Python exception: ===
AttributeError: 'int' object has no attribute 'encode'
Traceback (most recent call last):
  File "x.py", line 1, in check

==4711== ERROR: libFuzzer: fuzz target exited
artifact_prefix='b/'; Test unit written to b/crash-da39
stat::number_of_executed_units: 1100
"""
TIMEOUT = "#9\tNEW    cov: 1 ft: 2 corp: 3/4b\n==1== ERROR: libFuzzer: timeout after 60 seconds\n"


def test_what_the_engine_says_becomes_a_line() -> None:
    fine = FOUND[: FOUND.index("\n ===")]
    assert report.read(fine, 0) == report.Report(1024, 290, 880, 52)
    found = report.Report(1100, 290, 880, 52, "AttributeError: 'int' object has no attribute 'encode'", "b/crash-da39")
    assert report.read(FOUND, 77) == found
    assert report.read(TIMEOUT, 70) == report.Report(9, 1, 2, 3, "libFuzzer: timeout after 60 seconds")
    assert report.read("", 1).finding == "exit code 1"
    assert report.read("No module named x\n", 1).finding == "No module named x"


def test_without_atheris_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "find_spec", lambda _: None)
    assert program.main(["--work", str(tmp_path)]) == 2
    assert "atheris is not here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


ENGINE = """
import os, sys
folder = sys.argv[4]
print("#5\\tNEW    cov: 1 ft: 2 corp: 3/4b", file=sys.stderr)
if os.environ.get("BROKEN"):
    print(" === Uncaught Python exception: ===\\nValueError: x", file=sys.stderr)
    print("Test unit written to " + folder + "/crash-1", file=sys.stderr)
    sys.exit(77)
"""


@pytest.mark.parametrize("broken", ["", "1"])
def test_a_finding_is_one_line_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    (tmp_path / "python").write_text(f"#!{sys.executable}\n{ENGINE}")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(program, "find_spec", lambda _: True)
    monkeypatch.setenv("BROKEN", broken)
    (tmp_path / "seeds-made").touch()
    (tmp_path / "scan").mkdir()
    code = program.main(["--work", str(tmp_path), "--target", "scan", "--minutes", "0.01"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("fuzz: scan: 5 inputs in 0 s, coverage 1, features 2, corpus 3")
    assert code == bool(broken)
    assert said[1:] == ([f"fuzz: scan: FOUND ValueError: x ({tmp_path}/scan/corpus/crash-1)"] if broken else [])


def test_a_finding_can_be_replayed_without_atheris(tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"\1" + bytes(40))
    assert program.main(["--target", "scan", "--replay", str(path)]) == 0


def test_seeds_and_words_are_written_for_every_target(tmp_path: Path) -> None:
    corpus.write(tmp_path, traffic())
    for name in names():
        assert len(list((tmp_path / name / "seeds").iterdir())) == len(set(seeds(name)))
        assert all(line[:3] == '"\\x' for line in (tmp_path / name / "words").read_text().splitlines())
