"""Files that belong together, and what kind they are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mrdock.errors import PlaceError
from mrdock.parrec.places import Pair, is_par, is_xmlrec, pair_of, xml_root
from tests.parrec.support import NIBABEL, table_of, write_pair


def made(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"")


@pytest.mark.parametrize("par", ["a.PAR", "a.par", "a.Par", "A.PAR"])
@pytest.mark.parametrize("rec", ["a.REC", "a.rec", "A.rec"])
@pytest.mark.parametrize("asked", ["a", "a.par", "a.PAR", "a.rec", "A.Rec"])
def test_a_pair_is_found_in_any_case(tmp_path: Path, par: str, rec: str, asked: str) -> None:
    made(tmp_path, par, rec, "b.rec", "a.par.txt", "aa.par")
    assert pair_of(str(tmp_path / asked)) == Pair(str(tmp_path / par), str(tmp_path / rec))


def test_dots_of_a_name_are_no_ending(tmp_path: Path) -> None:
    made(tmp_path, "1.2.3.PAR", "1.2.3.REC", "1.2.PAR")
    assert pair_of(str(tmp_path / "1.2.3")).rec == str(tmp_path / "1.2.3.REC")
    assert pair_of(str(tmp_path / "1.2.3.par")).par == str(tmp_path / "1.2.3.PAR")
    assert pair_of(str(tmp_path / "1.2")) == Pair(str(tmp_path / "1.2.PAR"), None)


def test_what_is_not_there_is_none(tmp_path: Path) -> None:
    made(tmp_path, "a.par")
    (tmp_path / "a.rec").mkdir()
    (tmp_path / "b.par").symlink_to(tmp_path / "nowhere")
    assert pair_of(str(tmp_path / "a")) == Pair(str(tmp_path / "a.par"), None)
    assert pair_of(str(tmp_path / "b")) == Pair(None, None)
    assert pair_of(str(tmp_path / "none" / "a")) == Pair(None, None)


def test_looking_for_files_loads_no_numpy() -> None:
    program = "import sys, mrdock.parrec.places; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_names_in_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "a.par", "a.REC")
    monkeypatch.chdir(tmp_path)
    assert pair_of("a.par") == Pair("a.par", "a.REC")


@pytest.fixture
def two_cases(tmp_path: Path) -> Path:
    """A directory in which names differ by case."""
    made(tmp_path, "a.par")
    if (tmp_path / "A.PAR").exists():
        pytest.skip("names of another case are the same here")
    return tmp_path


def test_the_spelling_that_was_asked_for_goes_first(two_cases: Path) -> None:
    made(two_cases, "a.rec", "a.PAR", "a.REC", "A.par", "A.rec")
    for asked, other in (("a.par", "a.rec"), ("a.PAR", "a.REC"), ("A.par", "A.rec")):
        assert pair_of(str(two_cases / asked)) == Pair(str(two_cases / asked), str(two_cases / other))
        assert pair_of(str(two_cases / other)) == Pair(str(two_cases / asked), str(two_cases / other))


def test_several_that_could_be_meant_are_named(two_cases: Path) -> None:
    made(two_cases, "a.PAR")
    with pytest.raises(PlaceError) as error:
        pair_of(str(two_cases / "a"))
    assert str(error.value) == f"{two_cases / 'a'}: a.PAR and a.par could be meant"


def test_par_files_are_known_by_their_beginning(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, table_of(slice_number=2))
    assert is_par(str(pair))
    assert not is_par(str(pair.with_suffix(".REC")))
    for name in ("R11_T2W_TSE", "umass_anonymized"):
        assert is_par(str(NIBABEL / f"{name}.PAR"))
    old = tmp_path / "old.par"
    old.write_bytes(b"# CLINICAL TRYOUT             Research image export tool     V3\n")
    assert is_par(str(old))
    made(tmp_path, "empty.par")
    assert not is_par(str(tmp_path / "empty.par"))
    with pytest.raises(OSError, match=r"none\.par"):
        is_par(str(tmp_path / "none.par"))


@pytest.mark.parametrize(
    ("content", "root"),
    [
        (b"<PRIDE_V5>\r\n<Series_Info>", "PRIDE_V5"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- a <b> -->\n<PRIDE_V5 x="1">', "PRIDE_V5"),
        (b'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY a "b">]><html>', "html"),
        (b"  <gpl/>", "gpl"),
        (b"# <PRIDE_V5>", None),
        (b"<" * 4096, None),
        (b"<!--" + b"x" * 9000, None),
        (b"", None),
    ],
)
def test_an_xml_rec_is_known_by_its_root(tmp_path: Path, content: bytes, root: str | None) -> None:
    path = tmp_path / "scan.xml"
    path.write_bytes(content)
    assert xml_root(str(path)) == root
    assert is_xmlrec(str(path)) == (root == "PRIDE_V5")
