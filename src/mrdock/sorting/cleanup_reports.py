"""Series that look incomplete, by what their own headers promise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from mrdock.errors import MrdockError
from mrdock.sorting.cleanup_plan import Remark
from mrdock.sorting.cleanup_units import Unit
from mrdock.sorting.records import ImageRecord
from mrdock.sorting.wholeness import Verdict, facts_from, judge_series


def incomplete(records: Sequence[ImageRecord], units: Sequence[Unit]) -> list[Remark]:
    """A remark for each form of a series that looks incomplete, with the place that it gets."""
    places: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for unit in units:
        if unit.series_uid:
            places[unit.series_uid].setdefault(unit.kind.lower(), unit.place)
    series: defaultdict[tuple[str, str], list[ImageRecord]] = defaultdict(list)
    for record in records:
        series[record.study_key, record.series_key].append(record)
    found = []
    for (_, uid), members in series.items():
        facts = [facts_from(record.text, record.number, record.sop_class) for record in members]
        for verdict in judge_series(facts):
            place = places[uid].get(verdict.form)
            if place is not None:
                found += [Remark(place, text) for text in _texts(verdict, members)]
    return found


def _texts(verdict: Verdict, members: Sequence[ImageRecord]) -> Iterator[str]:
    if verdict.whole is False:
        yield f"looks incomplete: {verdict.text}"
    elif verdict.whole is None and verdict.form == "enhanced":
        yield from filter(None, map(_by_dimensions, members))


def _by_dimensions(record: ImageRecord) -> str:
    """What an Enhanced file lacks by the dimensions of its own frames, where the header promises nothing."""
    from mrdock.enhanced.shortacq import check_acquisition

    try:
        found = check_acquisition(record.path).found
    except (MrdockError, OSError):
        return ""
    return f"looks incomplete: {', '.join(map(str, found.partial))}" if found.partial else ""
