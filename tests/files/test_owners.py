"""Names of owners and groups."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mrdock.files.owners import Owners

BLOCKED = """
import os, sys
sys.modules["pwd"] = sys.modules["grp"] = None
from mrdock.files.owners import Owners
status = os.lstat(sys.argv[1])
print(Owners().owner(sys.argv[1], status), Owners().group(sys.argv[1], status))
"""


def test_they_are_those_of_the_system(tmp_path: Path) -> None:
    status = os.lstat(tmp_path)
    owners = Owners()
    for _ in range(2):
        assert owners.owner(str(tmp_path), status) == tmp_path.owner()
        assert owners.group(str(tmp_path), status) == tmp_path.group()


def test_without_the_modules_for_them_they_are_numbers(tmp_path: Path) -> None:
    command = [sys.executable, "-c", BLOCKED, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    status = os.lstat(tmp_path)
    assert done.stdout.split() == [str(status.st_uid), str(status.st_gid)]


def test_a_number_without_a_name_stays_a_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(self: Path) -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(Path, "owner", unknown)
    status = os.lstat(tmp_path)
    assert Owners().owner(str(tmp_path), status) == str(status.st_uid)


def test_a_file_that_has_gone_does_not_spoil_the_name(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"")
    status = os.lstat(path)
    path.unlink()
    owners = Owners()
    assert owners.owner(str(path), status) == str(status.st_uid)
    assert owners.owner(str(tmp_path), status) == tmp_path.owner()


def test_a_link_does_not_have_the_owner_of_its_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to("target")
    (tmp_path / "target").write_bytes(b"")
    of_link, of_target = os.lstat(tmp_path / "link"), list(os.lstat(tmp_path / "target"))
    of_target[4] = of_link.st_uid + 1
    monkeypatch.setattr(os, "stat", lambda path: os.stat_result(of_target))
    assert Owners().owner(str(tmp_path / "link"), of_link) == str(of_link.st_uid)
