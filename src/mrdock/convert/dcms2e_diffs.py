"""How a converted file differs from the one that the scanner would have sent, in the words of a user."""

from __future__ import annotations

from typing import Final, NamedTuple


class Difference(NamedTuple):
    """One kind of difference: what it is about, how the converted file has it, and the elements concerned."""

    about: str
    text: str
    tags: tuple[int, ...]


DIFFERENCES: Final = (
    Difference(
        "Meta header",
        "names mrdock, not the scanner, as the program that wrote the file; the scanner's title (AE) is missing.",
        (0x00020000, 0x00020003, 0x00020012, 0x00020013, 0x00020016),
    ),
    Difference("Creation date and time", "are those of the conversion.", (0x00080012, 0x00080013)),
    Difference(
        "UIDs",
        "of the file, of its dimensions, and of all images but those of the first dynamic are new. Patient, study, "
        "series and frame of reference keep theirs; images of the first dynamic name the classic file they come from.",
        (0x00080018, 0x00209164),
    ),
    Difference(
        "Station name",
        "is the one in the classic images, which may be blank.",
        (0x00081010,),
    ),
    Difference(
        "Referenced images and evidence",
        "are left out. They say on which slices of the localiser the scan was planned; the scanner's point to frames "
        "of an Enhanced localiser, those of the classic images to classic ones.",
        (0x00081140, 0x00089092),
    ),
    Difference(
        "SAR",
        "is the one of the first dynamic's images, and left out where these do not have it.",
        (0x00189239, 0x00189179, 0x00189181),
    ),
    Difference(
        "Gradient output",
        "is the one of the first dynamic's images, and left out where these do not have it.",
        (0x00189180, 0x00189182),
    ),
    Difference(
        "Saturation slabs",
        "are left out: the classic images do not describe them.",
        (0x00189107, 0x00189104, 0x00189105, 0x00189106),
    ),
    Difference("Pixel bandwidth", "is rounded to whole Hz, as in the classic images.", (0x00180095,)),
    Difference(
        "Image position",
        "may differ in the last of its 16 characters: it is rounded in classic images, and cut in the scanner's "
        "Enhanced files.",
        (0x00200032,),
    ),
    Difference(
        "Frame anatomy",
        "is made of the scanner's code in the classic images, and left out where they have none.",
        (0x00209071, 0x00082218, 0x00209072),
    ),
    Difference(
        "Window",
        "centre and width are those of the PAR: whole numbers, for each image.",
        (0x00281050, 0x00281051),
    ),
    Difference(
        "MR max FP and MR min FP",
        "are the highest and lowest floating point value of an image. They are estimated from its pixels, but for "
        "those of the first dynamic; the scanner's highest is a little higher, and its lowest may be below 0.",
        (0x2005100B, 0x2005100C),
    ),
    Difference(
        "Times of dynamics",
        "may be 10 ms off: they are reckoned from the first dynamic's, which has two decimals, in multiples of the "
        "repetition time where the PAR agrees, else by the PAR's own times of 10 ms.",
        (0x00189074, 0x200510A0, 0x00080033),
    ),
    Difference(
        "Scaling of later dynamics",
        "is the first dynamic's, with all digits; where the PAR has another, it has the PAR's digits.",
        (0x00281052, 0x00281053, 0x2005100E),
    ),
)
"""In the order in which they are printed."""


def text() -> str:
    """All of it, as ``dcms2e --diffs`` prints it."""
    from textwrap import fill

    begin = "Pixels, dimensions and the order of the frames are as in the scanner's own Enhanced file. What differs:"
    lines = [fill(begin, 79), ""]
    for each in DIFFERENCES:
        lines.append(fill(f"{each.about}: {each.text}", 79, initial_indent="- ", subsequent_indent="  "))
    return "\n".join(lines)
