"""Does a series that has gone quiet look whole? Counts what came against what its own headers promise.

The answer only informs. "No" is said only where a promise is plainly not kept; where promise and count cannot be
compared the answer is None, with the reason. Only Philips headers promise enough for a "yes" in general: private
top-level numbers, the same in all images of a series, which scanners also print as "Max. number of ..." in PAR files.
Checked on release 5.7.1 (1901: 40 slices; 2001: 53 slices x 2 echoes, M and P; 2101: 63 slices x 75 dynamics, 6 of
them here; 2201: 82 slices x b=0 and 16 directions, 4 of them here; ASL 402: 14 slices x 8 dynamics x label and
control) and on the scanners' PAR files in nibabel's tests (up to R11).

- Slices run over all stacks (surveys: 9 and 60); every volume has them all. Echoes, dynamics, phases and label types
  multiply. The numbers are those planned: a stopped scan keeps them.
- How many types of image (M, P, B0, water, ...) a scan makes is promised nowhere. Each type that came is counted for
  itself; one of which nothing came is not missed. Measured types (M, P, R, I) must keep all promises. Computed ones
  need all slices of what they have, and may come once for all echoes, dynamics or directions (ADC_Map.PAR: 22 images
  for 3 b-values x 4 directions). Derived pictures may have other slices than promised (projections): never a "no".
- An attribute says what most images say: in 2201 six of 328 files contradict the others in (0020,0105).
- Positions are counted, not files: a slice that came twice does not stand for one that did not come.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import prod
from typing import Any, Final, NamedTuple

from mrdock.sorting.image_facts import (
    PRIVATE_VRS,
    WANTED,
    WANTED_PRIVATE,
    WANTED_PUBLIC,
    ImageFacts,
    facts_from,
)

__all__ = [
    "PRIVATE_VRS",
    "WANTED",
    "WANTED_PRIVATE",
    "WANTED_PUBLIC",
    "ImageFacts",
    "Verdict",
    "facts_from",
    "judge_series",
]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Is one form of a series whole? None: cannot be told. `text` says why, in one line without a patient's data.

    `have` counts images or frames, each position once; `promised` is None where the headers promise no one number.
    """

    whole: bool | None
    have: int
    promised: int | None
    text: str
    form: str = "classic"


def judge_series(images: Sequence[ImageFacts]) -> list[Verdict]:
    """One verdict for each form in which the series is present, in the order enhanced, classic, other."""
    judges = {"enhanced": _enhanced, "classic": _classic, "other": _other}
    found = {form: [i for i in images if i.form == form] for form in judges}
    return [replace(judge(found[form]), form=form) for form, judge in judges.items() if found[form]]


def _other(images: Sequence[ImageFacts]) -> Verdict:
    counts = sorted(Counter(i.what for i in images).items())
    return Verdict(None, len(images), None, ", ".join(_n(count, what) for what, count in counts))


_NUMBERS: Final = (("echoes", "echo"), ("dynamics", "dynamic"), ("phases", "phase"), ("labels", "label type"))
_PROMISES: Final = ("slices", *(name for name, _ in _NUMBERS), "b_values", "directions", "acquired")
_MEASURED: Final = frozenset({"M", "P", "R", "I"})
_NOTHING: Final = "the headers promise nothing to compare with"
_STOPPED: Final = "; the scan may have been stopped"


def _promise(images: Sequence[ImageFacts]) -> ImageFacts:
    """The promise that most images make, number by number; of two equally frequent ones the larger."""
    counts = {name: Counter(getattr(i, name) for i in images) for name in _PROMISES}
    return ImageFacts(**{name: max((n, value) for value, n in c.items())[1] for name, c in counts.items()})


def _product(promise: ImageFacts, *more: str) -> str:
    numbers = [_n(n, word) for name, word in _NUMBERS if (n := getattr(promise, name)) > 1]
    return " x ".join([_n(promise.slices, "slice"), *numbers, *filter(None, more)])


def _n(count: int, word: str) -> str:
    return f"{count} {_plural(word) if count != 1 else word}"


def _plural(word: str) -> str:
    return f"{word}es" if word == "echo" else f"{word}s"


def _spans(numbers: Iterable[int]) -> str:
    """Numbers as ranges, the first four: 1-6, 9."""
    spans: list[list[int]] = []
    for number in sorted(set(numbers)):
        if not spans or number != spans[-1][1] + 1:
            spans.append([number, number])
        spans[-1][1] = number
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in spans]
    return ", ".join([*shown[:4], "..."] if len(shown) > 4 else shown)


def _unclear(have: int, what: str, why: str) -> Verdict:
    return Verdict(None, have, None, f"{_n(have, what)}; cannot tell: {why}")


