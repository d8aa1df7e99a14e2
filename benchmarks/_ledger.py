"""What a soak test has sent, what was acknowledged, and whether that is where it should be, byte for byte."""

from __future__ import annotations

import hashlib
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from mrdock.network.outgoing import ImageFile, image_file
from tests.builders import StudyIdentity, bulk_classic, enhanced_large
from tests.e2e.dock_process import data_set_of

COPIED_WITHIN: Final = 90.0
Kept = tuple[str, str]
"""A SOP Instance UID and the SHA-256 of a data set that came under it."""


@dataclass(frozen=True, slots=True)
class Image:
    """A file of a scanner."""

    file: ImageFile
    kept: Kept

    @classmethod
    def read(cls, path: Path) -> Image:
        """The image in a file."""
        file = image_file(path)
        return cls(
            file, (file.meta.sop_instance, hashlib.sha256(path.read_bytes()[file.meta.data_set_at :]).hexdigest())
        )


@dataclass
class Study:
    """What a scanner has of one study, and what was acknowledged of it."""

    uid: str
    folder: Path
    images: list[Image]
    destination: Path | None
    began: float = field(default_factory=time.time)
    last: float = field(default_factory=time.time)
    acknowledged: set[Kept] = field(default_factory=set)

    @property
    def small(self) -> list[Image]:
        """Its images that are held in memory while they arrive."""
        return [image for image in self.images if image.file.size < 1 << 20]

    def missing(self, folder: Path) -> set[Kept]:
        """What was acknowledged and is not in a folder."""
        return self.acknowledged - set(kept_in(folder))

    def place(self, store: Path) -> Path:
        """Its directory in the store, by the rule of the manual; a name that is not there where there is none."""
        ending = hashlib.sha256(self.uid.encode()).hexdigest()[:8]
        return next(store.glob(f"[0-9]*_{ending}"), store / ending)


def kept_in(folder: Path) -> Iterator[Kept]:
    """What the files in a folder hold; they may go while they are looked at."""
    with suppress(FileNotFoundError):
        for path in list(folder.iterdir()):
            if not path.name.startswith("."):
                uid = path.name.split(".", 1)[1].split("_")[0]
                yield uid, hashlib.sha256(data_set_of(path)).hexdigest()


class Ledger:
    """The books of a run. Every method may be called from any thread."""

    def __init__(self, work: Path, store: Path, root: Path, keeps: float) -> None:
        """Scanners are in ``work``; the dock keeps images in ``store`` for so many seconds, and copies to ``root``."""
        self.sent = self.answered = self.refused = self.lost = 0
        self.kept = self.found = self.to_copy = self.copied = 0
        self.problems: list[str] = []
        self.studies: list[Study] = []
        self.waiting: list[Study] = []
        self.store = store
        self._work = work
        self.root = root
        self._keeps = keeps
        self._lock = threading.Lock()

    def problem(self, said: str) -> None:
        """Something is wrong with the dock."""
        with self._lock:
            self.problems.append(said)

    def count(self, **more: int) -> None:
        """Count images: sent, answered, refused; and answers that a peer lost."""
        with self._lock:
            for name, number in more.items():
                setattr(self, name, getattr(self, name) + number)

    # ---- what is sent ----

    def make(self, random: Random, *, large: bool = False, enhanced: bool = False) -> Study:
        """A new study on a scanner's disk: mostly small images, two of three with a path that may be copied to."""
        with self._lock:
            number = len(self.studies)
            self.studies.append(study := Study("", self._work / f"s{number}", [], None))
        identity = StudyIdentity(f"soak {number} {time.time_ns()}")
        study.uid = identity.study_uid
        study.folder.mkdir(parents=True)
        header: dict[str, Any] = {}
        kind = random.random()
        if kind < 0.65 and not enhanced:
            study.destination = self.root / f"{number}"
            header["study_description"] = f"#-#{study.destination}"
        elif kind < 0.75:
            header["study_description"] = "#-#/no/where"  # it is held
        if enhanced:
            enhanced_large(study.folder / "enhanced", random.choice([20, 200]), identity=identity)
        else:
            size, count = (
                (800, random.randint(3, 6)) if large else (random.choice([8, 8, 8, 96]), random.randint(5, 40))
            )
            for image, content in enumerate(bulk_classic(count, identity, rows=size, columns=size, **header)):
                (study.folder / f"{image:04d}").write_bytes(content)
        study.images = [Image.read(path) for path in sorted(study.folder.iterdir())]
        study.began = study.last = time.time()
        return study

    def acknowledge(self, study: Study, *images: Image) -> None:
        """Images were answered with Success."""
        self.count(answered=len(images))
        study.acknowledged.update(image.kept for image in images)
        study.last = time.time()

    # ---- what is there ----

    def close(self, study: Study) -> None:
        """All that is sent of a study has been: look for it now, and for its copies later."""
        shutil.rmtree(study.folder, ignore_errors=True)
        missing = study.missing(study.place(self.store))
        if missing and study.began > time.time() - self._keeps:
            self.problem(f"{len(missing)} of {len(study.acknowledged)} acknowledged images of {study.uid} are missing")
        with self._lock:
            self.kept += len(study.acknowledged)
            self.found += len(study.acknowledged) - len(missing)
            if study.destination is not None and study.acknowledged:
                self.to_copy += len(study.acknowledged)
                self.waiting.append(study)

    def look_for_copies(self) -> None:
        """Which studies have been copied whole; what has been is taken away, as people do."""
        for study in list(self.waiting):
            assert study.destination is not None
            missing = study.missing(study.destination) if study.destination.is_dir() else study.acknowledged
            if missing and time.time() < study.last + COPIED_WITHIN:
                continue
            self.waiting.remove(study)
            if missing:
                self.problem(f"{len(missing)} images of {study.uid} were not copied within {COPIED_WITHIN:g} s")
            self.copied += len(study.acknowledged) - len(missing)
            shutil.rmtree(study.destination, ignore_errors=True)

    def look_at_the_end(self, cutoff: float) -> tuple[int, int]:
        """Look for all that is younger than the last night's ``cutoff``; what is older has to be gone.

        Returns how many studies are there, and how many images.
        """
        there, images = 0, 0
        for study in self.studies:
            place = study.place(self.store)
            if study.began >= cutoff and (missing := study.missing(place)):
                self.problem(f"at the end {len(missing)} acknowledged images of {study.uid} are missing")
            elif study.last < cutoff and place.is_dir():
                self.problem(f"{study.uid} is older than the retention, and is still there")
            there += place.is_dir()
            images += len(study.acknowledged) if study.began >= cutoff else 0
        return there, images
