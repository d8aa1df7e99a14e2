"""The order of steps whose targets are the sources of others: chains from their end, cycles through another name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from functools import cache

from mrdock.files.steps import Kind, Step


class Phase(IntEnum):
    """What of a step is done at a time."""

    WHOLE = 0
    ASIDE = 1
    """The file makes room for others: it gets a hidden name in its directory."""

    FROM_ASIDE = 2
    """It goes from there to its target."""


Action = tuple[int, Phase]


def ordered(steps: Sequence[Step]) -> list[Action]:
    """All steps, by their place in ``steps``, so that each target is free when its turn comes, if any order can do it.

    Steps that have nothing to do with each other keep their order.
    """
    sources = {step.source for step in steps if step.kind is Kind.MOVE}
    if not sources or not _any_meet(steps, sources):
        return [(number, Phase.WHOLE) for number in range(len(steps))]
    return list(_Order(steps).actions())


def _any_meet(steps: Sequence[Step], sources: set[str]) -> bool:
    """Whether a target may be the source of a move, or a source be read by two steps."""
    names = {os.path.basename(source) for source in sources}
    moves = sum(step.kind is Kind.MOVE for step in steps)
    return (
        len(sources) < moves
        or any(os.path.basename(step.target) in names for step in steps)
        or any(step.kind is Kind.COPY and os.path.basename(step.source) in names for step in steps)
    )


class _Order:
    """A walk over who waits for whom."""

    def __init__(self, steps: Sequence[Step]) -> None:
        key = _keys()
        self._moves = [step.kind is Kind.MOVE for step in steps]
        self._leaving: dict[str, int] = {}
        readers: dict[str, list[int]] = {}
        for number, step in enumerate(steps):
            if step.kind is Kind.MOVE:
                self._leaving.setdefault(key(step.source), number)
            elif step.kind is Kind.COPY:
                readers.setdefault(key(step.source), []).append(number)
        self._waits: list[list[int]] = []
        for number, step in enumerate(steps):
            before = list(readers.get(key(step.source), ())) if step.kind is Kind.MOVE else []
            leaving = self._leaving.get(key(step.target))
            if leaving is not None and leaving != number:
                before.append(leaving)
            self._waits.append(before)
        self._begun: set[int] = set()
        self._ended: set[int] = set()
        self._aside: set[int] = set()

    def actions(self) -> Iterator[Action]:
        for number in range(len(self._waits)):
            if number not in self._begun:
                yield from self._from(number)

    def _from(self, first: int) -> Iterator[Action]:
        """A step after all it waits for; what waits for itself is taken aside. No recursion: chains may be long."""
        stack = [(first, iter(self._waits[first]))]
        self._begun.add(first)
        while stack:
            number, waits = stack[-1]
            other = next(waits, None)
            if other is None:
                stack.pop()
                self._ended.add(number)
                yield number, Phase.FROM_ASIDE if number in self._aside else Phase.WHOLE
            elif other not in self._begun:
                self._begun.add(other)
                stack.append((other, iter(self._waits[other])))
            elif other not in self._ended and other not in self._aside and self._moves[other]:
                self._aside.add(other)
                yield other, Phase.ASIDE


def _keys() -> Callable[[str], str]:
    """A function from a path to what is equal for all ways to write it: the directory's links are resolved."""
    real = cache(os.path.realpath)

    def key(path: str) -> str:
        directory, name = os.path.split(path)
        return os.path.normcase(os.path.join(real(directory), name))

    return key
