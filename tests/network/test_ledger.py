"""The ledger: what it knows, what it forgives, and that several may write it."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest

from mrdock.dicom.part10 import FileMeta
from mrdock.errors import PlaceError
from mrdock.network import ledger as module
from mrdock.network.ledger import Ledger, begin_anew, default_path
from mrdock.network.outgoing import ImageFile

TO = "ARCHIVE at host port 104"


def item(folder: Path, name: str = "image", content: bytes = b"data") -> ImageFile:
    path = folder / name
    path.write_bytes(content)
    return ImageFile(path, FileMeta("1.2", f"1.2.{len(name)}", "1.2"), len(content))


def add(ledger: Ledger, image: ImageFile, *, stored: bool = True) -> None:
    ledger.add(image, stored=stored, status=0 if stored else 0xA700, words="")


def test_what_was_stored_is_known_to_the_next_run_to_the_same_peer(tmp_path: Path) -> None:
    first, second = item(tmp_path, "a"), item(tmp_path, "bb")
    path = str(tmp_path / "ledger")
    with Ledger(path, TO) as ledger:
        assert not ledger.has(first)
        add(ledger, first)
        add(ledger, second, stored=False)
    with Ledger(path, TO) as ledger:
        assert ledger.has(first)
        assert not ledger.has(second)
        assert ledger.failed() == [str(second.path)]
        add(ledger, second)
    with Ledger(path, TO) as ledger:
        assert ledger.has(second)
        assert ledger.failed() == []
    with Ledger(path, "OTHER at host port 104") as ledger:
        assert not ledger.has(first)
        assert ledger.failed() == []


def test_a_file_that_changed_is_another(tmp_path: Path) -> None:
    image, path = item(tmp_path), str(tmp_path / "ledger")
    with Ledger(path, TO) as ledger:
        add(ledger, image)
    os.utime(image.path, ns=(1, 1))
    with Ledger(path, TO) as ledger:
        assert not ledger.has(image)


def test_a_file_that_changes_while_it_is_sent_is_sent_again(tmp_path: Path) -> None:
    image, path = item(tmp_path), str(tmp_path / "ledger")
    with Ledger(path, TO) as ledger:
        ledger.begin([image])
        os.utime(image.path, ns=(1, 1))
        add(ledger, image)
    with Ledger(path, TO) as ledger:
        assert not ledger.has(image)


def test_lines_that_are_cut_or_none_of_ours_are_passed_over(tmp_path: Path) -> None:
    image, other, path = item(tmp_path), item(tmp_path, "other"), tmp_path / "ledger"
    with Ledger(str(path), TO) as ledger:
        add(ledger, image)
        add(ledger, other)
    lines = path.read_bytes().splitlines()
    junk = [b"", b"[]", b"null", b'{"version": 2}', b"\xff\xfe", b'{"version": 1, "to": 3}', b"{" * 2000]
    path.write_bytes(b"\n".join([*junk, lines[0], lines[1][:-9]]))
    with Ledger(str(path), TO) as ledger:
        assert ledger.has(image)
        assert not ledger.has(other)
        add(ledger, other)  # behind the line that was cut
    with Ledger(str(path), TO) as ledger:
        assert ledger.has(other)


def test_only_its_user_may_read_it(tmp_path: Path) -> None:
    with Ledger(str(tmp_path / "ledger"), TO):
        assert stat.S_IMODE((tmp_path / "ledger").stat().st_mode) == 0o600


def test_names_that_are_no_text(tmp_path: Path) -> None:
    image = item(tmp_path, os.fsdecode(b"caf\xe9\n"))
    with Ledger(str(tmp_path / "ledger"), TO) as ledger:
        add(ledger, image)
    with Ledger(str(tmp_path / "ledger"), TO) as ledger:
        assert ledger.has(image)
    assert len((tmp_path / "ledger").read_text().splitlines()) == 1


def test_several_runs_write_the_same_ledger(tmp_path: Path) -> None:
    images = [item(tmp_path, f"{number:04}") for number in range(200)]
    path = str(tmp_path / "ledger")

    def write(some: list[ImageFile]) -> None:
        with Ledger(path, TO) as ledger:
            for image in some:
                add(ledger, image)

    threads = [threading.Thread(target=write, args=(images[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Ledger(path, TO) as ledger:
        assert all(map(ledger.has, images))


def test_places_where_no_ledger_can_be(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "ledger"):
        with pytest.raises(PlaceError, match=f"{path}: the ledger cannot be used"):
            Ledger(str(path), TO)


def test_the_default_is_in_the_state_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert default_path() == str(tmp_path / "mrdock" / "sent.jsonl")


def test_a_large_ledger_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger"
    begin_anew(str(path))
    image = item(tmp_path)
    with Ledger(str(path), TO) as ledger:
        add(ledger, image)
    begin_anew(str(path))
    assert json.loads(path.read_text())["stored"] is True
    monkeypatch.setattr(module, "_LARGEST", 10)
    begin_anew(str(path))
    assert not path.exists()
    assert (tmp_path / "ledger.old").exists()