def _enhanced(images: Sequence[ImageFacts]) -> Verdict:
    """Do the frames add up? A file is whole in itself: too few frames are a stopped scan or a partial export.

    Top-level elements say whether types of image are mixed (2001: MIXED, it has M and P), not how many there are:
    multiples of the promise are whole. Files without private elements (dicom2nifti's samples) promise nothing.
    """
    sizes: dict[object, int] = {}  # one for each part or file; what came twice falls together
    for i in images:
        part = (i.concatenation, i.part) if i.concatenation and i.part else i
        sizes[part] = max(i.frames, sizes.get(part, 0))
    frames, promise = sum(sizes.values()), _promise(images)
    for uid in sorted({i.concatenation for i in images} - {""}):
        here = {i.part for i in images if i.concatenation == uid}
        last = max(*here, *(i.parts for i in images if i.concatenation == uid))
        if 0 not in here and len(here) < last:
            return Verdict(False, frames, None, f"{_n(frames, 'frame')}: only parts {_spans(here)} of {last} here")
    if not promise.slices or not all(sizes.values()):
        return _unclear(frames, "frame", _NOTHING)
    components = {i.component for i in images}
    types = 2 if "MIXED" in components else 1
    planned = _product(promise)
    if promise.b_values > 1 or promise.directions > 1:
        whole, promised = _diffusion_frames(frames, promise, types)
        planned += f", {_n(promise.b_values, 'b-value')}, {_n(promise.directions, 'gradient number')}"
    else:
        whole, promised = _plain_frames(frames, promise, types, components <= {"MAGNITUDE", "MIXED"})
    if whole:
        of_types = f" x {_n(frames // promised, 'type')}" if promised and frames > promised else ""
        return Verdict(True, frames, frames, f"{_n(frames, 'frame')}: {planned}{of_types}")
    if len(sizes) < len(images):
        return _unclear(frames, "frame", "files that are alike may be repeats or parts")
    if whole is None or any(i.derived for i in images):
        return _unclear(frames, "frame", f"does not compare with {planned}")
    of, stopped = f" of {promised}" if promised else "", _STOPPED if promise.dynamics > 1 else ""
    return Verdict(False, frames, promised, f"{frames}{of} frames: {planned} promised{stopped}")


