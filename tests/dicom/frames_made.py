"""Functional groups made at random: any layout, values that vary, are absent or stand elsewhere in some frames."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from random import Random

from .encoding import IMPLICIT, SEQUENCE_END, UNDEFINED, Syntax, element, head, item, mark, sequence

Private = tuple[int, int, str]
Key = int | Private

DD1, DD5, ACME = "Philips MR Imaging DD 001", "Philips MR Imaging DD 005", "ACME 1.1"
SHARED, PER_FRAME = 0x52009229, 0x52009230
FRAME_CONTENT, ECHO, DIFFUSION, DIRECTIONS = 0x00209111, 0x00189114, 0x00189117, 0x00189076
PRIVATE_GROUP: Private = (0x2005, 0x0F, DD5)

# Key, VR as the dictionaries have it, and values: texts as bytes, numbers as numbers.
LEAVES: dict[Key, tuple[str, list[bytes | tuple[float, ...]]]] = {
    0x00080008: ("CS", [b"ORIGINAL\\PRIMARY", b"DERIVED", b"", b"A\\\\B ", b" X"]),
    0x00080033: ("TM", [b"133733.16 ", b"101010"]),
    0x00080018: ("UI", [b"1.2.3\0", b"1.2.3.44", b""]),
    0x00104000: ("LT", [b"a \\ b ", b" line\r\nnext "]),
    0x00180081: ("DS", [b"2.3 ", b"-1e-3 ", b"+7.5", b"", b"4"]),
    0x00180086: ("IS", [b"1 ", b"-22 ", b"2147483647", b""]),
    0x00181251: ("SH", [b"S ", b"BODY", b"M\xfcller"]),
    0x00189082: ("FD", [(2.3,), (4.6,), (-0.5e-300,)]),
    0x00189089: ("FD", [(0.0, 0.6, 0.8), (1.0, 0.0, 0.0), ()]),
    0x00181310: ("US", [(80, 0, 0, 80), (96, 0, 0, 96)]),
    0x00200032: ("DS", [b"-12.5\\3\\4.25 ", b"1\\2\\3 ", b"1\\2 ", b" 0.5 \\1"]),
    0x00209056: ("SH", [b"1 ", b"21"]),
    0x00209057: ("UL", [(1,), (70000,)]),
    0x00209157: ("UL", [(1, 1, 2), (1, 2, 2), (1, 0, 7), (5,)]),
    0x00209165: ("AT", [(0x00209056,), (0x2005140F, 0x00189082)]),
    (0x2005, 0x0D, DD1): ("FL", [(0.0,), (-0.1,), (3.25e38,)]),
    (0x2005, 0x0E, DD1): ("FL", [(651.7395,), (0.00024,)]),
    (0x2005, 0x11, DD1): ("CS", [b"M ", b"P ", b"DELTA_B0_MAP"]),
    (0x2005, 0x13, DD5): ("IS", [b"1 ", b"12"]),
    (0x2001, 0x03, "Philips Imaging DD 001"): ("FL", [(0.0,), (1000.0,)]),
    (0x0029, 0x42, ACME): ("UN", [b"\1\2\3\4", b"", b"\0\0"]),
}
SEQUENCES: list[Key] = [FRAME_CONTENT, ECHO, DIFFUSION, DIRECTIONS, PRIVATE_GROUP]
_NUMBERS = {"FD": "d", "FL": "f", "US": "H", "UL": "I"}


@dataclass
class Node:
    """A value, or a sequence with the nodes of its items."""

    key: Key
    items: list[list[Node]] | None = None
    choices: list[bytes | tuple[float, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Style:
    """How a file is written; the chances are those that a frame is written in another way than the one before."""

    syntax: Syntax
    defined: float = 0.0
    """Of each sequence and item: the chance that it says its length."""
    absent: float = 0.0
    shuffled: float = 0.0
    moved: float = 0.0
    """That private blocks have other numbers."""
    unknown: float = 0.0
    """Of each private element in explicit VR: the chance that it is written as UN; not big endian, where
    pydicom reads the items of such a sequence by the file's byte order, and DCMTK by the standard."""
    same: float = 0.5
    """Of each value: the chance that it is the first one."""


