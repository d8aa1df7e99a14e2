"""What people and machines see: status in every state, the log for both, and never a patient."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mrdock.errors import NetworkError
from mrdock.network.outgoing import image_file, propose
from mrdock.network.requester import Requester
from tests.builders import StudyIdentity, classic_fmri, enhanced_mr, write
from tests.e2e import clients
from tests.e2e.conftest import MakeImages
from tests.e2e.dock_process import MRDOCK, Dock, Place, wait_for

STATES = ("receiving", "held", "routed", "waiting", "kept")


def uid(seed: str) -> str:
    return StudyIdentity(seed).study_uid


def test_every_state_as_text_as_table_and_as_json(
    place: Place, research: Path, short_folder: Path, images: MakeImages
) -> None:
    away = short_folder / "nas"
    place.roots = [research, away]
    place.write_settings()
    with place.dock() as dock:
        clients.ours(dock.enhanced, images(3, seed="held", comment=f"#-#{research}/no/where"))
        clients.ours(dock.enhanced, images(3, seed="routed", comment=f"#-#{research}/subj1"))
        clients.ours(dock.enhanced, images(3, seed="waiting", comment=f"#-#{away}/subj1"))
        clients.ours(dock.enhanced, images(3, seed="kept"))
        files = [image_file(path) for path in images(3, seed="receiving")]
        with Requester("127.0.0.1", dock.classic, propose(files), called="MRDOCK") as peer:
            assert peer.store(files[0]).succeeded
            for state in STATES:
                place.wait_for_state(state, study=uid(state))
            found = json.loads(place.run("status", "--json").stdout)
            text, table = place.run("status"), on_a_terminal(place, "status")
        check_json(place, dock, found)
    assert text.returncode == 0
    lines = text.stdout.splitlines()
    assert lines[0] == f"The dock runs (process {dock.pid}) on {place.store}."
    assert lines[1] == f"  enhanced: 127.0.0.1 port {dock.enhanced}, MRDOCK, enhanced; 0 associations open"
    assert lines[2] == f"  classic: 127.0.0.1 port {dock.classic}, MRDOCK, classic; 1 association open"
    directories = {study["study"]: study["directory"] for study in found["studies"]}
    said = {
        "receiving": "receiving",
        "held": f"held: {research}/no/where: neither the path nor its parent exists (perhaps {research}?)",
        "routed": f"copied to {research}/subj1",
        "waiting": f"waiting: {away}/subj1: {away} is not there; is it mounted?; next try ",
        "kept": "complete, kept here (its header names no path)",
    }
    for state, words in said.items():
        (line,) = (line for line in lines if line.startswith(directories[uid(state)]))
        assert words in line
        assert directories[uid(state)] in table
    assert re.search(r"Study +Images +Size +State", table)
    assert "Next to be deleted: " in text.stdout


def check_json(place: Place, dock: Dock, found: dict[str, Any]) -> None:
    assert found["running"] is True
    assert found["pid"] == dock.pid
    assert found["store"] == str(place.store)
    assert {item["name"]: item["associations"] for item in found["listeners"]} == {"enhanced": 0, "classic": 1}
    assert {item["port"] for item in found["listeners"]} == set(dock.ports.values())
    assert found["disk"]["free"] <= found["disk"]["total"]
    assert {study["study"]: study["state"] for study in found["studies"]} == {uid(state): state for state in STATES}
    for study in found["studies"]:
        assert study["images"] == (1 if study["state"] == "receiving" else 3)
        assert study["bytes"] > 0
        received, goes = datetime.fromisoformat(study["last_received"]), datetime.fromisoformat(study["goes"])
        assert (goes - received).days == 30
    waiting = next(study for study in found["studies"] if study["state"] == "waiting")
    assert [route["state"] for route in waiting["routes"]] == ["waiting"]


def on_a_terminal(place: Place, *words: str) -> str:
    """What a command shows on a terminal 300 columns wide."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*MRDOCK, *words, "--config", str(place.config)],
        env={**place.environment(), "TERM": "xterm", "COLUMNS": "300"},
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
    )
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 65536):
            shown += block
    except OSError:  # EIO: the other end was closed
        pass
    finally:
        os.close(ours)
        assert process.wait(60) == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode())


def test_status_of_a_dock_that_was_killed_while_it_copied(place: Place, research: Path, images: MakeImages) -> None:
    """Nothing is copied when no dock runs, and status must not say that it is."""
    with place.dock() as dock:
        clients.ours(dock.enhanced, images(200, comment=f"#-#{research}/subj1"))
        wait_for("the first copies", lambda: len(list(research.glob("subj1/*"))) > 0)
        dock.kill(whole_group=True)
    found = place.status()
    assert found["running"] is False
    assert found["listeners"] == []
    (study,) = found["studies"]
    assert "being copied since" not in study["text"]


