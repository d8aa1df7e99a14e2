"""The window's sentences."""

from __future__ import annotations

from mrdock.gui.words import plan_sentence, result_sentence
from mrdock.sorting.move_plan import Counts, LeftFile, MoveOptions, MovePlan, MoveResult


def test_an_empty_plan_says_so() -> None:
    assert plan_sentence(MovePlan(MoveOptions(), ())) == "No DICOM files found."
    plan = MovePlan(MoveOptions(), (), left=(LeftFile("a", "grows"),), not_dicom=2)
    assert plan_sentence(plan) == "No DICOM files found (1 stays, 2 files that are no DICOM)."


def test_results() -> None:
    counts = Counts(done=5, beside=1, same=2, in_place=3, bad=1, left=1)
    result = MoveResult(counts, (LeftFile("a", "grows"),), (("a", "a_2"),), "journal")
    assert result_sentence(result, MoveOptions(copy=True)) == (
        "6 files copied, 2 there already, 1 of them beside others, with a number, 3 in place before, "
        "1 invalid, now in bad, 1 left where it was. Undo puts everything back."
    )
    assert result_sentence(MoveResult(Counts(done=1), (), (), ""), None) == "1 file put back."
