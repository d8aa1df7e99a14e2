"""Which tags dcminfo is asked for: ``PatientID:EchoTime``, ``*`` for all, ``0018,*`` for a whole group."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mrdock.dicom.scan import Key
from mrdock.dicom.tags import folded, parse

_GROUP: Final = re.compile(r"\(?([0-9a-fA-F]{4}),\*\)?")


@dataclass(frozen=True, slots=True)
class Selection:
    """The tags asked for: ``keys`` in the order in which they are to be shown, whole groups, or everything."""

    keys: tuple[Key, ...] = ()
    groups: frozenset[int] = frozenset()
    everything: bool = False

    @property
    def open(self) -> bool:
        """Whether the file decides which tags there are."""
        return self.everything or bool(self.groups)

    def takes(self, key: Key) -> bool:
        """Whether ``*`` or a group takes in a tag that is not named by itself."""
        return self.everything or group_of(key) in self.groups

    def joined(self, earlier: Selection | None) -> Selection:
        """This one after an earlier one; a tag that is in both keeps its first place."""
        if earlier is None:
            return self
        return Selection(
            _once((*earlier.keys, *self.keys)), earlier.groups | self.groups, earlier.everything or self.everything
        )


def group_of(key: Key) -> int:
    """The group number of a tag or of a private element."""
    return key[0] if isinstance(key, tuple) else key >> 16


def select(words: Iterable[str]) -> Selection:
    """The selection that single words make; each is a tag as `tags.parse` reads it, ``*`` or ``gggg,*``.

    Raises `TagError` for a word that is none of these.
    """
    keys: list[Key] = []
    groups: set[int] = set()
    everything = False
    for word in words:
        group = _GROUP.fullmatch(word)
        if word == "*":
            everything = True
        elif group:
            groups.add(int(group[1], 16))
        else:
            keys.append(parse(word))
    return Selection(_once(keys), frozenset(groups), everything)


def _once(keys: Iterable[Key]) -> tuple[Key, ...]:
    """The keys without those that came before, creators in other capitals included."""
    first: dict[Key, Key] = {}
    for key in keys:
        first.setdefault(folded(key), key)
    return tuple(first.values())
