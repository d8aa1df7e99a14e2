"""The judgement of `make soak`: what it calls flat, and what it finds in the store. The long run itself is no test."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import pytest

from benchmarks._flat import robust_slope, trend
from benchmarks._ledger import Image, Ledger, Study
from benchmarks._watch import HEAD, Sample, line
from mrdock.dock import store as store_module
from mrdock.dock.setting_values import Free
from mrdock.dock.store import StudyDirectories, open_store

COUNT = 900
TIMES = [2.0 * number for number in range(COUNT)]


def noise(seed: int) -> list[float]:
    random = Random(seed)
    return [random.gauss(0, 1) for _ in range(COUNT)]


def judged(values: list[float], bound: float = 5.0) -> bool:
    """Whether it grows."""
    found = trend("memory", TIMES[: len(values)], values, bound)
    assert found is not None
    return found.grows


def test_noise_is_flat() -> None:
    assert not judged([100 + value for value in noise(1)])


def test_what_falls_is_flat() -> None:
    assert not judged([100 - time / 50 for time in TIMES])


def test_warming_up_in_the_first_fifth_is_flat() -> None:
    assert not judged([100 - 40 * math.exp(-time / 60) + value for time, value in zip(TIMES, noise(2), strict=True)])


def test_short_peaks_are_flat() -> None:
    assert not judged([100 + (50 if number % 10 == 3 else 0) for number in range(COUNT)])


def test_a_creep_grows() -> None:
    """Seven from the first to the last sample are five from the second fifth to the last."""
    assert judged([100 + 9 * time / TIMES[-1] + value for time, value in zip(TIMES, noise(3), strict=True)])
    assert not judged([100 + 7 * time / TIMES[-1] for time in TIMES])


@pytest.mark.parametrize("share", [0.45, 0.6, 0.85])
def test_a_step_grows(share: float) -> None:
    assert judged([100.0 if number < share * COUNT else 106.0 for number in range(COUNT)])


def test_a_rise_before_a_late_fall_grows() -> None:
    """The last fifth happens to be low, the slope knows better."""
    assert judged([100 + 20 * min(time / TIMES[-1], 0.78) - (12 if time > 0.8 * TIMES[-1] else 0) for time in TIMES])


def test_a_few_samples_say_nothing() -> None:
    assert trend("memory", TIMES[:19], [1.0] * 19, 5) is None
    assert trend("memory", TIMES[:20], [1.0] * 20, 5) is not None


def test_what_is_said() -> None:
    said = str(trend("memory MB", TIMES, [100 + 20 * time / TIMES[-1] for time in TIMES], 5))
    assert said.startswith("memory MB: grows (second fifth 106.0, last fifth 118.0, slope +12.0")


def test_the_slope_of_long_and_of_empty_runs() -> None:
    assert robust_slope([], []) == 0.0
    assert robust_slope([1.0, 1.0], [1.0, 2.0]) == 0.0
    many = [float(number) for number in range(10_000)]
    assert robust_slope(many, [3 * number + 1 for number in many]) == pytest.approx(3.0)


def test_a_row_of_the_table() -> None:
    samples = [
        Sample(60.0 + n, 1000 + n, 2048, 1024, (256,) * 4, 70 + n, 4, lag, 0, 0, 0)
        for n, lag in enumerate([1.0, -1.0, 9.0])
    ]
    assert line(samples) == "| 1 | 1,002 | 2.0 | 1.0 | 71 | 4 | 5 (9) |"
    assert HEAD.splitlines()[0].count("|") == line(samples).count("|")
    assert line(samples[1:2]).endswith("| -1 (-1) |"), "nobody answered"


# ---- what grew ----


def test_a_worker_remembers_so_many_studies_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those it has forgotten are found again, under the same name."""
    monkeypatch.setattr(store_module, "_MOST_NAMES", 3)
    store = open_store(tmp_path / "store", Free(share=0.0), create=True)
    try:
        directories = StudyDirectories(store)
        names = []
        for number in [0, 1, 2, 3, 4, 0]:
            directory = directories.acquire(f"1.2.{number}", "20260105", "101500")
            names.append(directory.name)
            directories.release(directory)
        assert len(directories._names) == 3
        assert names[0] == names[-1]
        assert len(list(store.study_names())) == len(set(names)) == 5
    finally:
        store.close()


# ---- the books ----


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    (tmp_path / "store").mkdir()
    return Ledger(tmp_path / "scanners", tmp_path / "store", tmp_path / "root", 60.0)


def stored(ledger: Ledger, study: Study, images: list[Image]) -> Path:
    """Put images where the dock would."""
    folder = study.place(ledger.store)
    folder = folder.with_name(f"20260105_101500_{folder.name[-8:]}")
    folder.mkdir(exist_ok=True)
    for image in images:
        (folder / f"MR.{image.kept[0]}").write_bytes(image.file.path.read_bytes())
    return folder


def test_what_is_there_is_found(ledger: Ledger) -> None:
    study = ledger.make(Random(1))
    stored(ledger, study, study.images)
    ledger.acknowledge(study, *study.images)
    ledger.close(study)
    assert ledger.look_at_the_end(study.began - 1) == (1, len(study.images))
    assert (ledger.problems, ledger.found, ledger.answered) == ([], len(study.images), len(study.images))


def test_a_lost_image_is_missed(ledger: Ledger) -> None:
    study = ledger.make(Random(1))
    stored(ledger, study, study.images[1:])
    ledger.acknowledge(study, *study.images)
    ledger.close(study)
    assert [problem.split(" of ")[0] for problem in ledger.problems] == ["1"]
    assert ledger.found == len(study.images) - 1


def test_a_changed_image_is_missed(ledger: Ledger) -> None:
    study = ledger.make(Random(1))
    folder = stored(ledger, study, study.images)
    path = folder / f"MR.{study.images[0].kept[0]}"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    ledger.acknowledge(study, *study.images)
    ledger.look_at_the_end(study.began - 1)
    assert len(ledger.problems) == 1


def test_what_was_not_acknowledged_is_not_missed(ledger: Ledger) -> None:
    study = ledger.make(Random(1))
    ledger.acknowledge(study, study.images[0])
    stored(ledger, study, study.images[:1])
    ledger.close(study)
    assert ledger.problems == []


def test_what_has_expired_may_be_gone_and_must_be_gone(ledger: Ledger) -> None:
    gone, stays = ledger.make(Random(1)), ledger.make(Random(2))
    stored(ledger, stays, stays.images)
    for study in (gone, stays):
        ledger.acknowledge(study, *study.images)
    ledger.look_at_the_end(stays.last + 1)
    assert ledger.problems == [f"{stays.uid} is older than the retention, and is still there"]


def test_copies_are_looked_for_and_taken_away(ledger: Ledger) -> None:
    study = ledger.make(Random(3))
    study.destination = ledger.root / "there"
    stored(ledger, study, study.images)
    ledger.acknowledge(study, *study.images)
    ledger.close(study)
    ledger.look_for_copies()
    assert ledger.waiting == [study], "there is time left"
    study.last -= 1000
    ledger.look_for_copies()
    assert (ledger.waiting, ledger.copied, len(ledger.problems)) == ([], 0, 1)
