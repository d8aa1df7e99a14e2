"""Words that the log and the commands share."""

from __future__ import annotations


def counted(number: int, word: str) -> str:
    """A number and its noun: "1 image", "2 images", "1 study", "2 studies"."""
    if number == 1:
        return f"1 {word}"
    plural = word[:-1] + "ies" if word.endswith("y") else word if word.endswith("s") else word + "s"
    return f"{number} {plural}"