def _plain_frames(frames: int, p: ImageFacts, types: int, plain: bool) -> tuple[bool | None, int | None]:
    """Whole or not, and how many frames were promised for one type if whole, for all that are certain if not."""
    times = p.dynamics * p.phases
    one_echo = p.slices * times * p.labels
    once = one_echo * p.echoes
    if frames >= types * once and frames % once == 0:
        return True, once
    if frames >= once:  # perhaps with maps that come once for all echoes, or for all dynamics
        maps = types > 1 and times == 1 and frames > once and frames % one_echo == 0
        if maps:
            return True, None
        return (None if frames % p.slices == 0 else False), max(types, -(-frames // once)) * once
    mean = frames * times == once and times > 1 and not plain
    return None if mean or (p.echoes > 1 and frames % one_echo == 0) else False, types * once


def _diffusion_frames(frames: int, p: ImageFacts, types: int) -> tuple[bool | None, int | None]:
    """As above. A plan has b=0, all directions for each other b-value, and perhaps a trace image for each of these.

    A table of the user's has one direction less than promised, shared out among the b-values (2301 and the table of
    dcm_qa_philips_dwi); then, as for isotropic images only, the frames do not compare.
    """
    shells, directions = max(p.b_values - 1, 1), max(p.directions - 1, 1)
    once = p.slices * prod(getattr(p, name) for name, _ in _NUMBERS)
    plan = 1 + shells * directions
    volumes, rest = divmod(frames, once)
    if not rest and any(volumes in (t * plan, t * (plan + shells)) for t in ((1,) if types == 1 else (2, 3, 4))):
        return True, None
    if volumes >= directions or (not rest and volumes <= p.b_values):
        return None, None
    return False, types * plan * once if shells == 1 else None


class _At(NamedTuple):
    """Where a volume stands in its series."""

    echo: int
    dynamic: int
    phase: int
    label: str
    step: tuple[int, int, int, int]
    """Numbers of b-value and gradient orientation, place in a user's table, b-value where it has no number."""


class _Type:
    """The images of one type: their volumes, what is missing (`gaps`) and what does not compare (`odd`)."""

    def __init__(self, images: Sequence[ImageFacts], measured: bool, beside_measured: bool) -> None:
        self.promise, self.measured, self.derived = _promise(images), measured, images[0].derived
        self.lone_is_map = beside_measured and self.promise.slices > 1  # of one slice, a map looks like a loss
        self.gaps: list[str] = []
        self.odd: list[str] = []
        numbers, pairs = {i.slice for i in images}, {(i.slice, i.position) for i in images}
        # Numbers before positions: release 3.2 can give one slice several positions.
        by_position = 0 in numbers or len(numbers) < self.promise.slices == len(pairs)
        self.volumes: dict[_At, Counter[Any]] = defaultdict(Counter)
        for i in images:
            at = _At(i.echo, i.dynamic, i.phase, i.label, (i.b, i.g, i.order, i.b_value))
            self.volumes[at][(i.slice, i.position) if by_position else i.slice] += 1
        self.have = sum(map(len, self.volumes.values()))
        self.seen = [set(column) for column in zip(*self.volumes, strict=True)]
        planned = [self._number(*number, seen) for number, seen in zip(_NUMBERS, self.seen[:4], strict=True)]
        self.steps = self._diffusion() if measured else len(self.seen[4])
        self.plan = replace(self.promise, **dict(planned))
        self.promised = self.steps and self.promise.slices * self.steps * prod(n for _, n in planned)
        self._slices()
        self._grid()

    @property
    def stopped(self) -> bool:
        """Whether the dynamics end early, all but the last of them whole."""
        here, promised = self.seen[1], self.promise.dynamics
        short = {at.dynamic for at, slices in self.volumes.items() if len(slices) < self.promise.slices}
        early = promised > 1 and (len(here) < promised or bool(short))
        return bool(self.gaps) and early and here == set(range(1, len(here) + 1)) and short <= {len(here)}

    def _number(self, name: str, word: str, seen: set[Any]) -> tuple[str, Any]:
        """Echoes, dynamics, phases or label types: how many there should be."""
        promised, here = getattr(self.promise, name), len(seen)
        lone_is_fine = not self.measured and (name in ("echoes", "labels") or self.lone_is_map)
        if here == promised or (here == 1 and lone_is_fine):
            return name, here
        lone_is_odd = name == "echoes" or not self.measured or 1 not in seen  # a mean, or one of a series split up
        if here > promised or name == "labels" or not seen.isdisjoint({0, ""}):
            self.odd.append(f"{_n(here, word)} where the headers promise {promised}")
        elif self.derived or (here == 1 and lone_is_odd):
            self.odd.append(f"{_n(here, word)} of {promised} here")
        else:
            self.gaps.append(f"{_plural(word) if here > 1 else word} {_spans(seen)} here")
        return name, promised

    def _diffusion(self) -> int | None:
        """How many diffusion volumes there should be, where that can be told.

        Directions are numbered from 1 for each b-value, b=0 and the trace have the last number (2201: 17 for 16
        directions; nibabel's DTI.PAR). In a user's table, which has an order from release 5.6 on, numbers run through
        all b-values and the last one is not used (2301). In between, b-values have the same directions or none in
        common; more cannot be told. Isotropic images alone have the last number only: the scanner may have been told
        to keep no others.
        """
        b_values, last = self.promise.b_values, self.promise.directions
        steps = self.seen[4]
        b_seen, g_seen = {step[0] for step in steps}, {step[1] for step in steps}
        if max(b_seen) > b_values or max(g_seen) > last or (0 in b_seen | g_seen and b_values * last * len(steps) > 1):
            self.odd.append("diffusion images that the headers do not number, or more than they promise")
            return None
        if last > 1 and g_seen == {last} and b_seen != {1}:
            self.odd.append("only isotropic diffusion images here")
            return None
        if len(b_seen) < b_values:
            self.gaps.append(f"{_n(len(b_seen), 'b-value')} of {b_values} here")
        directions = g_seen - {last}
        if len(directions) < last - 1:
            self.gaps.append(f"directions {_spans(directions) or 'none'} of {last - 1} here")
        if orders := {step[2] for step in steps} - {0}:
            if max(orders) > len(orders):
                self.odd.append("gaps in the order of the diffusion table")
            return max(len(steps), last - 1)
        shells = [shell for b in b_seen if (shell := {step[1] for step in steps if step[0] == b} - {last})]
        traces = {step[0] for step in steps if step[1] == last} - {1}
        shared_out = sum(map(len, shells)) == len(directions)
        if not (shared_out or all(a == b for a, b in pairwise(shells))) or (traces and traces != b_seen - {1}):
            self.odd.append("b-values with different directions")
        return last + len(traces) if b_values == 2 and last > 1 else b_values if last == 1 else None

    def _slices(self) -> None:
        """Every volume has all slices; what came twice must have come twice throughout, or it hides a dimension."""
        promised = self.promise.slices
        short = {at: set(slices) for at, slices in self.volumes.items() if len(slices) < promised}
        often = [max((n, times) for times, n in Counter(v.values()).items())[1] for v in self.volumes.values()]
        if any(len(slices) > promised for slices in self.volumes.values()):
            self.odd.append(f"more slices than the {promised} that the headers promise")
        if any(n > min(v.values()) for n, v in zip(often, self.volumes.values(), strict=True)):
            self.odd.append("some slices came more often than others")
        if not short:
            return
        at, here = min(short.items(), key=lambda item: item[0])
        if len(short) == len(self.volumes) and all(slices == here for slices in short.values()):
            numbers = all(isinstance(s, int) for s in here)
            why = f"slices {_spans(here)} here" if numbers else f"{_n(len(here), 'slice')} here"
        elif len(short) == 1:
            names = [f"{word} {at[k]}" for k, (_, word) in enumerate(_NUMBERS[:3]) if len(self.seen[k]) > 1]
            why = f"{', '.join(names) or 'one volume'} has {len(here)} of {promised} slices"
        else:
            why = f"{len(short)} of {len(self.volumes)} volumes lack slices"
        if self.derived:
            self.odd.append(f"of derived images {why}")
        else:
            self.gaps.append(why)

    def _grid(self) -> None:
        """Volumes that are missing within what came. A calibration image has one label, b=0 its own averages."""
        if prod(map(len, self.seen)) == len(self.volumes):
            return
        plain = {at[:3] for at in self.volumes}
        by_design = not self.measured or prod(map(len, self.seen[:3])) == len(plain)
        (self.odd if by_design else self.gaps).append("some volumes are missing")


def _classic(images: Sequence[ImageFacts]) -> Verdict:
    """The types of image of a classic series, each counted for itself."""
    if not any(i.slices for i in images):
        return _standard(images)
    groups = defaultdict(list)
    for i in images:
        groups[i.derived, i.type, i.sequence].append(i)
    measured = {key for key in groups if not key[0] and key[1].partition("\\")[0] in _MEASURED}
    keys = sorted(groups, key=lambda key: (key not in measured, key))
    types = [_Type(groups[key], key in measured, bool(measured)) for key in keys]
    have, promises = sum(t.have for t in types), [t.promised for t in types]
    promised = None if None in promises else sum(n for n in promises if n)
    gaps, odd = [why for t in types for why in t.gaps], [why for t in types for why in t.odd]
    if odd and not gaps:
        return _unclear(len(images), "image", odd[0])
    first, mixed = types[0], f"{len(types)} types" if len(types) > 1 else ""
    steps = "" if first.steps == 1 else _n(first.steps, "volume") if first.steps else "the diffusion volumes"
    planned = _product(first.plan, steps, mixed if len(set(promises)) == 1 else "")
    planned += f", {mixed}" if len(set(promises)) > 1 else ""
    if gaps:
        of, stopped = f" of {promised}" if promised else "", _STOPPED if any(t.stopped for t in types) else ""
        why = ", ".join(list(dict.fromkeys(gaps))[:3])
        return Verdict(False, have, promised, f"{have}{of} images: {planned} promised, {why}{stopped}")
    more = f"; {len(images) - have} more at the same positions" if len(images) > have else ""
    return Verdict(True, have, have, f"{_n(have, 'image')}: {planned}{more}")


def _standard(images: Sequence[ImageFacts]) -> Verdict:
    """What standard attributes promise: time points, and images of the acquisition.

    Some but not all of the time points, or some with fewer images, are not whole; a single one may be a series split
    up. How many slices there should be is not said. As many images as (0020,1002) says are whole; fewer need not be
    less: some scanners write the slices of one volume there, or the number that the source of a map had.
    """
    promise, numbers = _promise(images), {i.instance for i in images}
    have, promised = (len(images) if 0 in numbers else len(numbers)), promise.dynamics
    times: dict[int, set[Any]] = defaultdict(set)
    for i in images:
        times[i.dynamic].add((i.type, i.sequence, i.echo, i.b_value, i.position))
    numbered = 0 < min(times) <= max(times) <= promised and not any(i.derived for i in images)
    if promised > 1 and numbered:
        counts = Counter(map(len, times.values()))
        usual = max((n, count) for count, n in counts.items())[1]
        said = f"{_n(len(images), 'image')}: {promised} time points promised"
        if 1 < len(times) < promised:
            return Verdict(False, len(images), None, f"{said}, {_spans(times)} here{_STOPPED}")
        if len(times) > 1 and min(counts) < usual:
            return Verdict(False, len(images), None, f"{said}, some lack images")
        return _unclear(len(images), "image", f"{len(times)} of {promised} time points here, slices not promised")
    if have == promise.acquired:
        return Verdict(True, have, have, f"{_n(have, 'image')}, as many as the headers promise")
    return _unclear(len(images), "image", _NOTHING)
