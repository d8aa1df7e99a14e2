"""What has to be true after a crash: what was acknowledged is there, whole and once, and nothing lies about."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mrdock.network.outgoing import image_file
from tests.e2e.dock_process import Place, data_set_of, original_data_set, wait_for


def originals(files: Sequence[Path]) -> dict[str, bytes]:
    """The data sets that a client sends, by SOP Instance UID."""
    return {image_file(path).meta.sop_instance: original_data_set(path) for path in files}


def whole_and_once(place: Place, sent: dict[str, bytes], acknowledged: set[str]) -> int:
    """Check that every acknowledged image is in the store, and each that is there is what was sent; how many."""
    images = place.images()
    here = {uid: path for uid, path in images.items() if uid in sent}
    assert acknowledged <= set(here)
    for uid, path in here.items():
        assert data_set_of(path) == sent[uid], path
    return len(here)


def contents(place: Place, files: Sequence[Path]) -> list[bytes]:
    """The data sets in the store under the UIDs of some files; there may be several under one."""
    uids = {image_file(path).meta.sop_instance for path in files}
    return [data_set_of(path) for name, path in place.images().items() if name.split("_")[0] in uids]


def check(place: Place, files: Sequence[Path], acknowledged: Sequence[str]) -> None:
    """The same where one UID comes with several contents: ``acknowledged`` are the first of the ``files``."""
    data_sets = [original_data_set(path) for path in files]
    assert list(acknowledged) == [image_file(path).meta.sop_instance for path in files[: len(acknowledged)]]
    there = contents(place, files)
    assert len(set(there)) == len(there), "an image is there twice"
    assert set(there) <= set(data_sets), "something is there that was not sent"
    assert set(data_sets[: len(acknowledged)]) <= set(there), "an acknowledged image is lost"


def no_loose_ends(place: Place, living: int) -> None:
    """Nothing half received, and a journal for each living worker only."""
    assert place.loose_ends() == []
    folder = place.store / ".mrdock/journals"
    # one that a worker is about to begin has a hidden name for a moment
    wait_for("journals in order", lambda: not [name for name in os.listdir(folder) if name.startswith(".")])
    wait_for("no journals of the dead", lambda: len(os.listdir(folder)) <= living)


def same_files(folder: Path, study: Path) -> bool:
    """Whether a destination holds the images of a study, byte for byte, and nothing else."""
    stored = {path.name: path.read_bytes() for path in study.iterdir() if not path.name.startswith(".")}
    return folder.is_dir() and {path.name: path.read_bytes() for path in folder.iterdir()} == stored
