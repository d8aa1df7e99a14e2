"""A dock as people run it: a process of its own, with a settings file, a store, and free ports."""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from click.testing import CliRunner

from mrdock.commands.mrdock import main

MRDOCK: Final = (sys.executable, "-m", "mrdock")
PATIENCE: Final = 60.0
LISTENING: Final = re.compile(r"^Listening on (\S+) port (\d+) as (\S+) for (.*)\.$", re.MULTILINE)


def wait_for(what: str, happened: Callable[[], object], patience: float = PATIENCE) -> None:
    """Poll until ``happened()`` is true."""
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen within {patience:g} s"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(pid: int) -> dict[int, str]:
    """The living child processes of ``pid``, and the names that the kernel has for them."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError):
                name, rest = (entry / "stat").read_text().rsplit(")", 1)
                if int(rest.split()[1]) == pid and alive(int(entry.name)):
                    found[int(entry.name)] = name
    return found


@dataclass
class Dock:
    """A running dock."""

    process: subprocess.Popen[bytes]
    out: Path
    err: Path
    ports: dict[str, int]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def enhanced(self) -> int:
        return self.ports["enhanced"]

    @property
    def classic(self) -> int:
        return self.ports["classic"]

    def said(self) -> str:
        """What it wrote to standard output."""
        return self.out.read_text()

    def log(self) -> str:
        """What it wrote to standard error."""
        return self.err.read_text()

    def signal(self, number: int) -> None:
        """Send the main process a signal."""
        self.process.send_signal(number)

    def stop(self) -> int:
        """Tell it to stop and wait for the end; the exit code."""
        self.signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self, whole_group: bool = False) -> None:
        """``kill -9`` of the main process, or of all its processes at once; either way all of them die."""
        workers = children(self.pid)
        (os.killpg if whole_group else os.kill)(self.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        wait_for("the workers' end", lambda: not any(alive(pid) for pid in workers))


@dataclass
class Place:
    """A folder with a settings file and a store, on which docks and commands run one after the other."""

    folder: Path
    quiet: float = 1.0
    roots: Sequence[Path] = ()
    more: str = ""  # further TOML
    env: dict[str, str] = field(default_factory=dict)
    runs: int = 0

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.write_settings()

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def config(self) -> Path:
        return self.folder / "dock.toml"

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def write_settings(self) -> None:
        """Write the settings file from what this place says now."""
        roots = ", ".join(f'"{root}"' for root in self.roots)
        text = f"""
