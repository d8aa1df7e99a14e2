"""Several processes find out the same about files as one does, also when some of them die."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pydicom.data
import pytest

from mrdock.errors import StoppedError
from mrdock.files.helpers import Helper
from mrdock.sorting import move_reading, reading_together
from mrdock.sorting.examining import Examined, Verdict, examined
from mrdock.sorting.finding import find
from mrdock.sorting.reading_together import Together
from tests.builders import StudyIdentity, bulk_classic


@pytest.fixture(autouse=True)
def two_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_together, "default_jobs", lambda: 3)


def told(one: Examined) -> tuple[Any, ...]:
    """All that is known of one file."""
    header = one.header
    if header is None:
        return one.verdict, one.reason
    found = dict(header.found.values), header.found.big_endian
    return one.verdict, found, header.sop_class, header.sop_instance, header.transfer_syntax, header.size


@pytest.fixture(scope="module")
def odd_files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Odd and broken files in every transfer syntax, many times over, and some of ours."""
    top = tmp_path_factory.mktemp("odd")
    files = Path(pydicom.data.__file__).parent / "test_files"
    shutil.copytree(files, top / "pydicom")
    paths = [entry.path for entry in find(str(top), recursive=True).files]
    (top / "bulk").mkdir()
    for number, whole in enumerate(bulk_classic(700, StudyIdentity())):
        (top / "bulk" / f"{number}").write_bytes(whole)
    return [*paths * 3, *(entry.path for entry in find(str(top / "bulk")).files), str(top / "gone")]


def test_it_equals_what_one_process_finds(odd_files: list[str]) -> None:
    alone = [told(one) for one in examined(odd_files)]
    assert len({verdict for verdict, *_ in alone}) == len(Verdict)
    assert [told(one) for one in Together(odd_files).results(lambda _: None)] == alone


def test_helpers_have_a_share(odd_files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    here: Counter[str] = Counter()

    def counting(paths: list[str]) -> list[Examined]:
        here.update(paths)
        return list(examined(paths))

    together = Together(odd_files * 4)
    monkeypatch.setattr(reading_together, "examined", counting)
    assert len(together.results(lambda _: None)) == len(odd_files) * 4
    assert 0 < here.total() < len(odd_files) * 4


def test_dead_helpers_are_made_good_for(odd_files: list[str]) -> None:
    together = Together(odd_files)
    for helper in together._helpers.running:
        helper.kill()
    assert [told(one) for one in together.results(lambda _: None)] == [told(one) for one in examined(odd_files)]


def test_without_an_interpreter_to_start(odd_files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    assert len(Together(odd_files).results(lambda _: None)) == len(odd_files)


def test_stopping_ends_the_helpers(odd_files: list[str]) -> None:
    together = Together(odd_files)
    helpers = list(together._helpers.running)
    assert len(helpers) == 2

    def stop(_: int) -> None:
        raise StoppedError("enough")

    with pytest.raises(StoppedError):
        together.results(stop)
    assert all(helper.process.poll() is not None for helper in helpers)


def test_a_helper_answers_and_ends_with_its_owner(odd_files: list[str]) -> None:
    helper = Helper(reading_together.__name__)
    assert [verdict for verdict, *_ in helper.ask(odd_files[-2:])] == [Verdict.RECORD, Verdict.LEFT]
    assert helper.process.stdin is not None
    helper.process.stdin.close()
    assert helper.process.wait(30) == 0
    helper.close()


def test_many_files_are_read_together(odd_files: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    top = os.path.dirname(odd_files[-2])
    entries = find(top).files
    monkeypatch.setattr(move_reading, "FEW", 100)
    told_of: list[tuple[str, int, int]] = []
    found = move_reading.read(entries, progress=lambda *what: told_of.append(what))
    assert [record.path for record in found.records] == [entry.path for entry in entries]
    assert told_of[0] == ("reading", 0, 700)
    with pytest.raises(StoppedError):
        move_reading.read(entries, cancelled=lambda: True)
