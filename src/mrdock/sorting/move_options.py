"""The switches of dcm_move: which go together, and how a run is written as a command line."""

from __future__ import annotations

import math
import os
import shlex
from typing import Final

from mrdock.errors import PlaceError, SettingsError
from mrdock.files.names import printable
from mrdock.sorting.finding import MODALITIES
from mrdock.sorting.locating import unusable
from mrdock.sorting.move_plan import MoveOptions

SWITCHES: Final = {
    "source": ("-s", "--source"),
    "recursive": ("-R", "--recursive"),
    "modality": ("-m", "--modality"),
    "all_studies": ("-a", "--all"),
    "series_description": ("-S", "--series-description"),
    "dcm": ("-d", "--dcm"),
    "ignore_location": ("-l", "--ignore-location"),
    "flat": ("-f", "--flat"),
    "rename": ("-r", "--rename"),
    "copy": ("-c", "--copy"),
    "by_number": ("-n", "--by-number"),
    "no_info": ("-i", "--no-info"),
    "leave_bad": ("-b", "--leave-bad"),
    "unmove": ("-u", "--unmove"),
    "quiet": ("-q", "--quiet"),
    "settle": ("", "--settle"),
    "jobs": ("", "--jobs"),
}
"""Field of `MoveOptions` -> short and long switch as a command line is written, in its order."""

LONGEST_SETTLE: Final = 3600
_SHAPES: Final = ("copy", "rename", "flat", "by_number", "series_description", "dcm")


def check(options: MoveOptions) -> None:
    """Whether the options go together and their places can be used; nothing is read.

    Raises `SettingsError` where the options contradict each other and `PlaceError` where the source is no directory,
    or the destination none that can be written to and searched.
    """
    for text in _contradictions(options):
        raise SettingsError(text)
    if not os.path.isdir(options.source):
        raise PlaceError(f"{printable(options.source)}: {unusable(options.source)}")
    place = options.source if options.rename else options.destination
    if trouble := unusable(place):
        raise PlaceError(f"{printable(place)}: {trouble}")


def _contradictions(options: MoveOptions) -> list[str]:
    shaped = [SWITCHES[name][1] for name in _SHAPES if getattr(options, name)]
    rules = (
        (options.rename and options.copy, "--rename and --copy exclude each other"),
        (options.rename and options.destination != ".", "--rename leaves files where they are: name no destination"),
        (options.unmove and shaped, f"--unmove and {' and '.join(shaped)} exclude each other"),
        (
            options.modality and options.modality not in MODALITIES,
            f"--modality {printable(options.modality)}: none of {', '.join(MODALITIES)}",
        ),
        (
            not (math.isfinite(options.settle) and 0 <= options.settle <= LONGEST_SETTLE),
            f"--settle takes seconds from 0 to {LONGEST_SETTLE}",
        ),
        (options.jobs < 1, "--jobs is at least 1"),
    )
    return [text for wrong, text in rules if wrong]


def command_line(options: MoveOptions) -> str:
    """The same as a command for a shell: switches at their defaults are left out, words are quoted."""
    return shlex.join(words(options))


def words(options: MoveOptions) -> list[str]:
    """The words of that command line."""
    usual = MoveOptions()
    said = ["dcm_move"]
    for name, (short, long) in SWITCHES.items():
        value = getattr(options, name)
        if value == getattr(usual, name):
            continue
        said.append(short or long)
        if not isinstance(value, bool):
            said.append(f"{value:g}" if isinstance(value, float) else str(value))
    if options.destination != usual.destination:
        said += ["--", options.destination] if options.destination.startswith("-") else [options.destination]
    return said
