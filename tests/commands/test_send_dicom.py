"""`send_dicom` as its users type it: switches, destinations and links, the terminal, Ctrl-C and going on."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from pydicom import dcmread
from pynetdicom import evt

from tests.builders import StudyIdentity, bulk_classic, enhanced_mr, part10
from tests.conftest import FreePort, NeedTool
from tests.e2e.scps import EXPLICIT, Keeper, by_instance, own_home, pynetdicom_scp, send
from tests.network.certificates import make
from tests.network.test_connecting import storescp_tls

__all__ = ["own_home"]
PATIENCE = 30.0
PROGRAM = "from mrdock.commands.send_dicom import command\ncommand()\n"


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Six images in a folder ``study``."""
    folder = tmp_path / "study"
    folder.mkdir()
    found = []
    for number, content in enumerate(bulk_classic(6, StudyIdentity("send"))):
        found.append(folder / f"IM_{number}")
        found[-1].write_bytes(content)
    return found


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def port(keeper: Keeper, free_port: FreePort) -> Iterator[int]:
    """The port of a peer that keeps what it gets."""
    number = free_port()
    with pynetdicom_scp(number, keeper, syntaxes=[EXPLICIT]):
        yield number


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The command as an installed program."""
    path = tmp_path / "bin" / "send_dicom"
    path.parent.mkdir()
    path.write_text(f"#!{sys.executable}\n{PROGRAM}")
    path.chmod(0o755)
    return path


def run(*words: str | Path | int, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False, timeout=PATIENCE, **options
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def destinations(home: Path, text: str) -> None:
    path = home / "config" / "mrdock" / "destinations.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def one_sentence(done: Result, code: int) -> str:
    assert done.exit_code == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("send_dicom: ")
    return line.removeprefix("send_dicom: ")


# ---- starting ----


def test_help_starts_quickly_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from mrdock.commands.send_dicom import command\n"
        "try: command(['--help'])\n"
        "finally: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = run(sys.executable, "-c", code)
    assert done.stdout.startswith("Usage: ")
    assert not {"pydicom", "pynetdicom", "numpy", "rich", "ssl"} & set(done.stderr.split())


def test_a_run_without_surprises_needs_no_pydicom(files: list[Path], port: int) -> None:
    """Its import would take longer than to send a hundred images."""
    code = (
        "import sys; from mrdock.commands.send_dicom import command\n"
        "try: command()\n"
        "finally: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = run(sys.executable, "-c", code, "-c", "127.0.0.1", "-p", port, *files)
    assert done.returncode == 0
    assert not {"pydicom", "pynetdicom", "numpy", "rich"} & set(done.stderr.split())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "where to? -c HOST, --to NAME, or a host among the defaults"),
        (["x"], "where to?"),
        (["--to", "nobody"], "there is no destination 'nobody'; it has none"),
        (["-c", "h", "-a", "Ä"], "--calling: 'Ä' cannot be an AE title"),
        (["-c", "h", "-r", "A" * 17], "--called"),
        (["-c", "h", "--tls-ca", "x"], "certificates are for TLS: say --tls, too"),
        (["-c", "h", "--tls", "--tls-ca", "/missing"], "/missing: no certificates"),
        (["-c", "h", "--report", "/missing/report", "x"], "no report can be written there"),
        (["--link", "nobody", "."], "there is no destination"),
        (["--destinations", "/missing", "x"], "/missing: there is no such file"),
    ],
)
def test_wrong_usage(words: list[str], sentence: str) -> None:
    assert sentence in one_sentence(send(*words), 2)


@pytest.mark.parametrize("words", [["-p", "0"], ["-d", "-1"], ["--parallel", "0"], ["--timeout", "0"], ["--link", "a"]])
def test_wrong_numbers(words: list[str]) -> None:
    assert send("-c", "127.0.0.1", *words).exit_code == 2


# ---- checking the connection ----


def test_without_files_the_connection_is_checked(port: int) -> None:
    done = send("-c", "127.0.0.1", "-p", port, "-r", "ARCHIVE")
    assert done.exit_code == 0
    head, *rest = done.stdout.splitlines()
    assert head.startswith(f"ARCHIVE at 127.0.0.1 port {port} answers: round trip ")
    assert head.endswith(" ms")
    assert rest == [
        "  longest PDU: it takes 16,382 bytes, we take 131,072 bytes",
        "  images under way at once: 1",
        "  takes MR Image Storage, Enhanced MR Image Storage, Raw Data Storage",
    ]
    told = json.loads(send("-s", "127.0.0.1", "-p", port, "--json").stdout)
    assert told["round_trip_ms"] > 0
    assert (told["longest_pdu"], told["window"], told["calling"]) == (16382, 1, "SEND_DICOM")


def test_nobody_there(files: list[Path], free_port: FreePort, tmp_path: Path) -> None:
    port = free_port()
    why = f"127.0.0.1 port {port}: Connection refused: nothing listens there; check the port, and that the server runs"
    assert one_sentence(send("-c", "127.0.0.1", "-p", port), 1) == why
    done = send("-c", "127.0.0.1", "-p", port, "--report", tmp_path / "report.json", *files)
    assert done.exit_code == 1
    assert done.stderr == f"send_dicom: {why}\n"
    told = json.loads((tmp_path / "report.json").read_text())
    assert (told["not_sent"], told["problem"]) == (6, why)
    assert {(one["state"], one["reason"]) for one in told["files"]} == {("not sent", why)}


# ---- files and directories ----


def test_a_directory_with_more_below_and_other_files(files: list[Path], port: int, keeper: Keeper) -> None:
    folder = files[0].parent
    (folder / "below").mkdir()
    (folder / "notes.txt").write_text("text")
    files[5].rename(folder / "below" / "IM_5")
    done = send("-c", "127.0.0.1", "-p", port, folder)
    assert done.exit_code == 0
    assert len(keeper.stored) == 5
    assert f"{folder}/notes.txt: left: no DICOM file" in done.stderr
    assert "5 of 5 images sent" in done.stdout
    assert "1 other file is no DICOM image" in done.stdout
    assert "1 directory below needs -R" in done.stdout
    assert send("-R", "-q", "-c", "127.0.0.1", "-p", port, folder).output == ""
    assert len(keeper.stored) == 11


def test_only_classic_images(files: list[Path], port: int, keeper: Keeper) -> None:
    path = files[0].parent / "enhanced"
    path.write_bytes(part10(enhanced_mr(StudyIdentity("e"))))
    done = send("-l", "-c", "127.0.0.1", "-p", port, path.parent)
    assert done.exit_code == 0
    assert keeper.arrived == by_instance(files)
    assert f"{path}: left: Enhanced MR Image Storage; only classic images are sent" in done.stderr
    assert "1 left: only classic images are sent" in done.stdout


def test_what_cannot_be_sent_is_named_and_the_rest_goes(files: list[Path], port: int, tmp_path: Path) -> None:
    (tmp_path / "no\nimage").write_text("text")
    done = send("-c", "127.0.0.1", "-p", port, *files, tmp_path / "no\nimage", tmp_path / "missing")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        rf"send_dicom: {tmp_path}/no\nimage: no DICOM file: the prefix DICM is missing",
        f"send_dicom: {tmp_path}/missing: No such file or directory",
    ]
    assert "6 of 6 images sent" in done.stdout


def test_an_empty_directory(tmp_path: Path, port: int) -> None:
    (tmp_path / "empty").mkdir()
    done = send("-c", "127.0.0.1", "-p", port, tmp_path / "empty")
    assert (done.exit_code, done.stdout, done.stderr) == (0, "no images to send\n", "")


def test_the_report(files: list[Path], port: int, keeper: Keeper, tmp_path: Path) -> None:
    keeper.status = lambda number, event: {2: 0xB000, 3: 0xC000}.get(number, 0)
    words: list[str | Path | int] = ["-c", "127.0.0.1", "-p", port, "-d", "0", "--report", tmp_path / "report.json"]
    words += files
    done = send(*words, "--json")
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "report.json").read_text())
    assert (told["sent"], told["warnings"], told["failed"], told["associations"]) == (5, 1, 1, 1)
    by_path = {one["path"]: one for one in told["files"]}
    assert by_path[str(files[2])]["status"] == "0xC000"
    assert by_path[str(files[2])]["state"] == "failed"
    assert by_path[str(files[1])]["reason"] == "stored, but some elements were changed (0xB000)"
    assert by_path[str(files[0])]["bytes"] == files[0].stat().st_size
    assert "is there already; --force overwrites it" in one_sentence(send(*words), 2)
    assert keeper.requests == 6
    assert send(*words, "--force").exit_code == 0


# ---- destinations and links ----


def test_a_destination_and_what_counts_before_it(own_home: Path, files: list[Path], port: int) -> None:
    destinations(own_home, f'[destinations.archive]\nhost = "127.0.0.1"\nport = {port}\ncalled = "ONE"\n')
    assert f"sent to ONE at 127.0.0.1 port {port}" in send("--to", "archive", files[0]).stdout
    assert f"sent to TWO at 127.0.0.1 port {port}" in send("--to", "archive", "-r", "TWO", files[0]).stdout
    assert send("--list").stdout == f"archive  ONE at 127.0.0.1 port {port} as SEND_DICOM\n"
    assert json.loads(send("--list", "--json").stdout)[0]["name"] == "archive"


def test_defaults_alone(own_home: Path, files: list[Path], port: int) -> None:
    destinations(own_home, f'[defaults]\nhost = "127.0.0.1"\nport = {port}\ncalled = "ALL"\n')
    assert f"1 of 1 images sent to ALL at 127.0.0.1 port {port}" in send(files[0]).stdout


def test_a_link_sends_to_the_destination_it_is_named_like(
    own_home: Path, program: Path, files: list[Path], port: int, keeper: Keeper
) -> None:
    """The whole way of the manual: `send_dicom --link 3t1 DIR`, then `3t1 *.dcm`, with a field copied for XNAT."""
    destinations(
        own_home,
        f'[destinations.3t1]\nhost = "127.0.0.1"\nport = {port}\ncalled = "XNAT"\n'
        'copy_field = { from = "StudyDescription", to = "PatientComments" }\n',
    )
    made = run(program, "--link", "3t1", own_home)
    assert (made.returncode, made.stdout) == (0, f"{own_home}/3t1\n")
    assert "is there already" in run(program, "--link", "3t1", own_home).stderr
    before = [path.read_bytes() for path in files]
    done = run(own_home / "3t1", "-v", *files)
    assert done.returncode == 0, done.stderr
    assert f"6 of 6 images sent to XNAT at 127.0.0.1 port {port}" in done.stdout
    assert "6 changed: PatientComments has the value of StudyDescription" in done.stdout
    assert f"3t1: {files[0]}: sent, PatientComments has the value of StudyDescription" in done.stderr
    assert [path.read_bytes() for path in files] == before
    for path in files:
        sent = dcmread(path)
        text = str(sent.StudyDescription).encode()
        got = keeper.arrived[str(sent.SOPInstanceUID)]
        assert b"\x10\x00\x00\x40LT" + (len(text) + len(text) % 2).to_bytes(2, "little") + text in got
    assert run(own_home / "3t1", "--to", "other", files[0]).returncode == 2
    (own_home / "4t").symlink_to(program)
    lost = run(own_home / "4t", files[0])
    assert lost.returncode == 2
    assert "there is no destination '4t'; it has 3t1" in lost.stderr


# ---- TLS ----


@pytest.mark.peer
def test_over_tls(files: list[Path], tmp_path: Path, free_port: FreePort, need_tool: NeedTool) -> None:
    (tmp_path / "keys").mkdir()
    keys = make(need_tool("openssl"), tmp_path / "keys")
    port, folder = free_port(), tmp_path / "arrived"
    own = ("--tls", "--tls-cert", keys.client, "--tls-key", keys.client_key, "-c", "127.0.0.1", "-p", port)
    with storescp_tls(need_tool("storescp"), port, folder, keys):
        done = send(*own, "--tls-ca", keys.ca, *files)
        wrong = send(*own, "--tls-ca", keys.other_ca, *files)
        checked = send(*own, "--tls-ca", keys.ca)
    assert done.exit_code == 0, done.stderr
    assert by_instance(list(folder.iterdir())) == by_instance(files)
    assert wrong.exit_code == 1
    assert "its certificate is not trusted" in wrong.stderr
    assert "answers over TLS: round trip" in checked.stdout


# ---- going on ----


def test_resume_sends_what_is_not_there_yet(files: list[Path], port: int, keeper: Keeper, tmp_path: Path) -> None:
    to = ("-c", "127.0.0.1", "-p", port)
    assert send(*to, *files[:4]).exit_code == 0
    done = send(*to, "--resume", *files)
    assert done.exit_code == 0
    assert "2 of 6 images sent" in done.stdout
    assert "4 were there already, as the ledger says" in done.stdout
    assert len(keeper.stored) == 6
    assert send(*to, "--resume", "-r", "OTHER", *files).exit_code == 0  # another peer has nothing
    assert len(keeper.stored) == 12
    assert send(*to, *files).exit_code == 0  # without it everything goes again
    assert len(keeper.stored) == 18
    assert send(*to, "--resume", "--ledger", tmp_path / "own", *files[:1]).exit_code == 0
    assert len(keeper.stored) == 19


def test_a_ledger_that_cannot_be_written_stops_nothing(
    files: list[Path], port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "no_directory").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "no_directory"))
    done = send("-c", "127.0.0.1", "-p", port, *files)
    assert done.exit_code == 0
    assert "--resume will not be possible" in done.stderr
    assert send("-c", "127.0.0.1", "-p", port, "--resume", *files).exit_code == 1


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("parallel", [1, 2])
def test_ctrl_c_says_what_was_sent_and_resume_goes_on(
    files: list[Path], port: int, keeper: Keeper, how: signal.Signals, parallel: int
) -> None:
    third = threading.Event()

    def slowly(number: int, event: evt.Event) -> int:
        if number == 3:
            third.set()
        if number >= 3:
            time.sleep(0.4)
        return 0

    keeper.status = slowly
    words = [sys.executable, "-c", PROGRAM, "-c", "127.0.0.1", "-p", str(port), "--parallel", str(parallel)]
    words += map(str, files)
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert third.wait(PATIENCE)
        process.send_signal(how)
        out, err = process.communicate(timeout=PATIENCE)
    sent = len(keeper.stored)
    assert process.returncode == 1
    assert 3 <= sent < 6
    assert f"{sent} of 6 images sent" in out
    assert "stopping after what is under way" in err
    assert f"stopped: {6 - sent} of 6 images were not sent; the same with --resume goes on" in err
    assert "Traceback" not in err
    done = run(*words[:-6], "--resume", *files)
    assert f"{6 - sent} of 6 images sent" in done.stdout
    assert len(keeper.stored) == 6
    assert keeper.arrived == by_instance(files)


def test_ctrl_c_twice_stops_at_once(files: list[Path], port: int, keeper: Keeper) -> None:
    hangs, ended = threading.Event(), threading.Event()

    def never(number: int, event: evt.Event) -> int:
        hangs.set()
        ended.wait(PATIENCE)
        return 0

    keeper.status = never
    words = [sys.executable, "-c", PROGRAM, "-c", "127.0.0.1", "-p", str(port), *map(str, files)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert hangs.wait(PATIENCE)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        ended.set()
    assert process.returncode == 1
    assert time.monotonic() - began < 5
    assert "0 of 6 images sent" in out
    assert "6 of 6 images were not sent" in err
    assert "Traceback" not in err


# ---- on a terminal ----


class Terminal:
    """The command on a terminal of its own."""

    def __init__(self, *words: str | Path | int) -> None:
        self.pid, self.fd = pty.fork()
        if not self.pid:
            os.execv(sys.executable, [sys.executable, "-c", PROGRAM, *map(str, words)])
        self.seen = ""

    def until(self, text: str) -> None:
        """Read until the text was shown."""
        ends = time.monotonic() + PATIENCE
        while text not in self.seen:
            assert time.monotonic() < ends, self.seen
            try:
                self.seen += os.read(self.fd, 1 << 16).decode()
            except OSError:
                break
        assert text in self.seen, self.seen

    def type(self, text: str) -> None:
        os.write(self.fd, text.encode())

    def end(self) -> int:
        """The exit code."""
        while True:
            try:
                if not (data := os.read(self.fd, 1 << 16)):
                    break
                self.seen += data.decode()
            except OSError:
                break
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_on_a_terminal_what_failed_is_offered_again(files: list[Path], port: int, keeper: Keeper) -> None:
    keeper.status = lambda number, event: 0xC000 if number in (2, 4, 7) else 0
    terminal = Terminal("-c", "127.0.0.1", "-p", port, "-d", "0", *files)
    terminal.until("Send the 2 that failed again? [y/N]: ")
    assert "4 of 6 images sent" in terminal.seen
    terminal.type("y\n")
    terminal.until("Send the 1 that failed again? [y/N]: ")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "6 of 6 images sent" in terminal.seen
    assert len(keeper.stored) == 6


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.parametrize("answer", ["n\n", "\x03", "\x04"], ids=["no", "Ctrl-C", "Ctrl-D"])
def test_on_a_terminal_no_is_no(files: list[Path], port: int, keeper: Keeper, answer: str) -> None:
    keeper.status = lambda number, event: 0xC000
    terminal = Terminal("-c", "127.0.0.1", "-p", port, "-d", "0", *files)
    terminal.until("Send the 6 that failed again? [y/N]: ")
    time.sleep(0.3)  # until it reads
    terminal.type(answer)
    assert terminal.end() == 1
    assert "Traceback" not in terminal.seen
    assert terminal.seen.count("6 failed: it cannot understand the data set (0xC000)") == 1
    assert keeper.requests == 6


def test_retry_failed_asks_nobody(files: list[Path], port: int, keeper: Keeper) -> None:
    keeper.status = lambda number, event: 0xC000 if number in (2, 4) else 0
    done = send("-c", "127.0.0.1", "-p", port, "-d", "0", "--retry-failed", *files)
    assert done.exit_code == 0, done.stderr
    assert "sending 2 again" in done.stderr
    assert "6 of 6 images sent" in done.stdout
    assert keeper.requests == 8
