"""What is in BLOBs that are no parameter blocks; what is not known stays as it is."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrdock.errors import MalformedError
from mrdock.rawdata.blobs import Blob, read_blobs
from mrdock.rawdata.contents import (
    Coil,
    CoilState,
    HardwareConfig,
    Nothing,
    Responses,
    Socket,
    Unknown,
    interpret,
    read_coil_state,
    read_hardware_config,
    read_responses,
)
from mrdock.rawdata.parameters import ParameterBlock
from tests.builders import Parameter, StudyIdentity, parameter_block
from tests.builders.examcard import ExamCardScan
from tests.builders.rawdata import acquisition_blobs

MADE = {name: data for name, _, data in acquisition_blobs(StudyIdentity("contents"), ExamCardScan("fMRI"))}


def blob(name: str, data: bytes, type_name: str = "IEEE_PDF") -> Blob:
    return Blob(name, type_name, len(data), memoryview(data))


@pytest.mark.real_data
def test_every_blob_of_real_files_is_known(real_data: Path) -> None:
    kinds = {
        "PDF_PRESCAN_COIL_PARS": Nothing,
        "PDF_USED_PRESCAN_RESPONSES": Responses,
        "COILSTATE": CoilState,
        "HARDWARE_CONFIG": HardwareConfig,
    }
    seen = 0
    for path in real_data.glob("*/rawdata/*.dcm"):
        raw = read_blobs(str(path))
        for one in raw.blobs if raw.kind == "series" else ():
            seen += 1
            assert isinstance(interpret(one), kinds.get(one.name, ParameterBlock)), one.name
    assert seen == 4 * 12


@pytest.mark.real_data
def test_the_coils_of_a_real_file(real_data: Path) -> None:
    """The same coils as the scanner's parameters name."""
    (path,) = real_data.glob("philips_r57/rawdata/2201*.dcm")
    content = {one.name: interpret(one) for one in read_blobs(str(path)).blobs}
    coils, pars, hardware = content["COILSTATE"], content["PDF_EXAM_PARS"], content["HARDWARE_CONFIG"]
    assert isinstance(coils, CoilState)
    assert isinstance(pars, ParameterBlock)
    assert isinstance(hardware, HardwareConfig)
    connected = pars.get("EX_GEO_connected_coils")
    places = pars.get("EX_GEO_connected_conns")
    assert connected is not None
    assert places is not None
    assert [coil.name for socket in coils.sockets for coil in socket.coils] == list(connected.values[:4])
    assert [socket.path for socket in coils.sockets] == list(places.values[:4])
    assert [coil.flag for socket in coils.sockets for coil in socket.coils] == [0, 1, 1, 1]
    assert hardware == HardwareConfig((1, 7, 15, 10, 10, 0, 1, 9, 10, 2, 1), "5.7.1", (1,))


def test_coils_made_here() -> None:
    assert read_coil_state(MADE["COILSTATE"]) == CoilState(
        1,
        (
            Socket("/SCC.ConnQBC", (Coil("BODY_QUAD", "", "", 0),)),
            Socket("/SBM.DCC1", (Coil("HEAD1_32", "000000000000", "0", 1),)),
        ),
    )


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends after 0 bytes"),
        (MADE["COILSTATE"][:-1], "ends after"),
        (MADE["COILSTATE"] + b"\0", "1 bytes are left over"),
        (struct.pack("<II", 1, 2**32 - 1), "4294967295 sockets"),
        (struct.pack("<III", 1, 1, 2**32 - 1), "a text of 4294967295 bytes"),
        (struct.pack("<IIII", 1, 1, 0, 2**31), "2147483648 coils"),
    ],
)
def test_broken_coil_lists(data: bytes, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        read_coil_state(data)
    assert data == b"" or isinstance(interpret(blob("COILSTATE", data)), Unknown)


def test_hardware_of_another_release() -> None:
    """Without the number behind the version."""
    data = MADE["HARDWARE_CONFIG"]
    assert read_hardware_config(data[:-4]).more == ()
    for wrong in (b"", data[:40], data[:-1], data + bytes(1000)):
        with pytest.raises(MalformedError):
            read_hardware_config(wrong)


def test_responses() -> None:
    first, second = read_responses(MADE["PDF_USED_PRESCAN_RESPONSES"]).exchanges
    assert first.names == ("CoilSelectionRequest", "CoilSelectionResponse")
    assert second.names == ("B0MapRequest", "ScanResponse")
    assert isinstance(first.content, dict)
    assert first.content["hasResponse"] is False
    assert read_responses(b"").exchanges == ()
    (other,) = read_responses(b'{"a": "#:#"}#:#\0').exchanges
    assert (other.names, other.content) == (("a",), "#:#")
    assert read_responses(b'[1, 2]\r\n#:#\r\n"text"').exchanges[0].names == ()


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"{}{}",
        b'{"a": 1} #: {}',
        b"[" * 100_000,
        b"[" * 60 + b"]" * 60,
        b"1" * 5000,
        b'{"' + b"k" * 2000 + b'": [{"a": 1}, {"b": 2}]}',
        b"#:#",
    ],
)
def test_broken_responses(data: bytes) -> None:
    with pytest.raises(MalformedError, match="no JSON that can be read"):
        read_responses(data)


@given(st.binary(max_size=300))
def test_any_bytes(data: bytes) -> None:
    for name in ("COILSTATE", "HARDWARE_CONFIG", "PDF_USED_PRESCAN_RESPONSES", "PDF_EXAM_PARS", "CPX"):
        interpret(blob(name, data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(st.text("ab", min_size=1), JSON, min_size=1, max_size=2), max_size=3))
def test_any_json(objects: list[dict[str, object]]) -> None:
    data = "".join(json.dumps(one) + "#:#" for one in objects).encode() + b"\0"
    found = [(exchange.names, exchange.content) for exchange in read_responses(data).exchanges]
    assert found == [((key,), value) for one in objects for key, value in one.items()]


@pytest.mark.parametrize("name", ["CPX", "RC", "RAW", "LAB", "", "SOMETHING_NEW"])
def test_what_is_not_known_is_not_guessed(name: str) -> None:
    assert interpret(blob(name, b"\0line\0other line\0")) == Unknown()
    assert interpret(blob(name, bytes(5000))) == Unknown()  # a parameter block without parameters
    assert interpret(blob(name, b"")) == Nothing()
    data = parameter_block([Parameter("EX_a", "int", (1,))], tokens=False)
    assert isinstance(interpret(blob(name, data)), ParameterBlock)


def test_a_known_name_says_why_it_is_not_read() -> None:
    assert interpret(blob("PDF_EXAM_PARS", b"\0" * 10)) == Unknown("no parameter block: 10 bytes are too few")


def test_large_ones_are_left_alone() -> None:
    """k-space of older releases may be hundreds of megabytes."""
    large = bytes(64 << 20)
    began = time.process_time()
    for name in ("RAW", "COILSTATE", "PDF_EXAM_PARS", "PDF_USED_PRESCAN_RESPONSES"):
        assert isinstance(interpret(blob(name, large)), Unknown)
    assert time.process_time() - began < 0.5