def test_images_that_people_take_are_taken_not_missed(place: Place, research: Path, images: MakeImages) -> None:
    with place.dock() as dock:
        clients.ours(dock.enhanced, images(4, seed="some", comment=f"#-#{research}/some"))
        clients.ours(dock.enhanced, images(4, seed="all"))
        place.wait_for_state("kept", study=uid("all"))
        some = place.wait_for_state("routed", study=uid("some"))
        for path in sorted((place.store / some["directory"]).glob("MR.*"))[:3]:
            path.rename(research / path.name)
        shutil.move(place.store / place.studies()[uid("all")]["directory"], research / "moved")
    with place.dock() as dock:
        studies = place.studies()
        assert (studies[uid("some")]["images"], studies[uid("some")]["taken"]) == (4, 3)
        assert (studies[uid("all")]["images"], studies[uid("all")]["taken"]) == (4, 4)
        assert studies[uid("some")]["state"] == "routed"
        assert studies[uid("all")]["state"] == "kept"
        text = place.ask("status").stdout
        assert "4 images in 1 series (3 taken)" in text
        assert "4 images in 1 series (4 taken)" in text
        # they come again: the store has them, the study is what it was
        clients.ours(dock.enhanced, images(4, seed="all"))
        wait_for("their return", lambda: place.studies()[uid("all")]["taken"] == 0)
        place.wait_for_state("kept", study=uid("all"))


@pytest.mark.parametrize("form", ["people", "machines"])
def test_the_log_is_one_line_an_event_and_names_no_patient(
    place: Place, research: Path, tmp_path: Path, form: str
) -> None:
    """Everything happens that makes the dock speak; then its log, its status and its names are searched."""
    who = StudyIdentity(
        "patient",
        patient_name="Zzyzx^Quuxine",
        patient_id="PID-4711-XYZ",
        patient_birth_date="19330227",
        study_description=f"#-#{research}/no/where",
    )
    secrets = ("Zzyzx", "Quuxine", "PID-4711", "19330227")
    files = [Path(path) for path in write([*classic_fmri(who, dynamics=2), enhanced_mr(who)], tmp_path / "scanner")]
    options = ["-v"] + (["--log-json"] if form == "machines" else [])
    with place.dock(*options) as dock:
        clients.ours(dock.enhanced, files)
        clients.ours(dock.classic, files[:1])
        other = tmp_path / "other"
        other.write_bytes(files[0].read_bytes()[:-2] + b"xx")
        clients.ours(dock.classic, [other])
        misbehave(dock, files)
        place.wait_for_state("held")
        place.ask("route", who.study_uid, "--to", f"{research}/subj1")
        place.wait_for_state("routed")
        assert dock.stop() == 0
        log = dock.log()
    names = "".join(map(str, [*place.store.rglob("*"), *research.rglob("*")]))
    shown = place.ask("status").stdout + json.dumps(place.status())
    for secret in secrets:
        assert secret not in log
        assert secret not in shown
        assert secret not in names
    lines = [line for line in log.splitlines() if "running as root" not in line]
    assert len(lines) > 8
    for line in lines:
        if form == "people":
            assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (debug: |warning: |error: )?\S", line), line
        else:
            event = json.loads(line)
            assert datetime.fromisoformat(event["time"]).tzinfo is not None
            assert event["level"] in ("debug", "info", "warning", "error")
            assert event["text"]
    for words in ("sent 9 images", "complete: ", "held: ", "copied to", "refused", "stopping"):
        assert words in log, words


def misbehave(dock: Dock, files: list[Path]) -> None:
    """A data set that ends too soon, one of another instance than announced, an abort, a wrong title, no DICOM."""
    content, item = files[0].read_bytes(), image_file(files[0])
    broken = files[0].with_name("broken")
    broken.write_bytes(content[:-100])
    other = item.meta.sop_instance[:-1] + ("1" if item.meta.sop_instance.endswith("0") else "0")
    wrong = replace(item, meta=replace(item.meta, sop_instance=other))
    for odd in (image_file(broken), wrong):
        with Requester("127.0.0.1", dock.enhanced, propose([odd]), called="MRDOCK") as peer:
            assert not peer.store(odd).succeeded
    Requester("127.0.0.1", dock.enhanced, propose([item]), called="MRDOCK").abort()
    with pytest.raises(NetworkError):
        Requester("127.0.0.1", dock.enhanced, propose([item]), called="ZZYZX")


def test_what_could_not_be_identified_is_kept_and_shown(place: Place, images: MakeImages, tmp_path: Path) -> None:
    (path,) = images(1)
    broken = tmp_path / "broken"
    broken.write_bytes(path.read_bytes()[:-20])
    with place.dock() as dock:
        item = image_file(broken)
        with Requester("127.0.0.1", dock.enhanced, propose([item]), called="MRDOCK") as peer:
            assert peer.store(item).status == 0xC000
        assert place.status()["quarantined"] == 1
        assert "in " + str(place.store / "quarantine") in place.ask("status").stdout
    (kept,) = (place.store / "quarantine").glob("*.dcm")
    assert kept.read_bytes().endswith(broken.read_bytes()[-200:])
    assert place.images() == {}
