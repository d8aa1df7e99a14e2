"""Many files examined by several processes: to walk a header keeps a core busy, to bring its values along does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final

from mrdock.dicom.beginning import META_SOP_CLASS, META_SOP_INSTANCE
from mrdock.dicom.reading import SOP_CLASS, SOP_INSTANCE, FileHeader
from mrdock.dicom.scan import Found, Key, Value
from mrdock.dicom.values import SPECIFIC_CHARACTER_SET
from mrdock.files.helpers import Helpers, default_jobs
from mrdock.sorting.examining import WANTED, Examined, Verdict, examined

FEW: Final = 3000
"""So few files are not worth a process."""

_SHARE: Final = 256
_VRS: Final[dict[Key, str]] = {SPECIFIC_CHARACTER_SET: "CS", SOP_CLASS: "UI", SOP_INSTANCE: "UI", **WANTED.vrs}
_KEYS: Final = tuple(_VRS)
_NUMBERS: Final = {key: number for number, key in enumerate(_KEYS)}
_MOST_KEPT: Final = 4096


class Together:
    """The files of one run, shared out among helpers and this process."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Start the helpers."""
        self._known: list[dict[bytes, Value]] = [{} for _ in _KEYS]
        self._count = len(paths)
        self._helpers = Helpers(__name__, default_jobs())
        shares = [paths[at : at + _SHARE] for at in range(0, self._count, _SHARE)]
        self._work = self._helpers.begin(shares, self._ours, self._theirs)

    def results(self, between: Callable[[int], None]) -> list[Examined]:
        """What each file is; ``between`` is told now and then how many are done, and may raise."""
        try:
            shares = self._work.results(lambda done: between(min(done * _SHARE, self._count)))
        finally:
            self._helpers.close()
        return list(chain.from_iterable(shares))

    def _ours(self, paths: Sequence[str]) -> list[Examined]:
        return list(examined(paths))

    def _theirs(self, answer: Any) -> list[Examined]:
        return list(map(self._made, answer))

    def _made(self, entry: Any) -> Examined:
        if entry[0] != Verdict.RECORD:
            return Examined(Verdict(entry[0]), entry[1])
        _, syntax, size, big_endian, raws, vrs, meta = entry
        columns = zip(_KEYS, self._known, raws, strict=True)
        values = {key: known.get(raw) or self._new(key, raw) for key, known, raw in columns if raw is not None}
        for number, vr in vrs.items():
            values[_KEYS[number]] = Value(vr, raws[number])
        named: dict[Key, Value] = {}
        named |= {key: Value("UI", raw) for key, raw in zip((META_SOP_CLASS, META_SOP_INSTANCE), meta, strict=False)}
        return Examined(Verdict.RECORD, header=FileHeader(Found(values, big_endian), named, syntax, size))

    def _new(self, key: Key, raw: bytes) -> Value:
        """A value that files share from now on: most of a series are the same in all."""
        known = self._known[_NUMBERS[key]]
        if len(known) >= _MOST_KEPT:
            known.clear()
        value = known[raw] = Value(_VRS[key], raw)
        return value


def answer(paths: Sequence[str]) -> list[tuple[Any, ...]]:
    """A helper's part."""
    return [_packed(one) for one in examined(paths)]


def _packed(one: Examined) -> tuple[Any, ...]:
    """What is sent of one file: the bytes of its values in the order of `_KEYS`, and the VRs that are unusual."""
    header = one.header
    if header is None:
        return int(one.verdict), one.reason
    values = header.found.values
    raws = [value.raw if (value := values.get(key)) else None for key in _KEYS]
    vrs = {_NUMBERS[key]: value.vr for key, value in values.items() if value.vr != _VRS[key]}
    named = SOP_CLASS in values and SOP_INSTANCE in values
    meta = () if named else (header.sop_class.encode("latin-1"), header.sop_instance.encode("latin-1"))
    return int(one.verdict), header.transfer_syntax, header.size, header.found.big_endian, raws, vrs, meta
