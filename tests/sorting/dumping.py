"""What DCMTK's dcmdump prints of a file, by the keys that mrdock uses."""

from __future__ import annotations

import re
import struct
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mrdock.dicom.scan import Key
from mrdock.dicom.tags import folded

LINE = re.compile(r"^( *)\(([0-9a-f]{4}),([0-9a-f]{4})\) (\w\w) (.*)$")
NUMBERS = frozenset({"US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "DS", "IS"})


class Dumped(NamedTuple):
    """One element as dcmdump prints it."""

    depth: int
    key: Key
    vr: str
    value: str


@cache
def dump(program: str, path: Path) -> list[Dumped]:
    """All elements of a file in order but items and delimiters."""
    done = subprocess.run([program, "+L", "-Un", str(path)], capture_output=True, check=True, timeout=60)
    found: list[Dumped] = []
    creators: list[dict[tuple[int, int], str]] = [{}]
    for line in done.stdout.decode("latin-1").split("\n"):
        match = LINE.match(line)
        if match is None:
            continue
        depth = len(match[1]) // 4
        group, element = int(match[2], 16), int(match[3], 16)
        del creators[depth + 1 :]
        if group == 0xFFFE:
            if element == 0xE000:
                creators[depth + 1 :] = [{}]
            continue
        value = match[5].rpartition(" #")[0].strip()
        value = value[1:-1] if value.startswith("[") else "" if value.startswith("(no value") else value
        while len(creators) <= depth:
            creators.append({})
        key: Key = group << 16 | element
        if group & 1 and 0x10 <= element <= 0xFF:
            creators[depth][group, element] = value
        elif group & 1 and (creator := creators[depth].get((group, element >> 8))):
            key = group, element & 0xFF, creator
        found.append(Dumped(depth, folded(key), match[4], value))
    return found


def first_found(elements: list[Dumped]) -> dict[Key, Dumped]:
    """Each element where it stands first: at the top level, else nested, in order."""
    found: dict[Key, Dumped] = {}
    for element in sorted(elements, key=lambda element: element.depth > 0):
        found.setdefault(element.key, element)
    return found


def meaning(vr: str, text: str) -> list[object]:
    """What has to be equal: numbers as numbers, texts without the padding of each value."""
    parts = [part.strip() for part in text.split("\\")]
    if vr not in NUMBERS or not text:
        return [*parts]
    if vr == "FL":
        return [struct.pack("<f", float(part)) for part in parts]
    if vr == "FD":  # dcmdump is off by a few units in the 16th digit where the exponent is large
        return [f"{float(part):.14g}" for part in parts]
    return [float(part) for part in parts]
