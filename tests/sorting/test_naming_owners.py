"""Two studies never share a directory, nor two series: within a run, and with what a destination holds."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from mrdock.dicom.scan import Key
from mrdock.sorting import records as tags
from mrdock.sorting.naming import NO_STUDY, Claim, NameOptions, Owners, claim_of, names_of
from mrdock.sorting.records import ImageRecord
from tests.sorting.headers import ENHANCED_MR, PRESENTATION, RAW, Said, image, listed


def of(study: str, series: str = "1.2.3", **said: Said) -> ImageRecord:
    """An image of a study and a series; ``id`` and ``date`` are the study's, ``number`` the series'."""
    keys: dict[str, Key] = {
        "id": tags.STUDY_ID,
        "date": tags.STUDY_DATE,
        "time": tags.STUDY_TIME,
        "number": tags.SERIES_NUMBER,
    }
    keys |= {"description": tags.SERIES_DESCRIPTION, "slice": tags.SLICE, "patient": tags.PATIENT_ID}
    usual: dict[Key, Said] = {tags.SLICE: 1, tags.STUDY: study, tags.SERIES: series}
    return image(usual | {keys[k]: v for k, v in said.items()})


def test_the_earlier_of_two_studies_with_one_number_has_it() -> None:
    later, earlier = of("1.1", date="20240102"), of("1.2", date="20240101")
    assert listed([later, earlier]) == ["12345_2/0301/0001", "12345/0301/0001"]


def test_the_later_keeps_the_number_that_it_has_at_the_destination() -> None:
    later, earlier = of("1.1", date="20240102"), of("1.2", date="20240101")
    there = Owners(studies={"12345": "1.1"})
    assert listed([later, earlier], None, there) == ["12345/0301/0001", "12345_2/0301/0001"]
    there = Owners(studies={"12345": "", "12345_7": "1.1"})
    assert listed([later, earlier], None, there) == ["12345_7/0301/0001", "12345_2/0301/0001"]
    there = Owners(studies={"12345_2": "1.2"})
    assert listed([later, earlier], None, there) == ["12345/0301/0001", "12345_2/0301/0001"]


def test_case_and_form_of_letters_make_no_other_study() -> None:
    assert listed([of("1.1", id="Anna"), of("1.2", id="ANNA")]) == ["Anna/0301/0001", "ANNA_2/0301/0001"]
    assert listed([of("1.1", id="e\u0301")], None, Owners(studies={"\u00c9": "1.9"})) == ["\u00e9_2/0301/0001"]


def test_a_study_whose_own_number_ends_in_2() -> None:
    images = [of("1.1", id="7"), of("1.2", id="7"), of("1.3", id="7_2")]
    assert listed(images) == ["7/0301/0001", "7_2/0301/0001", "7_2_2/0301/0001"]


def test_without_a_number_date_and_time_name_a_study() -> None:
    assert listed([of("1.1", id="", date="20210902", time="121816.5")]) == ["20210902_121816/0301/0001"]
    assert listed([of("1.1", id=" / ", date="20210902")]) == ["20210902/0301/0001"]
    assert listed([of("1.1", id="")]) == ["unknown/0301/0001"]


def test_names_that_mean_something_at_a_destination_are_no_studies() -> None:
    assert listed([of("1.1", id="bad"), of("1.2", id="Info")]) == ["bad_/0301/0001", "Info_/0301/0001"]


def test_studies_without_uid_stay_apart_by_patient() -> None:
    images = [of("", patient="A"), of("", patient="B"), of("", patient="A", slice=2)]
    names = listed(images)
    assert sorted({name.split("/")[0] for name in names}) == ["12345", "12345_2"]
    assert names[0].split("/")[0] == names[2].split("/")[0]
    assert {name.warning for name in names_of(images).values()} == {NO_STUDY}


def test_another_series_with_the_same_number() -> None:
    images = [of("1.1", "1.1.8"), of("1.1", "1.1.7"), of("1.2", "1.2.9", id="6")]
    assert listed(images) == ["12345/0301_2/0001", "12345/0301/0001", "6/0301/0001"]
    there = Owners(studies={"12345": "1.1"}, series={("12345", "0301"): "1.1.8"})
    assert listed(images[:2], None, there) == ["12345/0301/0001", "12345/0301_2/0001"]
    flat = NameOptions(flat=True)
    assert listed(images, flat) == ["12345_0301_2_0001", "12345_0301_0001", "6_0301_0001"]


def test_series_numbers_of_all_kinds() -> None:
    said: dict[int | str, str] = {1: "0001", 20501: "20501", -5: "n0005", 0: "0000", "": "0000"}
    for number, name in said.items():
        assert listed([of("1.1", number=number)]) == [f"12345/{name}/0001"]


def test_descriptions_in_the_names_of_series() -> None:
    described = NameOptions(series_description=True)
    one, two = of("1.1", "1.1.7", description="T1W/3D TFE"), of("1.1", "1.1.8", description="2 echoes")
    assert listed([one, two], described) == ["12345/0301_T1W_3D_TFE/0001", "12345/0301_2_2_echoes/0001"]
    there = Owners(series={("12345", "0301_T1W"): "1.1.9"})
    assert listed([one], described, there) == ["12345/0301_2_T1W_3D_TFE/0001"]
    assert listed([one], described, Owners(series={("12345", "0301_T1W_3D_TFE"): "1.1.7"})) == listed([one], described)
    assert listed([one], NameOptions(series_description=True, flat=True)) == ["12345_0301_0001"]


def test_two_series_described_at_the_destination_do_not_share_a_plain_directory() -> None:
    there = Owners(series={("12345", "0301_a"): "1.1.7", ("12345", "0301_b"): "1.1.8"})
    names = listed([of("1.1", "1.1.7"), of("1.1", "1.1.8")], None, there)
    assert names == ["12345/0301/0001", "12345/0301_2/0001"]


def test_what_a_file_at_the_destination_claims() -> None:
    record = of("1.1", "1.1.7")
    claim = Claim("12345_2", "1.1", "0301_T1W", "1.1.7")
    assert claim_of("12345_2/0301_T1W/0001.dcm", record) == claim
    assert claim_of("notes", record) is None
    assert claim_of("12345/notes", record) is None
    assert claim_of("12345_0301_0001_0002.dcm", record, flat=True) == Claim("12345", "1.1", "0301", "1.1.7")
    assert claim_of("12345_2_0301_3_0001", record, flat=True) == Claim("12345_2", "1.1", "0301_3", "1.1.7")
    assert claim_of("IM_0001", record, flat=True) is None
    state = image({tags.STUDY: "1.1"}, PRESENTATION)
    assert claim_of("12345/0301/ps_0001", state) == Claim("12345", "1.1", "", "")
    assert claim_of("12345_0301_ps_0001", state, flat=True) == Claim("12345", "1.1", "", "")


@given(
    st.lists(
        st.tuples(st.sampled_from("123"), st.sampled_from(["7", "7_2", "A", "a"]), st.sampled_from([1, 2, 3])),
        min_size=1,
        max_size=12,
    ),
    st.booleans(),
    st.randoms(use_true_random=False),
)
def test_names_claimed_by_one_run_hold_in_the_next(
    rows: list[tuple[str, str, int]], flat: bool, random_: random.Random
) -> None:
    label_of = {uid: label for uid, label, _ in rows}
    images = [
        of(f"1.{uid}", f"1.{uid}.{number}", id=label_of[uid], number=number % 2)
        for uid, number in sorted({(uid, number) for uid, _, number in rows})
    ]
    some = random_.sample(images, random_.randint(1, len(images)))
    options = NameOptions(flat=flat)
    studies: dict[str, str] = {}
    series: dict[tuple[str, str], str] = {}
    before = names_of(some, options)
    for record in some:
        claim = claim_of(before[record.path].path, record, flat)
        assert claim is not None
        assert studies.setdefault(claim.study, claim.study_uid) == claim.study_uid
        assert series.setdefault((claim.study, claim.series), claim.series_uid) == claim.series_uid
    after = names_of(images, options, Owners(studies, series))
    for path, name in before.items():
        assert after[path].path == name.path
    for record in images:
        name = after[record.path]
        assert studies.setdefault(name.study, record.study_uid) == record.study_uid
        assert series.setdefault((name.study, name.series), record.series_uid) == record.series_uid


# ---- files that are no images, and Enhanced ones ----


def other(sop_class: str, series: str = "1.2.3", uid: str = "", **said: int) -> ImageRecord:
    keys = {"number": tags.SERIES_NUMBER, "instance": tags.INSTANCE, "part": tags.PART}
    usual: dict[Key, Said] = {tags.SERIES: series}
    return image(usual | {keys[name]: value for name, value in said.items()}, sop_class, uid)


def test_enhanced_files_are_counted() -> None:
    parts = [other(ENHANCED_MR, part=3), other(ENHANCED_MR, part=1), other(ENHANCED_MR, part=2)]
    assert listed(parts) == ["12345/0301/enhanced_3", "12345/0301/enhanced", "12345/0301/enhanced_2"]
    assert listed(parts, NameOptions(flat=True, suffix=True))[0] == "12345_0301_enhanced_3.dcm"
    assert {name.warning for name in names_of(parts).values()} == {""}


def test_what_is_at_the_destination_has_its_number_already() -> None:
    one, two = other(ENHANCED_MR, uid="1.9.1"), other(ENHANCED_MR, uid="1.9.2")
    there = Owners(files={"12345/0301/enhanced": "1.9.2"})
    assert listed([one], None, there) == ["12345/0301/enhanced_2"]
    assert listed([one, two], None, there) == ["12345/0301/enhanced_2", "12345/0301/enhanced"]


def test_presentation_states_go_where_the_images_of_their_number_are() -> None:
    picture = image({tags.SLICE: 1, tags.SERIES_DESCRIPTION: "T1W"})
    states = [other(PRESENTATION, "1.2.4", instance=2), other(PRESENTATION, "1.2.5", instance=1)]
    assert listed([picture, *states]) == ["12345/0301/0001", "12345/0301/ps_0002", "12345/0301/ps_0001"]
    described = NameOptions(series_description=True)
    assert listed([picture, *states], described)[1] == "12345/0301_T1W/ps_0002"
    assert listed(states[:1]) == ["12345/0301/ps_0001"]
    there = Owners(studies={"12345": "1.2"}, series={("12345", "0301_T1W"): "1.2.3"})
    assert listed(states[:1], None, there) == ["12345/0301_T1W/ps_0001"]


def test_raw_data_stays_with_its_own_series() -> None:
    first, second = image({tags.SLICE: 1, tags.SERIES: "1.2.7"}), image({tags.SLICE: 1, tags.SERIES: "1.2.8"})
    raw = other(RAW, "1.2.8")
    assert listed([first, second, raw]) == ["12345/0301/0001", "12345/0301_2/0001", "12345/0301_2/raw"]
    there = Owners(studies={"12345": "1.2"}, series={("12345", "0301"): "1.2.7", ("12345", "0301_2"): "1.2.8"})
    assert listed([raw], None, there) == ["12345/0301_2/raw"]
    assert listed([raw, other(RAW, "1.2.8")]) == ["12345/0301/raw", "12345/0301/raw_2"]


def test_a_dicomdir_belongs_to_no_study() -> None:
    directory = image({tags.STUDY: "", tags.SERIES: ""}, tags.DICOMDIR)
    assert listed([directory], NameOptions(suffix=True)) == ["DICOMDIR"]
    assert names_of([directory])[directory.path].info == ""
