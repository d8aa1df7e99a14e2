"""Who the patient is stands in the images, and nowhere else that the dock writes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from mrdock.dock import logs, status
from mrdock.dock.journal import Journal, JournalReader
from mrdock.dock.reconcile import rebuild
from tests.builders import StudyIdentity, demo_study, part10
from tests.dock.support import Bench, Image, from_part10

NAME, NUMBER, BIRTH = "Wolkenkuckuck^Adalbert", "PID-7731-QX", "19410823"
SECRETS = [secret.encode() for secret in ("Wolkenkuckuck", "WOLKENKUCKUCK", "Adalbert", NUMBER, BIRTH, "1941-08-23")]


@pytest.fixture
def said(tmp_path: Path) -> Iterator[Path]:
    """The log, at its most talkative."""
    logger = logging.getLogger("mrdock")
    before = (logger.handlers, logger.level, logger.propagate)
    logs.start("debug", tmp_path / "dock.log", as_json=True)
    yield tmp_path / "dock.log"
    logger.handlers, logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def secret_study(path: str) -> list[Image]:
    """A study whose patient can be searched for; its comments name him, too."""
    who = StudyIdentity(study_description=f"#-#{path}", patient_name=NAME, patient_id=NUMBER, patient_birth_date=BIRTH)
    images = []
    for dataset in demo_study(who):
        dataset.PatientComments = f"{NAME} {NUMBER}"
        dataset.AdditionalPatientHistory = f"born {BIRTH}"
        images.append(from_part10(part10(dataset)))
    return images


def places_with_secrets(*places: Path) -> list[str]:
    """The files that hold a secret."""
    found = []
    for place in places:
        for path in [place, *place.rglob("*")]:
            if path.is_file() and not path.is_symlink():
                data = path.read_bytes()
                if any(secret in data for secret in SECRETS) or any(
                    secret.decode().encode("utf-16-le") in data for secret in SECRETS
                ):
                    found.append(path.name)
    return sorted(found)


def test_the_search_finds_what_is_there(bench: Bench, research: Path, said: Path) -> None:
    """Or the tests below would show nothing."""
    bench.take_in(*secret_study(str(research)))
    directory = next(bench.store.root.glob("2*"))
    assert places_with_secrets(directory) == sorted(os.listdir(directory))[1:]


def test_no_log_no_index_and_no_record_knows_the_patient(bench: Bench, research: Path, said: Path) -> None:
    images = secret_study(f"{research}/nowhere/at/all")
    who = StudyIdentity(study_description="", patient_name=NAME, patient_id=NUMBER)
    bench.send(*images[:5])
    bench.send(*images)  # again
    with bench.association(calling="SCANNER1") as association:
        association.send(Image(images[5].sop_class, "1.9.9", images[5].data))  # a mismatch
        sink = association.begin(images[6])
        sink.write(memoryview(images[6].data)[:3000])
        sink.discard()
        association.send(Image(images[0].sop_class, images[0].uid, images[0].data[:-3]))  # broken
    bench.tick(after=61)  # held
    bench.ask(str(research), who.study_uid)
    bench.tick(after=1)  # routed
    next(bench.store.root.glob("2*/MR.*")).unlink()
    bench.tick(after=1000)  # taken
    rebuild(bench.store, bench.index, bench.settings, bench.now)
    shown = status.gather(bench.store, bench.index, bench.settings, bench.now)
    assert len(shown.studies) == 1
    assert not any(secret in repr(shown.to_json()).encode() for secret in SECRETS)
    assert len(said.read_text().splitlines()) > 10
    record = next(bench.store.root.glob("2*/.mrdock-study"))
    notes = list((bench.store.root / "quarantine").glob("*.json"))
    assert len(notes) == 1
    assert places_with_secrets(said, record, *notes, bench.store.root / ".mrdock") == []
    assert not any(secret in str(path).encode() for path in bench.store.root.rglob("*") for secret in SECRETS)


def test_journals_keep_nothing_longer_than_they_must(bench: Bench, research: Path) -> None:
    """Free text on its way to the route tag's search is in them, for its owner alone, until it is read."""
    journal = Journal(bench.store)
    bench.receiver.journal = journal
    bench.send(*secret_study(str(research)))
    JournalReader(bench.store, bench.index, bench.settings.route).drain(bench.clock.wall)
    journal.close()
    JournalReader(bench.store, bench.index, bench.settings.route).drain(bench.clock.wall)
    assert places_with_secrets(bench.store.root / ".mrdock") == []


def test_a_deleted_study_leaves_nothing_of_the_patient(bench: Bench, said: Path, research: Path) -> None:
    bench.take_in(*secret_study(str(research)))
    (row,) = status.gather(bench.store, bench.index, bench.settings, bench.now).studies
    bench.index.set_study(row.study, last_received=bench.clock.wall - 31 * 86400)
    from mrdock.dock.keeper import sweep

    sweep(bench.store, bench.index, bench.settings, bench.now)
    assert list(bench.store.study_names()) == []
    assert places_with_secrets(bench.store.root, said) == []
