"""A study's record, ``.mrdock-study``, as a start of the dock and ``mrdock reindex`` read it."""

from __future__ import annotations

from collections.abc import Iterable

from fuzz.bench import bench, listening
from fuzz.target import Target
from fuzz.traffic import Traffic, wrong_types
from mrdock.dock import queries, record
from mrdock.dock.reconcile import reconcile
from tests.dock.support import STUDY, names_in


def check(data: bytes) -> None:
    """Whatever it says, the images stay, and the study is in the index where the record does not say it is another."""
    place = bench()
    (name,) = place.store.study_names()
    directory = place.store.root / name
    images = names_in(directory)
    (directory / record.NAME).write_bytes(data)
    place.index.clear()
    with listening() as said:
        reconcile(place.store, place.index, place.settings, place.now)
    assert not said, said
    assert names_in(directory) == images == ["MR.1.2.3.1.1", "MR.1.2.3.1.2"]
    row = queries.study(place.index, STUDY)
    if row is not None:
        known = {image.name: image for image in queries.instances_of(place.index, STUDY)}
        assert known.keys() >= set(images)
        assert all(known[image].taken is None for image in images)


def seeds(traffic: Traffic) -> Iterable[bytes]:
    """The records that the dock wrote, those of the study here, and lines of each kind."""
    yield from traffic.records
    first = record.first_line(STUDY)
    yield first
    for content in traffic.records:
        for line in content.splitlines(keepends=True)[1:]:
            yield first + line
    name, at = '"names":["MR.1.2.3.1.1"]', '"at":"2026-01-05T10:00:00.000000+00:00"'
    for event in (
        f'{{"event":"routed",{at},{name}}}',
        f'{{"event":"taken",{at},{name},"images":[{{"series":"1.2.3.1"}}]}}',
        f'{{"event":"asked",{at},"again":[],"path":null}}',
        f'{{"event":"route",{at},"series":"1.2.3.1","path":"/a","asked":false,"state":"held","reason":"","suggestion":""}}',
        f'{{"event":"complete",{at},"looks":"[]"}}',
    ):
        yield first + event.encode() + b"\n"
        yield from (first + changed + b"\n" for changed in wrong_types(event.encode()))


TARGET = Target(
    check,
    seeds,
    words=(b'"event":"', b'"at":"', b'"names":[', b'"study":"1.2.3"', b"null", b"\\ud800", b"1e999", b"[[", b"\n{"),
)
