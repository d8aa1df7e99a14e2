"""Copying and comparing many files with the help of other processes: creating a file keeps one core busy."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple, TypeVar

from mrdock.files.copying import Copied, Copy, Pair, compare_many, copy_many
from mrdock.files.helpers import Helpers

FEW: Final = 400
"""So few files are not worth a process."""

_SHARE: Final = 128

T = TypeVar("T")


class Copying(NamedTuple):
    """Copies on their way: ``results`` waits for them, ``help`` makes some and says whether there were any to make."""

    results: Callable[[], list[Copied]]
    help: Callable[[], bool] = lambda: False


class Workers:
    """Some processes that share work; with ``jobs`` 1 there is no other than this one."""

    def __init__(self, jobs: int) -> None:
        """Nothing is started before there is work for it."""
        self._helpers = Helpers(__name__, jobs)

    def begin_copy(self, copies: Sequence[Copy], durable: bool) -> Copying:
        """Have `copy_many` done while the caller does something else."""
        if len(copies) < FEW:
            return Copying(lambda: copy_many(copies, durable))
        parent = os.getpid()
        shares: list[Any] = [("copy", [tuple(each) for each in share], durable, parent) for share in _parted(copies)]
        work = self._helpers.begin(
            shares,
            lambda share: copy_many([Copy(*each) for each in share[1]], durable),
            lambda answer: [Copied(*each) for each in answer],
        )
        return Copying(lambda: list(chain.from_iterable(work.results())), work.help)

    def copy(self, copies: Sequence[Copy], durable: bool) -> list[Copied]:
        """`copy_many` by all of us."""
        return self.begin_copy(copies, durable).results()

    def compare(self, pairs: Sequence[Pair]) -> list[str]:
        """`compare_many` by all of us."""
        if len(pairs) < FEW:
            return compare_many(pairs)
        shares: list[Any] = [("compare", [tuple(each) for each in share]) for share in _parted(pairs)]
        work = self._helpers.begin(
            shares,
            lambda share: compare_many([Pair(*each) for each in share[1]]),
            lambda answer: [str(reason) for reason in answer],
        )
        return list(chain.from_iterable(work.results()))

    def close(self) -> None:
        """End the helpers, whatever they do."""
        self._helpers.close()


def _parted(work: Sequence[T]) -> list[Sequence[T]]:
    return [work[at : at + _SHARE] for at in range(0, len(work), _SHARE)]


def answer(share: Any) -> object:
    """A helper's part. When its parent dies no further file is begun."""
    if share[0] == "copy":
        _, copies, durable, parent = share

        def orphaned() -> bool:
            return os.name != "nt" and os.getppid() != parent

        return [tuple(each) for each in copy_many([Copy(*each) for each in copies], durable, stopped=orphaned)]
    return compare_many([Pair(*each) for each in share[1]])
