"""From records to a plan: which directory, which name, which info file, and what a person should know before."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from mrdock.errors import DicomError
from mrdock.files.locations import canonical
from mrdock.sorting import series_info
from mrdock.sorting.destination_owners import flat_owners_at, owners_at, there
from mrdock.sorting.finding import BAD, Entry
from mrdock.sorting.locating import usable
from mrdock.sorting.move_plan import (
    InfoFile,
    LeftFile,
    MoveOptions,
    MovePlan,
    PlannedFile,
    PlannedSeries,
    PlannedStudy,
)
from mrdock.sorting.move_reading import Input
from mrdock.sorting.naming import NameOptions, Owners, PlannedName, names_of
from mrdock.sorting.records import ImageRecord

_KINDS: Final = {"image": 0, "enhanced": 1, "other": 2}

SeriesKey = tuple[str, str, str, str]
"""Study and Series Instance UID, the directory it goes below, and the name of the series."""


@dataclass(slots=True)
class _Series:
    """What is gathered of a series while files are given their names."""

    record: ImageRecord
    name: PlannedName
    files: list[PlannedFile] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)


def make_plan(options: MoveOptions, found: Input) -> MovePlan:
    """The plan for what was read; ``options`` has absolute paths. Looks at the destinations, changes nothing."""
    below, warned = _roots(options, found.records)
    series: dict[SeriesKey, _Series] = {}
    for root, members in below.items():
        names = names_of(members, _name_options(options), _owners_at(root, options, members))
        _gather(series, members, names, root, options, found.changed)
    for key, one in series.items():
        one.warnings |= dict.fromkeys(warned.get(key[1], ()))
    leave_bad = options.leave_bad or options.unmove
    return MovePlan(
        options=options,
        studies=_studies(series, options),
        bad=() if leave_bad else tuple(_bad_files(options, found.bad)),
        left=(*found.left, *(LeftFile(entry.path, f"invalid: {why}") for entry, why in found.bad if leave_bad)),
        not_dicom=found.not_dicom,
        warnings=_about_directories(found.directories),
        roots=tuple(dict.fromkeys([options.source if options.rename else options.destination, *below])),
        free=() if options.unmove else tuple(_free(series, options)),
    )


def _about_directories(paths: Sequence[str]) -> tuple[str, ...]:
    if len(paths) < 2:
        return tuple(f"{path}: stays; it lists files by the names they had" for path in paths)
    return (f"{paths[0]} and {len(paths) - 1} more DICOMDIR stay; they list files by the names they had",)


def _name_options(options: MoveOptions) -> NameOptions:
    return NameOptions(
        flat=options.flat or options.rename,
        series_description=options.series_description,
        suffix=options.dcm,
        anatomic=options.by_number,
        unmove=options.unmove,
    )


def _owners_at(root: str, options: MoveOptions, members: Sequence[ImageRecord]) -> Owners | None:
    if options.unmove:
        return None
    if options.rename:
        return flat_owners_at(dict.fromkeys(os.path.dirname(record.path) for record in members), members)
    return flat_owners_at([root], members) if options.flat else owners_at(root, members)


def _free(series: Mapping[SeriesKey, _Series], options: MoveOptions) -> Iterable[tuple[str, str]]:
    """The names of studies and series that are nobody's yet, with the UID of the study that will have them."""
    flat = options.flat or options.rename
    wanted: dict[str, str] = {}
    for (uid, _, root, _), one in series.items():
        above = os.path.dirname(one.files[0].target) if options.rename else root
        study, both = one.name.study, (one.name.study, one.name.series)
        wanted[os.path.join(above, study)] = uid
        wanted[os.path.join(above, "_".join(both) if flat else os.path.join(*both))] = uid
    taken = set(there(wanted, flat=flat))
    return ((uid, path) for path, uid in wanted.items() if path not in taken)


# ---- where to ----


def _roots(
    options: MoveOptions, found: Sequence[ImageRecord]
) -> tuple[dict[str, list[ImageRecord]], dict[str, list[str]]]:
    """The files by the directory that they go below, and warnings about locations by Series Instance UID.

    A series goes as a whole: by the one location that its headers name, else to the destination.
    """
    if options.ignore_location or options.rename or options.unmove:
        return ({options.destination: list(found)} if found else {}), {}
    said: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for record in found:
        if (location := record.location) is not None:
            said[record.series_key][canonical(location)] = None
    root_of: dict[str, str] = {}
    spelled = {os.path.realpath(options.destination): options.destination}  # one directory has one owner of a name
    warned: dict[str, list[str]] = {}
    checked: dict[str, str | ValueError] = {}
    for series, locations in said.items():
        chosen = _chosen(tuple(locations), checked)
        if isinstance(chosen, str):
            root_of[series] = spelled.setdefault(os.path.realpath(chosen), os.path.abspath(chosen))
        else:
            warned[series] = [f"the header's location is not used: {chosen}"]
    below: defaultdict[str, list[ImageRecord]] = defaultdict(list)
    for record in found:
        below[root_of.get(record.series_key, options.destination) if root_of else options.destination].append(record)
    return dict(below), warned


