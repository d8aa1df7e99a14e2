"""One line an event, for people or machines, that no peer can forge and no full disk can stop."""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.dock import logs
from mrdock.dock.complaints import Complaints
from mrdock.dock.logs import JsonFormatter, LineHandler, PlainFormatter, printable
from tests.dock.conftest import SmallDisk

EVIL = "a\nb\r\x1b[2J\u202eevil\x00\x7f\u2028\ud800"


@pytest.fixture
def fresh() -> Iterator[logging.Logger]:
    """The dock's logger, left as it was."""
    logger = logging.getLogger("mrdock")
    before = (logger.handlers, logger.level, logger.propagate)
    level = logging.getLogger("pynetdicom").level
    yield logger
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])
    logging.getLogger("pynetdicom").setLevel(level)


def entry(text: str, *words: object, level: int = logging.INFO, **extra: object) -> logging.LogRecord:
    """A log record."""
    made = logging.getLogger("mrdock.receive").makeRecord("mrdock.receive", level, "f", 1, text, words, None)
    made.__dict__.update(extra)
    return made


# ---- formats ----


@given(st.text())
def test_printable_text_has_no_control_characters_and_says_what_was_there(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()
    assert printable(shown) == shown


def test_what_people_read_is_one_line() -> None:
    line = PlainFormatter().format(entry("refused %s", EVIL))
    assert line.isprintable()
    assert r"a\nb\r\x1b[2J\u202eevil\x00\x7f\u2028\ud800" in line
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d refused ", line)


@pytest.mark.parametrize(
    ("level", "said"),
    [(logging.DEBUG, "debug: "), (logging.INFO, ""), (logging.WARNING, "warning: "), (logging.ERROR, "error: ")],
)
def test_the_level_stands_there_where_it_matters(level: int, said: str) -> None:
    assert PlainFormatter().format(entry("text", level=level))[20:] == f"{said}text"


def test_what_machines_read_is_one_object() -> None:
    line = JsonFormatter().format(entry("refused %s", EVIL, host="192.0.2.10", calling=EVIL, odd=Path("/x")))
    assert "\n" not in line
    assert line.isascii()
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", found.pop("time"))
    assert found == {
        "level": "info",
        "from": "mrdock.receive",
        "text": f"refused {EVIL}",
        "host": "192.0.2.10",
        "calling": EVIL,
        "odd": "/x",
    }


@pytest.mark.parametrize("formatter", [PlainFormatter(), JsonFormatter()])
def test_an_error_of_ours_is_one_line_too(formatter: logging.Formatter) -> None:
    made = entry("it failed", level=logging.ERROR)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        made.exc_info = sys.exc_info()
    line = formatter.format(made)
    assert "\n" not in line
    assert "ValueError" in line
    assert "test_logs.py" in line


# ---- where it goes ----


def test_lines_go_to_the_file_in_one_call_each(
    tmp_path: Path, fresh: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dock.log"
    logs.start("info", file, as_json=False)
    written: list[bytes] = []
    real: Callable[[int, bytes], int] = os.write

    def write(descriptor: int, data: bytes) -> int:
        written.append(data)
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    logging.getLogger("mrdock.receive").info("one %s", "x")
    logging.getLogger("mrdock.dock").debug("not said")
    logging.getLogger("mrdock").warning("two")
    assert len(written) == 2
    assert file.read_bytes() == b"".join(written)
    assert [line[20:] for line in file.read_text().splitlines()] == ["one x", "warning: two"]
    assert file.stat().st_mode & 0o7777 == 0o640


def test_json_is_chosen_by_a_setting(tmp_path: Path, fresh: logging.Logger) -> None:
    logs.start("debug", tmp_path / "dock.log", as_json=True)
    logging.getLogger("mrdock.receive").debug("one", extra={"host": "h"})
    assert json.loads((tmp_path / "dock.log").read_text())["host"] == "h"


def test_a_file_that_was_rotated_is_begun_anew(tmp_path: Path, fresh: logging.Logger) -> None:
    file = tmp_path / "dock.log"
    logs.start("info", file, as_json=False)
    logging.getLogger("mrdock").info("one")
    file.rename(tmp_path / "dock.log.1")
    logging.getLogger("mrdock").info("two")
    assert "two" in file.read_text()
    assert "two" not in (tmp_path / "dock.log.1").read_text()


def test_starting_twice_says_everything_once(tmp_path: Path, fresh: logging.Logger) -> None:
    for _ in range(2):
        logs.start("info", tmp_path / "dock.log", as_json=False)
    logging.getLogger("mrdock").info("one")
    assert len((tmp_path / "dock.log").read_text().splitlines()) == 1
    assert not fresh.propagate


def test_standard_error_is_the_default(capfd: pytest.CaptureFixture[str], fresh: logging.Logger) -> None:
    logs.start("info", None, as_json=False)
    with capfd.disabled():
        pass
    read, write = os.pipe()
    with os.fdopen(read) as reader, os.fdopen(write, "w") as writer:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stderr", writer)
            logging.getLogger("mrdock").info("hello")
        writer.close()
        assert reader.read().endswith("hello\n")


@pytest.mark.parametrize("what", ["closed", "missing", "no descriptor"])
def test_a_standard_error_that_is_gone_is_harmless(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    handler = LineHandler(None)
    handler.setFormatter(PlainFormatter())
    if what == "missing":
        monkeypatch.setattr(sys, "stderr", None)
    elif what == "no descriptor":
        import io

        monkeypatch.setattr(sys, "stderr", io.StringIO())
    else:
        read, write = os.pipe()
        os.close(read)
        stream = os.fdopen(write, "w")
        monkeypatch.setattr(sys, "stderr", stream)
    handler.emit(entry("text"))
    if what == "closed":
        stream.close()


@pytest.mark.parametrize("what", ["no directory", "a directory", "a file for a directory"])
def test_a_file_that_cannot_be_written_is_harmless(tmp_path: Path, what: str) -> None:
    path = tmp_path / "log"
    if what == "a directory":
        path.mkdir()
    elif what == "no directory":
        path = path / "deeper"
    else:
        path.write_text("x")
        path = path / "deeper"
    handler = LineHandler(path)
    handler.setFormatter(JsonFormatter())
    handler.emit(entry("text"))
    assert (tmp_path / "log").is_file() is (what == "a file for a directory")


def test_a_full_disk_is_harmless_and_lines_come_again(small_disk: SmallDisk) -> None:
    disk = small_disk("logs", "size=64k")
    (disk / "ballast").write_bytes(bytes(64 << 10))
    handler = LineHandler(disk / "dock.log")
    handler.setFormatter(PlainFormatter())
    handler.emit(entry("lost"))
    (disk / "ballast").unlink()
    handler.emit(entry("said"))
    assert (disk / "dock.log").read_text().endswith("said\n")


def test_a_fifo_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "dock.log")
    with pytest.MonkeyPatch.context() as patch:
        real: Callable[..., int] = os.open

        def refuse_to_wait(path: str, flags: int, *words: int, **more: int) -> int:
            assert flags & os.O_NONBLOCK, "this open waits until somebody reads the log"
            return real(path, flags, *words, **more)

        patch.setattr(os, "open", refuse_to_wait)
        handler = LineHandler(tmp_path / "dock.log")
        handler.setFormatter(PlainFormatter())
        handler.emit(entry("text"))


# ---- how much is said ----


def test_complaints_are_counted_beyond_a_number() -> None:
    complaints = Complaints(most=3, seconds=60)
    assert [complaints.let_through(str(n), 0.0) for n in range(5)] == [["0"], ["1"], ["2"], [], []]
    assert complaints.let_through("in time", 59.9) == []
    assert complaints.let_through("next", 60.0) == ["3 further refusals were not listed", "next"]
    assert complaints.let_through("again", 61.0) == ["again"]
    assert complaints.let_through("later", 1000.0) == ["later"]


@given(st.lists(st.floats(0, 100), max_size=50).map(sorted), st.integers(1, 5))
def test_no_more_than_so_many_come_through_in_any_minute(times: list[float], most: int) -> None:
    complaints = Complaints(most=most, seconds=10)
    through = [moment for moment in times for said in complaints.let_through("x", moment) if said == "x"]
    for moment in through:
        assert len([other for other in through if moment <= other < moment + 10]) <= 2 * most
    left_out = Complaints(most=most, seconds=10)
    said = [line for moment in [*times, 1e6] for line in left_out.let_through("x", moment)]
    counted = sum(int(line.split()[0]) for line in said if line != "x")
    assert counted + said.count("x") == len(times) + 1
