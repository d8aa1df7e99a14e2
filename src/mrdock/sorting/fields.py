"""All fields of one file: their names (`dcminfo -l`) and their values (`dcminfo -a`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Final, NamedTuple

from mrdock.dicom.elements import ITEM, PER_FRAME, UNREADABLE, Element
from mrdock.dicom.opening import open_data_set
from mrdock.dicom.rendering import text_of
from mrdock.dicom.scan import Key
from mrdock.dicom.tags import folded, is_private, name_of
from mrdock.errors import MalformedError, NotDicomError
from mrdock.files.names import printable

_VALUE_AT: Final = 56  # longer names push their values to the right: a stream cannot know the longest
_FIRST_ITEM: Final = "item 1"
_LONGEST_CREATOR: Final = 64  # no other value is looked at for the names
_MOST_REMEMBERED: Final = 1 << 14
_RULE: Final = "--"
_INDENT: Final = "  "
_CUT: Final = "..."


class Field(NamedTuple):
    """One field as `dcminfo -a` shows it.

    ``depth`` 0 is the top level; what is inside an item stands one deeper than its sequence. ``tag`` is ``0018,0081``.
    Private names begin with a dot. ``value`` is printable, and empty for a sequence that has items. Each item begins
    with a line that has neither tag nor VR (``item 2``, ``frame 17``); so does the complaint about one that cannot
    be read.
    """

    depth: int
    tag: str
    name: str
    vr: str
    value: str


def fields(path: str, *, frames: bool = True) -> Iterator[Field]:
    """All fields of the file in order, the meta group first, nested ones after their sequence; streams.

    ``frames=False`` passes over the Per-frame Functional Groups. Raises `NotDicomError` and `MalformedError`, which
    name the path (for a broken file, after what stands before), and OSError.
    """
    with _named(path), open_data_set(path) as data_set:
        shown = _Shown(frames)
        yield from map(shown.field, data_set.meta)
        sequence: Element | None = None  # whether it has items is said by what follows
        for element in data_set.walk(frames=frames, items=True):
            if sequence is not None:
                yield shown.sequence(
                    sequence, empty=element.tag not in (ITEM, UNREADABLE) or element.depth < sequence.depth
                )
            sequence = element if element.vr == "SQ" else None
            if sequence is None:
                yield shown.field(element)
        if sequence is not None:
            yield shown.sequence(sequence, empty=True)


def field_lines(path: str, *, frames: bool = True, width: int | None = None) -> Iterator[str]:
    """The lines of `dcminfo -a`: tag, VR, name indented by depth, value; cut to ``width`` where given; as `fields`."""
    for field in fields(path, frames=frames):
        if field.name == _FIRST_ITEM and not field.tag:
            continue  # most sequences have one item, and who reads sees where the first begins
        yield _line(field, width)


def names(path: str, *, by_name: bool = False) -> list[Field]:
    """The names of a file's fields, each once, for `dcminfo -l`: sorted by tag, or by name (``-k``).

    ``depth`` is that of the first occurrence, ``value`` empty. Raises as `fields`, then without what stands before.
    """
    found: dict[Key, Field] = {}
    with _named(path), open_data_set(path) as data_set:
        shown = _Shown(frames=True)
        for element in chain(data_set.meta, data_set.walk(frames=True, longest=_LONGEST_CREATOR)):
            if element.key not in found:
                found[element.key] = Field(
                    element.depth, tag_text(element.tag), shown.name(element.key), element.vr, ""
                )
    once = {folded(key): field for key, field in reversed(found.items())}.values()
    return sorted(once, key=_by_name if by_name else _by_tag)


def name_lines(path: str, *, by_name: bool = False) -> Iterator[str]:
    """The lines of `dcminfo -l [-k]`: tag, VR and name."""
    for field in names(path, by_name=by_name):
        yield f"{field.tag}  {field.vr or '  '}  {field.name}"


def tag_text(tag: int) -> str:
    """A tag as this list writes it: ``0018,0081``."""
    return f"{tag >> 16:04x},{tag & 0xFFFF:04x}"


@contextmanager
def _named(path: str) -> Iterator[None]:
    """Put the path before every complaint."""
    try:
        yield
    except (NotDicomError, MalformedError) as error:
        raise type(error)(f"{printable(path)}: {error}") from None


class _Shown:
    """Elements as fields; the names of keys are remembered."""

    def __init__(self, frames: bool) -> None:
        self._frames = frames
        self._names: dict[Key, str] = {}

    def name(self, key: Key) -> str:
        """The name, with a dot before a private one."""
        name = self._names.get(key)
        if name is None:
            if len(self._names) >= _MOST_REMEMBERED:
                self._names.clear()
            name = self._names[key] = printable(f"{'.' if is_private(key) else ''}{name_of(key)}")
        return name

    def field(self, element: Element) -> Field:
        """An element that is no sequence."""
        if element.tag == ITEM:
            key, number = element.path[-1]
            return Field(element.depth + 1, "", f"{'frame' if key == PER_FRAME else 'item'} {number + 1}", "", "")
        if element.tag == UNREADABLE:
            return Field(element.depth, "", f"(unreadable from here: {element.raw.decode()})", "", "")
        value = printable(text_of(element))
        return Field(element.depth, tag_text(element.tag), self.name(element.key), element.vr, value)

    def sequence(self, element: Element, *, empty: bool) -> Field:
        """A sequence."""
        value = "(no items)" if empty else ""
        if empty and element.tag == PER_FRAME and not self._frames:
            value = "(not shown)"
        return Field(element.depth, tag_text(element.tag), self.name(element.key), "SQ", value)


def _line(field: Field, width: int | None) -> str:
    tag, vr = field.tag or " " * 9, field.vr or "  "
    line = f"{tag}  {vr}  {_INDENT * field.depth}{field.name}"
    if not field.tag:
        line = f"{' ' * 15}{_INDENT * field.depth}{_RULE} {field.name}"
    if field.value:
        line = f"{line:<{_VALUE_AT}}  {field.value}"
    return line if width is None or len(line) <= width else line[: max(width - len(_CUT), 0)] + _CUT


def _by_tag(field: Field) -> tuple[str, str]:
    return field.tag, field.name.lower()


def _by_name(field: Field) -> tuple[bool, str, str]:
    return "," in field.name, field.name.lower().lstrip("."), field.tag  # those without a name come last
