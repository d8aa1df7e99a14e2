"""The main job in under a minute, with made-up images: a scanner sends a study, the dock keeps it and copies it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mrdock.dicom.sop_classes import REFUSED_BY_CLASSIC
from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity, demo_study, write

QUIET_SECONDS = 2
PATIENCE = 30.0


def say(text: str) -> None:
    """A step of the demo."""
    print(f"\n== {text}", flush=True)


def run(*words: str) -> str:
    """Run an mrdock command and show what it prints."""
    print(f"$ mrdock {' '.join(words)}", flush=True)
    done = subprocess.run([sys.executable, "-m", "mrdock", *words], capture_output=True, text=True, check=False)
    print(done.stdout + done.stderr, end="", flush=True)
    if done.returncode:
        raise SystemExit(f"demo: mrdock {words[0]} ended with {done.returncode}")
    return done.stdout


@contextmanager
def dock(config: Path) -> Iterator[dict[str, int]]:
    """A running dock; gives the port of each listener."""
    words = [sys.executable, "-m", "mrdock", "serve", "--config", str(config)]
    print(f"$ mrdock serve --config {config}", flush=True)
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        ports: dict[str, int] = {}
        assert process.stdout is not None
        for line in process.stdout:
            print(f"  dock | {line}", end="", flush=True)
            if line.startswith("Listening on"):
                ports["classic" if "classic images" in line else "enhanced"] = int(line.split(" port ")[1].split()[0])
            if line.startswith("Settings from"):
                break
        if len(ports) < 2:
            raise SystemExit("demo: the dock did not start")
        threading.Thread(target=_show, args=(process.stdout,), daemon=True).start()
        yield ports
    finally:
        process.terminate()
        process.wait(15)


def _show(lines: Iterator[str]) -> None:
    for line in lines:
        print(f"  dock | {line}", end="", flush=True)


def settings(folder: Path) -> Path:
    """Settings for a dock in ``folder``, on free ports."""
    path = folder / "dock.toml"
    path.write_text(
        f"""\
[store]
root = "{folder}/store"
minimum_free = "10 MB"

[[listeners]]
name = "enhanced"
port = 0

[[listeners]]
name = "classic"
port = 0
accepts = "classic"

[completion]
quiet_seconds = {QUIET_SECONDS}

[route]
roots = ["{folder}/research"]
""",
        encoding="utf-8",
    )
    return path


def send(name: str, port: int, files: list[Path], leave: Callable[[str], bool]) -> None:
    """Send files as a scanner would, leaving out the classes that ``leave`` names."""
    images = [image_file(path) for path in files]
    chosen = [image for image in images if not leave(image.meta.sop_class)]
    began = time.perf_counter()
    with Requester("127.0.0.1", port, propose(images), calling="SCANNER", called="MRDOCK") as peer:
        refused = {image.meta.sop_class for image in images} - {sop_class for sop_class, _ in peer.accepted}
        answers = [peer.store(image) for image in chosen]
    seconds = time.perf_counter() - began
    stored = sum(answer.succeeded for answer in answers)
    print(f"  {name} listener: {stored} of {len(chosen)} images stored in {seconds:.2f} s", end="")
    print("; it refuses Enhanced MR, so a scanner sends classic images there" if refused else "", flush=True)


def wait_for(path: Path, count: int) -> None:
    """Wait until ``count`` files are in ``path``."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if path.is_dir() and sum(not name.startswith(".") for name in os.listdir(path)) >= count:
            time.sleep(0.5)
            return
        time.sleep(0.2)
    raise SystemExit(f"demo: {path} does not hold {count} files after {PATIENCE:g} s")


def main() -> None:
    """Run the demo."""
    with tempfile.TemporaryDirectory(prefix="mrdock-demo-") as name:
        folder = Path(name)
        research = folder / "research" / "kirby"
        research.mkdir(parents=True)
        target = research / "subj1"

        say("A study, made up: classic fMRI images, one Enhanced MR file, one Raw Data file with its ExamCard")
        identity = StudyIdentity(study_description=f"#-#{target}"[:64])
        long_path = {} if len(f"#-#{target}") <= 64 else {"AdditionalPatientHistory": f"#-#{target}"}
        study = demo_study(identity)
        for item in study:
            if long_path:
                item.StudyDescription = "mrdock demo"
                item.AdditionalPatientHistory = long_path["AdditionalPatientHistory"]
        files = [Path(path) for path in write(study, folder / "scanner")]
        print(f"  {len(files)} files; their header says #-#{target}", flush=True)

        say("The dock: two listeners, one store, and one directory to which images may be copied")
        config = settings(folder)
        with dock(config) as ports:
            say("The scanner sends to both listeners")
            send("enhanced", ports["enhanced"], files, lambda _: False)
            send("classic", ports["classic"], files, lambda sop_class: sop_class in REFUSED_BY_CLASSIC)
            print("  (the classic images came twice: the second time nothing changed)", flush=True)

            say(f"Quiet for {QUIET_SECONDS} s: the study is complete and goes to where its header says")
            wait_for(target, len(files))
            run("status", "--config", str(config))
            say(f"In {target}")
            for entry in sorted(os.listdir(target)):
                print(f"  {entry}")
            say("Stopping the dock")
    say("What next")
    print(
        "  mrdock serve              a dock for this machine alone, without any settings\n"
        "  mrdock init               a commented settings file: listeners, peers, where images may be copied\n"
        "  mrdock status             what arrived, what is held and why, what is deleted next\n"
        "  (in .venv/bin after make demo; the manual is in docs/)"
    )


if __name__ == "__main__":
    main()
