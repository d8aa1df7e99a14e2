"""What a caller may ask for: the order of the axes, and which to combine, by numbers or names."""

from __future__ import annotations

from collections.abc import Sequence

from mrdock.errors import ChoiceError

Order = Sequence[int | str] | str | None
"""A permutation of all axes: numbers or names; as one text with commas between them."""

Combine = Sequence[bool | int | str] | str | None
"""One flag an axis, or the names of the axes to merge into the one on their left; as one text with commas."""


def order_of(order: Order, dims: Sequence[str], matlab_names: Sequence[str]) -> list[int]:
    """The axes in the order asked for, counted from 0; the first two are the picture's. Raises `ChoiceError`.

    Numbers count from 1, or from 0: a permutation of all axes says itself which. Names are those of either kind;
    ``Column`` and ``Row`` with a capital are the original's axes 1 and 2, ``row`` and ``column`` ours.
    """
    count = len(dims)
    if order is None:
        return list(range(count))
    words = _words(order)
    numbers = [_integer(word) for word in words]
    if words and all(number is not None for number in numbers):
        found = [int(number) - (0 not in numbers) for number in numbers if number is not None]
    else:
        found = [_named(word, dims, matlab_names, "order") for word in words]
    if sorted(found) != list(range(count)):
        raise ChoiceError(f"order {_said(words)} is no permutation of the {count} axes {', '.join(dims)}")
    if sorted(found[:2]) != [0, 1]:
        raise ChoiceError(f"order {_said(words)} moves {dims[0]} or {dims[1]} away from the front")
    return found


def combine_of(combine: Combine, dims: Sequence[str], matlab_names: Sequence[str]) -> list[bool]:
    """A flag for each axis in their final order; those of the first three are off. Raises `ChoiceError`."""
    count = len(dims)
    if combine is None:
        return [False] * count
    words = _words(combine)
    numbers = [_integer(word) for word in words]
    if all(number in (0, 1) for number in numbers):
        if len(numbers) != count:
            raise ChoiceError(f"combine has {len(numbers)} flags, there are {count} axes: {', '.join(dims)}")
        flags = [number == 1 for number in numbers]
    else:
        flagged = {_named(word, dims, matlab_names, "combine") for word in words}
        flags = [at in flagged for at in range(count)]
    if any(flags[:3]):
        wrong = dims[flags.index(True)]
        raise ChoiceError(f"combine would merge {wrong} into what is on its left, an axis of the picture or none")
    return flags


def _words(asked: Sequence[object] | str) -> list[object]:
    if isinstance(asked, str):
        return [word.strip() for word in asked.split(",") if word.strip()]
    return list(asked)


def _integer(word: object) -> int | None:
    if isinstance(word, str):
        return int(word) if word.isdecimal() and word.isascii() else None
    try:
        return int(word) if word == int(word) else None  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return None


def _named(word: object, dims: Sequence[str], matlab_names: Sequence[str], what: str) -> int:
    """The axis of a name. Case counts only for ``Column`` and ``Row``, which are the others in small letters."""
    for names in (matlab_names, dims):
        if word in names:
            return names.index(str(word))
    for names in (matlab_names, dims):
        folded = [name.lower() if at > 1 else name for at, name in enumerate(names)]
        if isinstance(word, str) and word.lower() in folded:
            return folded.index(word.lower())
    raise ChoiceError(f"{what}: {_said([word])} is none of the axes {', '.join(dims)}")


def _said(words: Sequence[object]) -> str:
    return ",".join(map(str, words))[:200] or "of nothing"
