"""Whatever is wrong, a command says so in one sentence and leaves everything as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import Run, one_sentence

LOOKING = [("status",), ("status", "--json"), ("route", "2026"), ("sweep",), ("sweep", "--dry-run")]
ON_A_STORE = [*LOOKING, ("reindex",)]


def serve(*words: str, env: dict[str, str] | None = None) -> str:
    """What `mrdock serve` says when it cannot start; as a program of its own, in case that it does start."""
    done = subprocess.run(
        [sys.executable, "-m", "mrdock", "serve", *words],
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode in (1, 2), done
    (line,) = (line for line in done.stderr.splitlines() if "running as root" not in line)
    assert line.startswith("mrdock serve: ")
    return line


@pytest.fixture
def store(tmp_path: Path, mrdock: Run) -> Path:
    """A store without studies."""
    from mrdock.dock.setting_values import Free
    from mrdock.dock.store import open_store

    open_store(tmp_path / "store", Free(), create=True).close()
    assert mrdock("reindex", "--store", "store").exit_code == 0
    return tmp_path / "store"


# ---- stores ----


@pytest.mark.parametrize("words", ON_A_STORE, ids=" ".join)
def test_a_store_that_is_none(mrdock: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("of a person")
    for name in ("missing", "empty", "file", "file/below"):
        line = one_sentence(mrdock(*words, "--store", name), 1)
        assert str(tmp_path / name) in line
        assert "no store" in line
    assert (tmp_path / "file").read_text() == "of a person"
    assert list((tmp_path / "empty").iterdir()) == []


def test_serve_makes_no_store_in_a_directory_that_holds_other_things(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("of a person")
    assert "not empty and no store" in serve("--store", str(tmp_path))
    (tmp_path / "file").write_text("of a person")
    assert f"{tmp_path}/file" in serve("--store", str(tmp_path / "file"))
    assert f"{tmp_path}/file/below" in serve("--store", str(tmp_path / "file" / "below"))
    assert "cannot be used" in serve("--store", "/proc/mrdock")


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_a_damaged_index(mrdock: Run, store: Path, words: tuple[str, ...]) -> None:
    (store / ".mrdock" / "index.sqlite").write_bytes(b"this is no database " * 500)
    line = one_sentence(mrdock(*words, "--store", "store"), 1)
    assert "index" in line


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_an_index_that_is_cut_short(mrdock: Run, store: Path, words: tuple[str, ...]) -> None:
    index = store / ".mrdock" / "index.sqlite"
    index.write_bytes(index.read_bytes()[:6000])
    assert "index" in one_sentence(mrdock(*words, "--store", "store"), 1)


@pytest.mark.parametrize("words", LOOKING, ids=" ".join)
def test_an_index_that_is_a_directory(mrdock: Run, store: Path, words: tuple[str, ...]) -> None:
    (store / ".mrdock" / "index.sqlite").unlink()
    (store / ".mrdock" / "index.sqlite").mkdir()
    assert "index" in one_sentence(mrdock(*words, "--store", "store"), 1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\xfe", b'{"listeners": [{"name": 1}]}'])
def test_notes_of_the_running_dock_that_make_no_sense(mrdock: Run, store: Path, content: bytes) -> None:
    for name in ("running.json", "lock"):
        (store / ".mrdock" / name).write_bytes(content)
    assert mrdock("status", "--store", "store").exit_code == 0
    assert mrdock("status", "--json", "--store", "store").exit_code == 0


@pytest.mark.parametrize("name", ["a blank", "a%20percent", "a#hash", "a?mark", "a'quote", "ünïcödé", "a:b;c&d=e"])
def test_stores_with_unusual_names(mrdock: Run, tmp_path: Path, name: str) -> None:
    from mrdock.dock.setting_values import Free
    from mrdock.dock.store import open_store

    open_store(tmp_path / name, Free(), create=True).close()
    before = set(tmp_path.iterdir())
    assert mrdock("reindex", "--store", name).exit_code == 0
    assert (tmp_path / name / ".mrdock" / "index.sqlite").is_file()
    assert str(tmp_path / name) in mrdock("status", "--store", name).stdout
    assert set(tmp_path.iterdir()) == before, "something was made beside the store"


def test_a_store_whose_name_is_no_text(tmp_path: Path, store: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/odd\xff"
    store.rename(os.fsdecode(odd))
    done = subprocess.run(
        [sys.executable, "-m", "mrdock", "status", "--store", odd], capture_output=True, check=False, timeout=30
    )
    assert b"Traceback" not in done.stderr
    assert done.returncode == 0


# ---- settings ----


@pytest.mark.parametrize("words", ON_A_STORE, ids=" ".join)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[store\n", "not valid TOML"),
        (b'\xff\xfe[store]\nroot = "/x"', "not valid TOML"),
        (b"[store]\nroot = 3", "expected a path"),
        (b'[store]\nroot = "here"', "expected an absolute path"),
        (b'[store]\nroot = "~nobody-of-this-name/store"', "root"),
        (b"store = 3", "[store] has to be a table"),
        (b"listeners = 3", "listeners has to be a list"),
        (b"[[store]]\n", "[store] has to be a table"),
        (b"listeners = []", "at least one"),
        (b'[retention]\ndays = "thirty"', "expected a number"),
        (b"[retention]\ndays = nan", "expected a number"),
        (b"[limits]\npdu = true", "expected a whole number"),
        (b'[route]\nfields = ["PatientName"]', "expected a list of StudyDescription"),
        (b'[route]\nroots = "/data"', "expected a list of absolute paths"),
        (b'[index]\nurl = "mysql://x"', "PostgreSQL"),
    ],
)
def test_settings_that_cannot_be_used(
    mrdock: Run, tmp_path: Path, store: Path, words: tuple[str, ...], content: bytes, said: str
) -> None:
    (tmp_path / "dock.toml").write_bytes(content)
    result = mrdock(*words, "--config", "dock.toml", "--store", "store")
    assert said in one_sentence(result, result.exit_code)
    assert result.exit_code in (1, 2)


@pytest.mark.parametrize("words", ON_A_STORE, ids=" ".join)
def test_a_settings_file_that_is_none(mrdock: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    for name in (".", "home/no/such", "x" * 300, "~nobody-of-this-name/dock.toml"):
        assert one_sentence(mrdock(*words, "--config", name), 2)


@pytest.mark.parametrize("host", ["a..b", "no.such.host.invalid", "192.0.2.1", "ü" * 70])
def test_hosts_that_nobody_can_listen_on(tmp_path: Path, host: str) -> None:
    (tmp_path / "dock.toml").write_text(f'[[listeners]]\nhost = "{host}"\nport = 0\n[[peers]]\ntitle = "*"\n')
    line = serve("--config", "dock.toml", "--store", str(tmp_path / "store"))
    assert "listener" in line or "dock.toml" in line


@pytest.mark.parametrize("days", [9_999_999, 1e8, 0.00001])
def test_whatever_number_of_days_is_accepted_can_be_shown(
    mrdock: Run, tmp_path: Path, store: Path, days: float
) -> None:
    """Who never wants to delete writes a large number."""
    fill(store)
    assert mrdock("reindex", "--store", "store").exit_code == 0
    (tmp_path / "dock.toml").write_text(f"[retention]\ndays = {days}\n")
    for words in (("status",), ("status", "--json"), ("sweep", "--dry-run")):
        result = mrdock(*words, "--config", "dock.toml", "--store", "store")
        assert result.exit_code == 0 or "expected a number" in one_sentence(result, 2)


def fill(store: Path) -> None:
    """One study with one image, received a moment ago: it is being received."""
    import time

    from mrdock.dicom.part10 import FileMeta, encode_file_meta
    from mrdock.dock.record import NAME, PRIVATE_CREATOR, Receipt, first_line
    from mrdock.dock.store import study_name
    from tests.builders import StudyIdentity, bulk_classic

    who = StudyIdentity()
    (content,) = bulk_classic(1, who, rows=4, columns=4)
    uid = content[content.index(b"2.25.") :][:44].decode()
    receipt = Receipt(time.time(), "0").encode()
    meta = FileMeta("1.2.840.10008.5.1.4.1.1.4", uid, "1.2.840.10008.1.2.1", "X", PRIVATE_CREATOR, receipt)
    folder = store / study_name(who.study_uid, who.study_date, who.study_time)
    folder.mkdir()
    (folder / NAME).write_bytes(first_line(who.study_uid))
    start = content.index(b"\x08\x00\x05\x00CS")
    (folder / f"MR.{uid}").write_bytes(encode_file_meta(meta) + content[start:])


def test_the_help_for_filling_a_store_works(mrdock: Run, store: Path) -> None:
    fill(store)
    assert "1 study with 1 image" in mrdock("reindex", "--store", "store").stdout.replace("studies", "study")


@pytest.mark.parametrize("words", [("status",), ("route", "x"), ("init",), ("reindex",), ("serve",)], ids=" ".join)
def test_a_user_without_home_and_name(mrdock: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]) -> None:
    """As some containers run programs: no HOME, and a number that no passwd file knows."""
    monkeypatch.delenv("HOME")

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    result = mrdock(*words)
    assert one_sentence(result, result.exit_code)
    assert result.exit_code in (1, 2)


def test_output_that_nobody_reads(store: Path) -> None:
    for redirection in ("| true", "> /dev/full", ">&-"):
        command = f'"$0" -m mrdock status --store "$1" {redirection}'
        done = subprocess.run(
            ["bash", "-c", command, sys.executable, str(store)], capture_output=True, text=True, check=False, timeout=30
        )
        assert "Traceback" not in done.stderr, redirection
        assert "Exception" not in done.stderr, redirection
