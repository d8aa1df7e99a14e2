"""The manual says what the code does: settings, classes, transfer syntaxes, status codes, fields, states."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from scripts import manual_tables

from mrdock.commands.status import size
from mrdock.dicom.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from mrdock.dicom.sop_classes import REFUSED_BY_CLASSIC, STORAGE_CLASSES, TRANSFER_SYNTAXES
from mrdock.dock import record, store
from mrdock.dock.entries import RouteRow
from mrdock.dock.keeper import Look
from mrdock.dock.queries import Happening
from mrdock.dock.settings import LISTS, ROUTE_FIELDS, TABLES, from_mapping
from mrdock.dock.states import State
from mrdock.dock.status import ListenerStatus, Status, StudyStatus
from mrdock.dock.template import toml
from mrdock.network import destinations
from mrdock.network.dimse import Status as DimseStatus

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTING = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", re.MULTILINE)


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def part(text: str, heading: str) -> str:
    """What stands below a heading, to the next one of the same level."""
    _, found, rest = text.partition(f"\n{heading}\n")
    assert found, f"no heading {heading!r}"
    level = heading.partition(" ")[0]
    return re.split(rf"^{level} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


# Settings


def settings_page() -> dict[str, dict[str, str]]:
    """The settings page: table of the file -> setting -> its default, as the page says."""
    tables = {}
    for piece in re.split(r"^## `\[+", page("dock/settings.md"), flags=re.MULTILINE)[1:]:
        name = piece.partition("]")[0]
        rows = SETTING.findall(piece)
        assert len(rows) == len({row[0] for row in rows}), f"[{name}] has a setting twice"
        assert all(len(meaning) > 10 for *_, meaning in rows)
        tables[name] = {setting: default for setting, default, _ in rows}
    return tables


def declared() -> dict[str, dict[str, str]]:
    """The same by the declarations."""
    return {
        name: {item.name: default_of(item) for item in dataclasses.fields(kind)}
        for name, kind in {**TABLES, **LISTS}.items()
    }


def default_of(item: dataclasses.Field[Any]) -> str:
    shown = item.metadata["shown"]
    if item.default is None and item.name != "root":
        return "none"  # what is shown in the file is an example
    return f"`{shown or toml(item.default)}`"


def test_the_settings_page_has_every_setting_with_its_default_and_no_others() -> None:
    assert settings_page() == declared()


@pytest.mark.parametrize("path", [path for path in PAGES if "```toml" in path.read_text(encoding="utf-8")], ids=str)
def test_examples_of_settings_are_settings(path: Path, tmp_path: Path) -> None:
    for example in TOML.findall(path.read_text(encoding="utf-8")):
        if path.name == "send_dicom.md":  # it has settings of its own
            (tmp_path / "destinations.toml").write_text(example, encoding="utf-8")
            assert destinations.read(str(tmp_path / "destinations.toml")).named
        else:
            from_mapping(tomllib.loads(example))


def test_the_keys_of_destinations_are_listed() -> None:
    table = page("tools/send_dicom.md").partition("```toml")[2].partition("## Links")[0]
    rows = re.findall(r"^\| (`.+?`) \|", table, re.M)
    listed = {key for row in rows for key in re.findall(r"`(\w+)`", row)}
    assert listed == {field.name for field in dataclasses.fields(destinations.Destination)}


def test_the_fields_that_may_hold_the_tag_are_listed_in_their_order() -> None:
    rows = re.findall(r"^\| (\d) \| (.+?) \| \((\w{4}),(\w{4})\) \| .* \((\w\w)\) \|$", page("dock/routing.md"), re.M)
    listed = [(name.title().replace(" ", ""), (int(group + element, 16), vr)) for _, name, group, element, vr in rows]
    assert listed == list(ROUTE_FIELDS.items())
    assert [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))


# Conformance


def test_tables_made_from_the_code_are_up_to_date() -> None:
    stale = [path.name for path in PAGES if manual_tables.filled(path.read_text("utf-8")) != path.read_text("utf-8")]
    assert not stale, "run: python scripts/manual_tables.py"


def test_every_storage_class_is_on_the_conformance_page() -> None:
    rows = re.findall(r"^\| (.+) \| ([\d.]+) \| `(\w+)` \| (yes|no) \|$", page("conformance.md"), re.M)
    assert rows == [
        (item.name, item.uid, item.prefix, "no" if item.uid in REFUSED_BY_CLASSIC else "yes")
        for item in STORAGE_CLASSES.values()
    ]


def test_the_transfer_syntaxes_are_on_the_conformance_page_in_order_of_preference() -> None:
    below = part(page("conformance.md"), "### Transfer syntaxes")
    assert re.findall(r"^\| \d+ \| .+ \| ([\d.]+) \|$", below, re.M) == list(TRANSFER_SYNTAXES)


def test_every_status_code_is_on_the_conformance_page_and_no_others() -> None:
    below = part(page("conformance.md"), "### Status codes")
    listed = [int(code, 16) for code in re.findall(r"^\| 0x([0-9A-F]{4}) \|", below, re.M)]
    assert listed == sorted(DimseStatus)


def test_who_we_are_is_on_the_conformance_page() -> None:
    text = page("conformance.md")
    for identity in (IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, record.PRIVATE_CREATOR):
        assert identity in text


# Store and status


def test_the_names_in_the_store_are_on_its_page() -> None:
    text = page("dock/store.md")
    for name in (store.MARKER, f"{store.PRIVATE}/", f"{store.QUARANTINE}/", record.NAME):
        assert name in text
    receipt = re.search(r"^received=\S+ association=\w{16}$", text, re.MULTILINE)
    assert receipt
    decoded = record.Receipt.decode(receipt.group().encode())
    assert decoded is not None
    assert decoded.encode().decode() == receipt.group()
    uid, digits = re.findall(r"printf %s ([\d.]+) .*# (\w{8})$", text, re.MULTILINE)[0]
    assert store.study_hash(uid) == digits


@pytest.mark.parametrize(("mode", "text"), [(store.FILE_MODE, "0640"), (store.DIRECTORY_MODE, "2750")])
def test_the_modes_of_the_store_are_on_its_page(mode: int, text: str) -> None:
    assert mode == int(text, 8)
    assert text in page("dock/store.md")


def test_every_state_of_a_study_is_on_the_status_page() -> None:
    below = part(page("dock/status.md"), "## The states of a study")
    cells = re.findall(r"^\| (`.+?`) \|", below, re.MULTILINE)
    assert {word for cell in cells for word in re.findall(r"`(\w+)`", cell)} == set(State)


def made(kind: type[Any], **values: Any) -> Any:
    """A dataclass with values that do not matter."""
    empty: Mapping[Any, Any] = {str: "", int: 0, float: 0.0, bool: False, Path: Path("/")}
    hints = get_type_hints(kind)
    chosen = {item.name: empty.get(hints[item.name], ()) for item in dataclasses.fields(kind)}
    return kind(**chosen | values)


def test_the_status_page_explains_every_key_of_the_json() -> None:
    study = made(StudyStatus, goes=0.0, looks=(made(Look),), routes=(made(RouteRow, state=State.HELD),))
    parts = {"studies": (study,), "listeners": (made(ListenerStatus),), "events": (made(Happening, study=None),)}
    said = made(Status, **parts, started=None, pid=None).to_json()
    first = said["studies"][0]
    nested = (said["disk"], said["listeners"][0], said["events"][0], first, first["looks"][0], first["routes"][0])
    keys = {*said, *(key for part in nested for key in part)}
    below = part(page("dock/status.md"), "## For programs")
    assert keys <= set(re.findall(r"`(\w+)`", below))


def test_sizes_in_the_examples_are_written_as_status_writes_them() -> None:
    for number, unit in re.findall(r"images in \d+ series(?: \(\d+ taken\))?  ([\d.]+) (\w+)", page("dock/status.md")):
        factor = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}[unit]
        assert size(float(number) * factor) == f"{number} {unit}"