[store]
root = "{self.store}"
minimum_free = "1 MB"
[completion]
quiet_seconds = {self.quiet}
[[listeners]]
name = "enhanced"
port = 0
[[listeners]]
name = "classic"
port = 0
accepts = "classic"
"""
        self.config.write_text(text + self.more + (f"[route]\nroots = [{roots}]\n" if roots else ""))

    def environment(self) -> dict[str, str]:
        """An environment in which no settings of the machine are found."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("MRDOCK", "XDG"))}
        return {**inherited, "HOME": str(self.home), "LC_ALL": "C.UTF-8", **self.env}

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run an mrdock command with this place's settings."""
        return self.bare(*words, "--config", str(self.config), env=env)

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The same in this process, which is faster; `test_program` runs every command as a program."""
        umask = os.umask(0o077)
        try:
            result = CliRunner().invoke(main, [*words, "--config", str(self.config)], prog_name="mrdock")
        finally:
            os.umask(umask)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)

    def bare(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run mrdock with these words only."""
        environment = {**self.environment(), **(env or {})}
        done = subprocess.run(
            [*MRDOCK, *words], env=environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    @contextmanager
    def dock(
        self,
        *options: str,
        config: bool = True,
        env: Mapping[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> Iterator[Dock]:
        """A running dock; at the end of the block it is stopped, by force if need be."""
        self.runs += 1
        words = [*prefix, *MRDOCK, "serve", *options, *(["--config", str(self.config)] if config else [])]
        out, err = self.folder / f"dock{self.runs}.out", self.folder / f"dock{self.runs}.err"
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**self.environment(), **(env or {})},
                start_new_session=True,
                preexec_fn=die_with_us,  # noqa: PLW1509 - no other thread runs yet
            )
        dock = Dock(process, out, err, {})
        try:
            wait_until_listening(dock)
            yield dock
        finally:
            end(process)
        assert "Traceback" not in dock.log(), dock.log()

    # ---- looking at it ----

    def status(self) -> dict[str, Any]:
        """``mrdock status --json``, without starting a program, so that it can be polled."""
        done = self.ask("status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def studies(self) -> dict[str, dict[str, Any]]:
        """The studies of `status`, by UID."""
        return {study["study"]: study for study in self.status()["studies"]}

    def wait_for_state(self, *states: str, study: str | None = None) -> dict[str, Any]:
        """Wait until the only study, or the one named, is in one of the states; what status says of it then."""
        found: dict[str, Any] = {}

        def there() -> bool:
            studies = self.studies()
            if study is None and len(studies) > 1:
                raise AssertionError(f"more studies than one: {list(studies)}")
            found.update(studies.get(study, {}) if study else next(iter(studies.values()), {}))
            return found.get("state") in states

        try:
            wait_for(f"state {' or '.join(states)}", there)
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {found}") from None
        there()  # once more: its routes may have been read before its state
        return found

    def images(self) -> dict[str, Path]:
        """The image files in the store's study directories, by SOP Instance UID as their names say it."""
        files = [path for path in self.store.glob("[0-9]*_*_*/*") if not path.name.startswith(".")]
        found = {path.name.split(".", 1)[1]: path for path in files}
        assert len(found) == len(files), "two files of one instance"
        return found

    def loose_ends(self) -> list[str]:
        """What lies in the store without belonging there: half-received files, files beside the studies."""
        known = {".mrdock", ".mrdock-store", "quarantine"}
        beside = [p for p in self.store.iterdir() if p.name not in known and not p.is_dir()]
        parts = [p for p in self.store.rglob("*") if p.is_file() and p.name.endswith(".part")]
        hidden = [
            p
            for p in self.store.glob("[0-9]*_*_*/*")
            if not p.is_file() or (p.name.startswith(".") and p.name != ".mrdock-study")
        ]
        private = [p for folder in ("incoming", "trash") for p in (self.store / ".mrdock" / folder).iterdir()]
        return sorted(str(path) for path in {*beside, *parts, *hidden, *private})


def wait_until_listening(dock: Dock) -> None:
    """Wait until the dock has said all it says at its start."""

    def complete() -> bool:
        if dock.process.poll() is not None:
            raise AssertionError(f"the dock ended with {dock.process.returncode}: {dock.log()}")
        return re.search(r"^(Settings from|No settings file).*\n\Z", dock.said(), re.MULTILINE) is not None

    wait_for("listening", complete)
    for _, port, _, takes in LISTENING.findall(dock.said()):
        dock.ports["classic" if "classic images" in takes else "enhanced"] = int(port)


def die_with_us() -> None:
    """In the child: have the kernel kill it when pytest dies, however that happens."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop at once a process that leads its own session, and whatever is left of that session."""
    deadline = time.monotonic() + 15
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGINT)  # twice stops at once; two that come together count as one
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


# ---- files ----


def data_set_of(path: Path) -> bytes:
    """The bytes behind the File Meta Information, found by its group length (PS3.10 section 7.1)."""
    content = path.read_bytes()
    assert content[:132] == bytes(128) + b"DICM", f"{path}: preamble or prefix"
    assert content[132:140] == b"\x02\0\0\0UL\x04\0", f"{path}: group length"
    return content[144 + struct.unpack_from("<I", content, 140)[0] :]


def original_data_set(path: Path) -> bytes:
    """The same of a file that somebody else wrote: its preamble may hold anything."""
    content = path.read_bytes()
    assert content[128:132] == b"DICM"
    assert content[132:140] == b"\x02\0\0\0UL\x04\0", f"{path}: group length"
    return content[144 + struct.unpack_from("<I", content, 140)[0] :]