def _chosen(locations: Sequence[str], checked: dict[str, str | ValueError]) -> str | ValueError:
    """The one directory that is named, or what is wrong."""
    if len(locations) > 1:
        return ValueError("the images of the series name different ones")
    (location,) = locations
    if location not in checked:
        try:
            checked[location] = usable(location)
        except ValueError as error:
            checked[location] = error
    return checked[location]


# ---- names ----


def _gather(
    series: dict[SeriesKey, _Series],
    members: Iterable[ImageRecord],
    names: Mapping[str, PlannedName],
    root: str,
    options: MoveOptions,
    changed: Mapping[str, int],
) -> None:
    """Give each file its target, and put it with its series; ``changed``: when each was (mtime in ns), by its path."""
    begin = os.path.join(root, "")
    for record in members:
        name = names[record.path]
        key = (name.study_uid, name.series_uid, root, name.series)
        one = series.get(key)
        if one is None:
            one = series[key] = _Series(record, name)
        path = name.path if os.sep == "/" else name.path.replace("/", os.sep)
        above = os.path.join(os.path.dirname(record.path), "") if options.rename else begin
        when = changed.get(record.path, -1)
        one.files.append(PlannedFile(record.path, above + path, record.size, name.kind.value, "", when))
        if name.warning:
            one.warnings[name.warning] = None


def _bad_files(options: MoveOptions, bad: Iterable[tuple[Entry, str]]) -> Iterable[PlannedFile]:
    """Where invalid files go; of several with the same name the later ones get a number."""
    above = os.path.join(options.source if options.rename else options.destination, BAD)
    taken: dict[str, int] = {}
    for entry, reason in bad:
        name = os.path.basename(entry.path)
        number = taken[name.casefold()] = taken.get(name.casefold(), 0) + 1
        target = os.path.join(above, name if number == 1 else f"{name}_{number}")
        yield PlannedFile(entry.path, target, entry.size, "bad", reason, entry.changed)


# ---- studies and series ----


def _studies(series: Mapping[SeriesKey, _Series], options: MoveOptions) -> tuple[PlannedStudy, ...]:
    of_study: defaultdict[str, list[_Series]] = defaultdict(list)
    for key, one in series.items():
        of_study[key[0]].append(one)
    studies = [_study(uid, members, options) for uid, members in of_study.items()]
    return tuple(sorted(studies, key=lambda study: (study.date, study.time, study.name, study.uid)))


def _study(uid: str, members: list[_Series], options: MoveOptions) -> PlannedStudy:
    members.sort(key=lambda one: (one.record.series_number is None, one.record.series_number or 0, one.name.series))
    first = members[0].record
    return PlannedStudy(
        uid=uid,
        name=members[0].name.study or first.study_id or uid,
        date=series_info.date(first.study_date),
        time=series_info.clock(first.study_time),
        description=first.study_description,
        patient_name=first.patient_name,
        patient_id=first.patient_id,
        series=tuple(_one_series(one, options) for one in members),
    )


def _one_series(one: _Series, options: MoveOptions) -> PlannedSeries:
    record, number = one.record, one.record.series_number
    files = sorted(one.files, key=lambda file: file.target)
    return PlannedSeries(
        uid=one.name.series_uid,
        name=one.name.series or ("" if number is None else f"{number:04d}"),
        number="" if number is None else str(number),
        description=record.series_description,
        protocol=record.protocol,
        directory=os.path.dirname(files[0].target),
        files=tuple(files),
        info=_info(one, files, options),
        warnings=tuple(one.warnings),
    )


def _info(one: _Series, files: Sequence[PlannedFile], options: MoveOptions) -> InfoFile | None:
    """The info file of a series that has none yet."""
    if options.no_info or options.unmove:
        return None
    target = os.path.join(os.path.dirname(files[0].target), os.path.basename(one.name.info))
    if series_info.is_there(target):
        return None
    example = min(files, key=lambda file: _KINDS.get(file.kind, 3))
    with suppress(DicomError, OSError):
        return InfoFile(target, series_info.describe(example.source, os.path.basename(example.target)))
    return None