def data_set(style: Style, frames: int, random: Random, *, declared: int | None = None) -> bytes:
    """A data set of shared and per-frame groups."""
    syntax = style.syntax
    groups = random.sample(SEQUENCES, random.randint(1, len(SEQUENCES)))
    shared = groups[: random.randint(0, len(groups) // 2)]
    per_frame = [Node(key, structure(random, 2)) for key in groups if key not in shared or random.random() < 0.2]
    common = [Node(key, structure(random, 2)) for key in shared]
    writer = _Writer(style, random)
    parts = [element(syntax, 0x00080005, "CS", b"ISO_IR 100")]
    parts.append(element(syntax, 0x00280008, "IS", str(frames if declared is None else declared).encode().ljust(6)))
    if common:
        parts.append(writer.sequence(SHARED, [common], 0x10))
    parts.append(writer.sequence(PER_FRAME, [per_frame] * frames, 0x10))
    return b"".join(parts)


def structure(random: Random, depth: int) -> list[list[Node]]:
    """The items of one sequence."""
    items = []
    for _ in range(random.choice((1, 1, 1, 1, 2, 0))):
        nodes = [Node(key, None, LEAVES[key][1]) for key in random.sample(list(LEAVES), random.randint(0, 6))]
        if random.random() < 0.1:
            nodes.append(Node(0x00080005, None, [b"ISO_IR 192", b"ISO_IR 100"]))
        if depth and random.random() < 0.4:
            nodes.append(Node(random.choice(SEQUENCES), structure(random, depth - 1)))
        items.append(nodes)
    return items


class _Writer:
    def __init__(self, style: Style, random: Random) -> None:
        self.style = style
        self.random = random
        self.blocks = {creator: 0x10 + at for at, creator in enumerate((DD1, DD5, ACME, "Philips Imaging DD 001"))}

    def sequence(self, key: Key, items: list[list[Node]], block: int, syntax: Syntax | None = None) -> bytes:
        syntax = syntax or self.style.syntax
        unknown = (
            syntax.explicit
            and syntax.order == "<"
            and not isinstance(key, int)
            and self.random.random() < self.style.unknown
        )
        within = IMPLICIT if unknown else syntax
        content = b"".join(item(within, self.item(nodes, within), defined=self.defined()) for nodes in items)
        tag = _tag(key, block)
        if not unknown:
            return sequence(syntax, tag, content, defined=self.defined())
        if self.defined():
            return element(syntax, tag, "UN", content)
        return head(syntax, tag, "UN", UNDEFINED) + content + mark(IMPLICIT, SEQUENCE_END)

    def defined(self) -> bool:
        return self.random.random() < self.style.defined

    def item(self, nodes: list[Node], syntax: Syntax) -> bytes:
        if self.random.random() < self.style.moved:
            numbers = self.random.sample(range(0x10, 0x100), len(self.blocks))
            self.blocks = dict(zip(self.blocks, numbers, strict=True))
        nodes = [node for node in nodes if self.random.random() >= self.style.absent]
        blocks = dict(self.blocks)
        written = {_tag(node.key, self._block(node.key, blocks)): self.node(node, syntax, blocks) for node in nodes}
        for node in nodes:
            if not isinstance(node.key, int):
                group, _, creator = node.key
                block = blocks[creator]
                written[group << 16 | block] = element(syntax, group << 16 | block, "LO", _even(creator.encode()))
        tags = sorted(written)
        if self.random.random() < self.style.shuffled:
            self.random.shuffle(tags)
            tags.sort(key=lambda tag: tag != 0x00080005)  # what stands before it is read without it, or with it
        return b"".join(written[tag] for tag in tags)

    def node(self, node: Node, syntax: Syntax, blocks: dict[str, int]) -> bytes:
        block = self._block(node.key, blocks)
        if node.items is not None:
            return self.sequence(node.key, node.items, block, syntax)
        vr, _ = LEAVES.get(node.key, ("CS", []))
        choice = node.choices[0] if self.random.random() < self.style.same else self.random.choice(node.choices)
        unknown = syntax.order == "<" and not isinstance(node.key, int) and self.random.random() < self.style.unknown
        value = choice if isinstance(choice, bytes) else _pack(syntax, vr, choice)
        return element(syntax, _tag(node.key, block), "UN" if unknown else vr, _even(value))

    @staticmethod
    def _block(key: Key, blocks: dict[str, int]) -> int:
        return 0 if isinstance(key, int) else blocks[key[2]]


def _tag(key: Key, block: int) -> int:
    return key if isinstance(key, int) else key[0] << 16 | block << 8 | key[1]


def _pack(syntax: Syntax, vr: str, numbers: tuple[float, ...]) -> bytes:
    if vr == "AT":
        halves = [half for number in numbers for half in (int(number) >> 16, int(number) & 0xFFFF)]
        return struct.pack(f"{syntax.order}{len(halves)}H", *halves)
    return struct.pack(f"{syntax.order}{len(numbers)}{_NUMBERS[vr]}", *numbers)


def _even(value: bytes) -> bytes:
    return value + b" " * (len(value) % 2)
