"""The fields of the window: one for each switch of ``dcm_move``, in groups, as one table without Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from mrdock.sorting.finding import MODALITIES
from mrdock.sorting.move_plan import MoveOptions


class Input(Enum):
    """How a field is filled in."""

    DIRECTORY = "directory"
    TICK = "tick"
    ONE_OF = "one of"
    SECONDS = "seconds"
    NUMBER = "number"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: the option that it sets, its switch, its label with the letter for Alt, and what it does."""

    option: str
    """A field of `MoveOptions`."""

    switch: str
    label: str
    tip: str
    input: Input = Input.TICK
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that belong together."""

    title: str
    fields: tuple[Field, ...]


ACTIONS: Final = (
    Field("", "", "&Move", "The files go to the destination."),
    Field("copy", "-c", "&Copy", "The files stay where they are, and copies go to the destination."),
    Field("rename", "-r", "Re&name in place", "The files get new names where they are, with no directories."),
    Field("unmove", "-u", "&Unmove", "Back to names as the scanner sends them: the SOP Instance UID."),
)
"""What is done: one of them. The first is what happens where no other is chosen."""

IGNORED: Final[dict[str, tuple[str, ...]]] = {
    "rename": ("destination", "flat", "ignore_location"),
    "unmove": ("flat", "series_description", "dcm", "by_number", "no_info", "ignore_location"),
}
"""Options that an action has no use for, or refuses: their fields are greyed, and what they say does not count."""

GROUPS: Final = (
    Group(
        "Places",
        (
            Field("source", "-s", "&Source", "Where the files are.", Input.DIRECTORY),
            Field("destination", "<destdir>", "&Destination", "Where the files go.", Input.DIRECTORY),
        ),
    ),
    Group(
        "What is read",
        (
            Field("recursive", "-R", "All sub-director&ies", "Every directory below the source."),
            Field(
                "modality",
                "-m",
                "M&odality",
                "Only the sub-directory of that name; otherwise the source and all of them.",
                Input.ONE_OF,
                ("", *MODALITIES),
            ),
            Field("all_studies", "-a", "&All studies", "Every study that is found; otherwise tick them in the list."),
            Field(
                "settle",
                "--settle",
                "Settle &time",
                "A file touched less than so many seconds ago is looked at again after that time.",
                Input.SECONDS,
            ),
            Field(
                "jobs",
                "--jobs",
                "&Parallel reads",
                "How many headers are read at once; more pay where files take long to open, as over a network.",
                Input.NUMBER,
            ),
        ),
    ),
    Group(
        "Names",
        (
            Field("flat", "-f", "&Flat names", "No directories: the name says study, series and image."),
            Field("series_description", "-S", "Series d&escription", "In the name of the series' directory."),
            Field("dcm", "-d", "Append .dcm (&x)", "Names end in .dcm."),
            Field("by_number", "-n", "&By image number", "As if anatomic: no dynamic, echo or phase in the name."),
        ),
    ),
    Group(
        "Also",
        (
            Field("ignore_location", "-l", "I&gnore location", "No heed to #-#<directory> in Patient History."),
            Field("no_info", "-i", "No info fi&les", "No file about study, patient and scan for each series."),
            Field("leave_bad", "-b", "Lea&ve invalid files", "Invalid DICOM files stay; otherwise they go to bad."),
            Field("quiet", "-q", "&Quiet", "No list of warnings."),
        ),
    ),
)


def in_force(options: MoveOptions) -> MoveOptions:
    """What the fields say without what the chosen action ignores."""
    usual = MoveOptions()
    ignored: dict[str, Any] = {
        option: getattr(usual, option)
        for action, names in IGNORED.items()
        if getattr(options, action)
        for option in names
    }
    return replace(options, **ignored)
