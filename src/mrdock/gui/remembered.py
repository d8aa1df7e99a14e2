"""What the window remembers from one time to the next: the fields, in the user's state directory."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, fields
from typing import Final

from mrdock.errors import PlaceError
from mrdock.files import journal
from mrdock.files.state import state_directory
from mrdock.files.writing import write_file
from mrdock.sorting.finding import MODALITIES
from mrdock.sorting.move_plan import MoveOptions

_NAME: Final = "dcm_movegui.json"


def remember(options: MoveOptions) -> None:
    """Keep the fields. Where that cannot be done the window forgets them, and that is all."""
    with suppress(OSError, PlaceError):
        write_file(os.path.join(state_directory(), _NAME), json.dumps(asdict(options), indent=1).encode(), force=True)


def remembered() -> MoveOptions:
    """The fields as they were; those that cannot be read, or are no more, have their defaults."""
    try:
        with open(os.path.join(state_directory(), _NAME), encoding="utf-8") as file:
            said = json.load(file)
    except (OSError, ValueError, PlaceError):
        return MoveOptions()
    if not isinstance(said, dict):
        return MoveOptions()
    defaults = asdict(MoveOptions())
    known = {
        field.name: said[field.name]
        for field in fields(MoveOptions)
        if type(said.get(field.name)) is type(defaults[field.name])
    }
    if known.get("modality") not in MODALITIES:
        known["modality"] = ""
    return MoveOptions(**known)


def journals_directory() -> str:
    """Where the journals of runs are; empty where there is no place for them."""
    try:
        return journal.journals_directory()
    except PlaceError:
        return ""
