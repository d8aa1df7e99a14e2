"""`dcmls` as its users type it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mrdock.commands.dcmls import command
from tests.builders import StudyIdentity, bulk_classic, classic_fmri, part10

Dcmls = Callable[..., Result]
PROGRAM = [sys.executable, "-c", "from mrdock.commands.dcmls import command; command(prog_name='dcmls')"]
WITHOUT_POSIX = """
import sys
for name in ("pwd", "grp", "fcntl", "resource", "termios"):
    sys.modules[name] = None
import os
for name in ("O_NOATIME", "O_NONBLOCK", "O_NOCTTY", "geteuid"):
    if hasattr(os, name):
        delattr(os, name)
from mrdock.commands.dcmls import command
command(prog_name='dcmls')
"""


@pytest.fixture
def dcmls() -> Dcmls:
    def run(*words: str | Path) -> Result:
        result = CliRunner().invoke(command, [str(word) for word in words], prog_name="dcmls")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    (folder / "s1").mkdir(parents=True)
    for i, image in enumerate(classic_fmri(StudyIdentity(patient_id="P17"))):
        (folder / "s1" / f"im{i:02}.dcm").write_bytes(part10(image))
    (folder / "notes.txt").write_bytes(b"text")
    (folder / ".hidden").write_bytes(b"text")
    return folder


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A directory for somebody who may not do everything: where the tests run as root, somebody else runs them."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        root = os.geteuid() == 0
        if root:
            os.chown(name, 65534, 65534)
            os.seteuid(65534)
        try:
            yield Path(name)
        finally:
            if root:
                os.seteuid(0)


def test_a_tree_is_listed_as_ls_lists_it(dcmls: Dcmls, study: Path) -> None:
    result = dcmls(study)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == f"{study}:"
    assert lines[1].startswith("-rw-r--r--  ")
    assert lines[1].endswith("  notes.txt")
    assert lines[2].startswith("drwxr-xr-x  ")
    assert lines[2].endswith("  s1")
    assert lines[3:5] == ["", f"{study}/s1:"]
    assert len(lines) == 5 + 12
    assert all("  P17  " in line for line in lines[5:])


def test_what_ls_says_is_what_it_says(dcmls: Dcmls, study: Path) -> None:
    ls = subprocess.run(
        ["ls", "-lRu", "--time-style=long-iso", str(study)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "LC_ALL": "C"},
    )
    theirs = [
        [mode[:10], owner, group, size, day, minute, name]
        for mode, _, owner, group, size, day, minute, name in (
            line.split() for line in ls.stdout.splitlines() if line[:1] in ("-", "d")
        )
    ]
    ours = [line.split()[:7] for line in dcmls(study).stdout.splitlines() if line[:1] in ("-", "d")]
    assert ours == theirs


def test_without_a_path_it_is_the_directory_here(dcmls: Dcmls, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    lines = dcmls().stdout.splitlines()
    assert lines[0] == ".:"
    assert f"{os.path.join('.', 's1')}:" in lines


def test_a_file_is_listed_by_the_path_that_was_given(dcmls: Dcmls, study: Path) -> None:
    path = study / "s1" / "im00.dcm"
    (line,) = dcmls(path).stdout.splitlines()
    assert f"  {path}  " in line


def test_one_line_a_series(dcmls: Dcmls, study: Path) -> None:
    for option in ("-d", "--series"):
        lines = dcmls(option, study).stdout.splitlines()
        assert [line.split()[0] for line in lines if line and not line.endswith(":")] == ["1", "12"]
        assert "  P17  " in lines[-1]


def test_recursion_and_hidden_entries_are_a_choice(dcmls: Dcmls, study: Path) -> None:
    assert "im00" not in dcmls("--no-recurse", study).stdout
    assert ".hidden" not in dcmls(study).stdout
    for option in ("-a", "--all"):
        assert ".hidden" in dcmls(option, study).stdout


def test_links_to_directories_are_followed_on_request(dcmls: Dcmls, study: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "here").symlink_to(tmp_path / "links")
    (tmp_path / "links" / "study").symlink_to(study)
    assert "P17" not in dcmls(tmp_path / "links").stdout
    for option in ("-L", "--follow"):
        assert dcmls(option, tmp_path / "links").stdout.count("  P17  ") == 12


def test_the_times(dcmls: Dcmls, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    day = 86400
    os.utime(tmp_path / "a", (100 * day, 200 * day))
    accessed, modified = (time.strftime("%Y-%m-%d", time.localtime(n * day)) for n in (100, 200))
    assert accessed in dcmls(tmp_path / "a").stdout
    assert accessed in dcmls("--time", "access", tmp_path / "a").stdout
    assert modified in dcmls("--time", "modified", tmp_path / "a").stdout
    assert modified in dcmls("-d", "--time", "modified", tmp_path).stdout


@pytest.mark.parametrize("series", [[], ["-d"]])
def test_csv_and_json_say_the_same(dcmls: Dcmls, study: Path, series: list[str]) -> None:
    from_json = json.loads(dcmls("--json", *series, study).stdout)
    from_csv = list(csv.DictReader(io.StringIO(dcmls("--csv", *series, study).stdout)))
    assert len(from_csv) == (2 if series else 14)
    assert [{key: in_csv(value) for key, value in record.items()} for record in from_json] == from_csv


def in_csv(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def test_what_fails_is_named_and_the_rest_is_done(dcmls: Dcmls, study: Path) -> None:
    result = dcmls(study / "no\nsuch", study / "notes.txt")
    assert result.exit_code == 1
    assert result.stderr == f"dcmls: {study}/no\\nsuch: there is no such file or directory\n"
    assert result.stdout.endswith("notes.txt\n")
    for option in ("-q", "--quiet"):
        quiet = dcmls(option, study / "no")
        assert (quiet.exit_code, quiet.stderr) == (1, "")


def test_a_cut_file_is_listed_with_what_it_has_and_named(dcmls: Dcmls, study: Path) -> None:
    path = study / "s1" / "im00.dcm"
    whole = path.read_bytes()
    path.write_bytes(whole[: (whole.find(b"P17") + 40) | 1])
    result = dcmls(study / "s1")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"dcmls: {path}: ")
    assert result.stderr.count("\n") == 1
    assert "  P17  " in result.stdout.splitlines()[1]
    assert len(result.stdout.splitlines()) == 13


def test_who_asks_is_told_what_is_no_dicom(dcmls: Dcmls, study: Path) -> None:
    for option in ("-v", "--verbose"):
        result = dcmls(option, study)
        assert result.exit_code == 0
        assert result.stderr.startswith(f"dcmls: {study}/notes.txt: no DICOM")


def test_what_others_own_is_listed_too(dcmls: Dcmls, unprivileged: Path) -> None:
    (unprivileged / "open").mkdir()
    (image,) = bulk_classic(1, patient_id="P17")
    for name in ("mine", "shut"):
        (unprivileged / "open" / name).write_bytes(image)
    (unprivileged / "closed").mkdir()
    os.chmod(unprivileged / "open" / "shut", 0)
    os.chmod(unprivileged / "closed", 0)
    result = dcmls(unprivileged)
    assert result.exit_code == 1
    assert [line.split(": ")[1:] for line in sorted(result.stderr.splitlines())] == [
        [f"{unprivileged}/closed", "Permission denied"],
        [f"{unprivileged}/open/shut", "Permission denied"],
    ]
    mine, shut = result.stdout.splitlines()[-2:]
    assert "P17" in mine
    assert shut.startswith("----------  ")
    assert shut.endswith("  shut")
    os.chmod(unprivileged / "closed", 0o700)


@pytest.mark.parametrize("words", [["--time", "never"], ["--dance"], ["-j", "0"], ["--jobs", "many"]])
def test_wrong_usage_is_exit_code_2(dcmls: Dcmls, words: list[str]) -> None:
    result = dcmls(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("dcmls: ")
    assert line.endswith("; see dcmls --help")


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_help(dcmls: Dcmls, option: str) -> None:
    result = dcmls(option)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: dcmls ")
    assert max(map(len, result.stdout.splitlines())) <= 80


# As a program of its own


def test_it_works_without_what_only_posix_has(study: Path) -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_POSIX, str(study)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("  P17  ") == 12
    status = os.stat(study / "notes.txt")
    assert f"  {status.st_uid}  {status.st_gid}  " in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_names_reach_an_output_of_any_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "Müller 山田").write_bytes(b"text")
    with open(os.fsencode(tmp_path) + b"/\xff\x1b[2J", "wb"):
        pass
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    for form in ([], ["--csv"], ["--json"]):
        done = subprocess.run([*PROGRAM, *form, str(tmp_path)], capture_output=True, env=environment, check=True)
        assert done.stderr == b""
        assert b"\x1b" not in done.stdout
        done.stdout.decode("utf-8" if form else encoding)


def test_who_has_seen_enough_does_not_make_it_complain(study: Path) -> None:
    for i in range(3000):
        os.link(study / "notes.txt", study / f"{i:04}.txt")
    with subprocess.Popen([*PROGRAM, str(study)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stdout is not None
        assert program.stderr is not None
        assert program.stdout.readline() == f"{study}:\n".encode()
        program.stdout.close()
        assert program.stderr.read() == b""


@pytest.mark.parametrize(("columns", "indented"), [("400", False), ("100", True)])
def test_on_a_terminal_lines_have_titles_and_fit(study: Path, columns: str, indented: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": columns, "LINES": "24"}
    with subprocess.Popen([*PROGRAM, str(study)], stdout=theirs, stderr=theirs, env=environment) as program:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the end of a terminal
            while part := os.read(ours, 1 << 16):
                shown += part
        os.close(ours)
    assert program.returncode == 0
    lines = shown.decode().splitlines()
    titles = [line for line in lines if line.startswith("Permissions  Owner  Group ")]
    assert titles
    assert max(map(len, lines)) <= int(columns)
    assert any(line.startswith("    20") for line in lines) == indented
    assert sum("PHANTOM" in line or "P17" in line for line in lines) == 12


def test_it_loads_nothing_heavy(study: Path) -> None:
    code = PROGRAM[-1].replace("command(prog_name='dcmls')", "command(prog_name='dcmls', standalone_mode=False)")
    code = f"import sys\ntry:\n    {code.replace('; ', chr(10) + '    ')}\nexcept SystemExit: pass\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(study)], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "mrdock.sorting.listing_text" in loaded
    assert not {"pydicom", "numpy", "rich", "sqlalchemy", "pynetdicom", "multiprocessing"} & loaded
