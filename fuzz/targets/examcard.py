"""An ExamCard, and all that is made of it. The first byte says whether a card follows or the parameters of a scan."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from functools import cache

from fuzz.target import Target
from fuzz.traffic import Traffic
from mrdock.errors import ExamCardError
from mrdock.rawdata.card_data import card_record
from mrdock.rawdata.card_diff import compare, difference_page
from mrdock.rawdata.examcard import ExamCard, read_examcard
from mrdock.rawdata.html import html_page
from mrdock.rawdata.text_export import text_of_scan
from tests.builders.examcard import ExamCardScan, parameter_block, parameters, soap, wrapper

SCANS = [ExamCardScan("CoilSurveyScan", seconds=2.0), ExamCardScan("fMRI", 2, dynamics=3)]


@cache
def _whole() -> tuple[bytes, bytes, ExamCard]:
    """A card in two parts, between which a scan's parameters stand, and as it is read."""
    card = soap("fuzz", SCANS)
    block = max(re.findall(rb">([A-Za-z0-9+/=]{500,})<", card), key=len)
    before, _, after = card.partition(block)
    return before, after, read_examcard(card)


def check(data: bytes) -> None:
    """A card or a documented error; its pages are well-formed XML, each scan is on them, and none makes a text fail."""
    before, after, other = _whole()
    content = before + base64.b64encode(data[1:]) + after if data[:1] == b"\1" else data[1:]
    try:
        card = read_examcard(content)
    except ExamCardError:
        return
    for every in (False, True):
        page = html_page(card, all=every)
        ET.fromstring(page)
        assert page.count('<section class="scan"') == len(card.scans)
        card_record(card, all=every)
    ET.fromstring(difference_page(card, other, compare(card, other)))
    for scan in card.scans:
        assert text_of_scan(scan).count("\r\n") >= text_of_scan(scan).count(";\r\n")


def seeds(_: Traffic) -> Iterable[bytes]:
    """Made cards, their wrapper, and blocks with and without the words of enumerations."""
    yield b"\0" + soap("fuzz", SCANS[:1])
    yield b"\0" + soap("fuzz", SCANS)
    yield b"\0" + wrapper("fuzz", SCANS[:1])
    for tokens in (True, False):
        yield b"\1" + parameter_block(parameters(SCANS[1]), tokens=tokens)


TARGET = Target(
    check,
    seeds,
    words=(
        b'href="#ref-1"',
        b'id="ref-1"',
        b'xsi:null="1"',
        b"<!DOCTYPE",
        b"<!ENTITY",
        b"<_size>",
        b"</item>",
        b"executionSteps",
        b"parameterData",
        b"currentScanSet",
        b"Envelope>",
        b"&#0;",
        b"]]>",
        b"EX_GEO_stacks",
        b"IF_",
    ),
)
