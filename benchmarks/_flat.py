"""Whether a figure stays level over a run: medians of two fifths, and a slope that single outliers do not move."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import Final

FEWEST: Final = 20
"""Fewer samples than these say nothing about a trend."""

_POINTS: Final = 300


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure in the second and the last fifth of a run, and its robust rise over what was judged."""

    name: str
    early: float
    late: float
    rise: float
    """What the slope makes of the time between the middles of both fifths."""

    bound: float

    @property
    def grows(self) -> bool:
        """A step shows in the medians, a creep in the slope: either is enough."""
        return max(self.late - self.early, self.rise) > self.bound

    def __str__(self) -> str:
        said = "grows" if self.grows else "flat"
        return (
            f"{self.name}: {said} (second fifth {self.early:.1f}, last fifth {self.late:.1f}, "
            f"slope {self.rise:+.1f} over that time; bound +{self.bound:g})"
        )


def trend(name: str, times: Sequence[float], values: Sequence[float], bound: float) -> Trend | None:
    """How a figure moved; None where there are too few samples to say. The first fifth is warming up."""
    count = len(values)
    if count < FEWEST:
        return None
    second, last = slice(count // 5, 2 * count // 5), slice(4 * count // 5, count)
    between = median(times[last]) - median(times[second])
    slope = robust_slope(times[count // 5 :], values[count // 5 :])
    return Trend(name, median(values[second]), median(values[last]), slope * between, bound)


def robust_slope(times: Sequence[float], values: Sequence[float]) -> float:
    """The median of the slopes between all pairs (Theil and Sen); long runs are thinned to medians of blocks first."""
    size = max(1, -(-len(values) // _POINTS))
    points = [
        (median(times[start : start + size]), median(values[start : start + size]))
        for start in range(0, len(values), size)
    ]
    slopes = [(b - a) / (after - before) for (before, a), (after, b) in combinations(points, 2) if after > before]
    return median(slopes) if slopes else 0.0
