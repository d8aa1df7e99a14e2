"""A small ExamCard: parameter blocks, the SOAP document that holds them, and the wrapper that a raw file carries.

The layouts are those of the ExamCard raw file `104165610_ExamCard_Raw.dcm` (release 5.7.1.1) and of the parameter
blocks in `2001_WIP_fcMRI_Field_Mapping_Raw.dcm`; the content is made up.
"""

from __future__ import annotations

import base64
import io
import struct
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.sax.saxutils import escape

Kind = Literal["float", "int", "string", "enum"]
_TYPE_CODES: dict[Kind, int] = {"float": 0, "int": 1, "string": 2, "enum": 4}
_HEADER, _RECORD, _NAME, _STRING = 32, 50, 33, 81
_SECTION = 1634755923  # the value of most "seperator" parameters
_CLR = "http://schemas.microsoft.com/clr/nsassem"
_CARD = f"{_CLR}/Philips.PmsMR.ExamCards.ECModel/philips.pmsmr.examcards.ecmodel_cs"
_PLATFORM = f"{_CLR}/Philips.PmsMR.Platform.ECPlatform/philips.pmsmr.platform.ecplatform_cs"
_SET = f"{_CLR}/Philips.PmsMR.ExamCards.Model/philips.pmsmr.examcards.model.scanset_cs"
_PROPERTIES = f"{_CLR}/Philips.PmsMR.ExamCards.Model/philips.pmsmr.examcards.model.scanproperties_cs"
_CONTEXT = f"{_CLR}/Philips.PmsMR.Platform.ScannerContext/philips.pmsmr.platform.scannercontext.shared_cli"
_COLLECTIONS = "http://schemas.microsoft.com/clr/ns/System.Collections"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a scan protocol; an enum's values are indices into its comma-separated `tokens`."""

    name: str
    kind: Kind
    values: tuple[float, ...] | tuple[int, ...] | tuple[str, ...]
    shown: bool = True
    tokens: str = ""


@dataclass(frozen=True)
class ExamCardScan:
    """One scan of an ExamCard; acquisition -1 is a prescan, which makes no series."""

    name: str
    acquisition: int = -1
    series_uid: str = ""
    slices: int = 4
    dynamics: int = 1
    repetition_time_ms: float = 2000.0
    echo_time_ms: float = 30.0
    seconds: float = 16.0
    summary: str = ""


def parameters(scan: ExamCardScan) -> list[Parameter]:
    """Return a selection of a protocol's parameters, with names, types and token lists of release 5.7."""
    minutes, seconds = divmod(scan.seconds, 60)
    return [
        Parameter("EX_single_scan_id", "int", (1000 + max(scan.acquisition, 0),)),
        Parameter("EX_geometry_seperator", "int", (_SECTION,)),
        Parameter("EX_ACQ_nucleus", "enum", (0,), tokens="H1,P31,C13,NA23,F19,X,HE3,XE129,LI7,O17"),
        Parameter("EX_GEO_fov", "float", (192.0,)),
        Parameter("EX_GEO_voxel_size_m", "float", (6.0,)),
        Parameter("EX_GEO_stacks", "int", (1,)),
        Parameter("EX_GEO_stacks_slices", "int", (scan.slices,) + (1,) * 19),
        Parameter("EX_GEO_stacks_clinical_modes", "string", ("32CH_HEAD_COIL",) + ("",) * 19, shown=False),
        Parameter("EX_GEO_stacks_orientations", "enum", (0,) * 20, tokens="TRANSVERSAL,SAGITTAL,CORONAL"),
        Parameter("EX_GEO_stacks_ap_angulations", "float", (-3.5,) + (-0.0,) * 19),
        Parameter("EX_contrast_seperator", "int", (_SECTION,)),
        Parameter("EX_ACQ_scan_mode", "enum", (2,), tokens="2D,3D,MS,M2D,SV,1D"),
        Parameter("EX_ACQ_imaging_sequence", "enum", (3,), tokens="SE,IR,MIXED,FFE,ECHO,FID"),
        Parameter("EX_ACQ_fast_imaging_mode", "enum", (3,), tokens="NO,TSE,TFE,EPI,GRASE,TFE_EPI,TSI"),
        Parameter("EX_ACQ_echoes", "int", (1,)),
        Parameter("EX_ACQ_first_echo_time", "float", (scan.echo_time_ms,)),
        Parameter("EX_ACQ_ffe_rep_time", "float", (scan.repetition_time_ms,)),
        Parameter("EX_ACQ_flip_angle", "float", (70.0,)),
        Parameter("EX_motion_seperator", "int", (_SECTION,)),
        Parameter("EX_dynang_seperator", "int", (1,)),
        Parameter("EX_DYN_study", "enum", (int(scan.dynamics > 1),), tokens="NO,INDIVIDUAL,BLOCK,CONTRASTPHASES"),
        Parameter("EX_DYN_nr_scans", "int", (scan.dynamics,)),
        Parameter("EX_proc_seperator", "int", (_SECTION,)),
        Parameter("EX_pdf_seperator", "int", (0,)),
        Parameter("IF_info_seperator", "int", (_SECTION,)),
        Parameter("IF_str_total_scan_time", "string", (f"{minutes:02.0f}:{seconds:04.1f}",)),
        Parameter("IF_meas_voxel_size", "string", ("6.00 / 6.00 / 5.00",)),
    ]


def parameter_block(found: Sequence[Parameter], *, tokens: bool) -> bytes:
    """Return a parameter block: header, records, ints, floats, strings; ExamCards have the token lists at the end.

    Every pointer counts from its own position. What follows the NUL of a name or a string is left-over memory in
    real blocks, and so it is here: a reader must stop at the NUL.
    """
    ints = [int(value) for one in found if one.kind in ("int", "enum") for value in one.values]
    floats = [float(value) for one in found if one.kind == "float" for value in one.values]
    texts = [str(value) for one in found if one.kind == "string" for value in one.values]
    int_start = _HEADER + _RECORD * len(found)
    float_start = int_start + 4 * len(ints)
    text_start = float_start + 4 * len(floats)
    strings = b"".join(_cell(text, _STRING) for text in texts)
    lists: dict[str, int] = {}
    for one in found:
        if tokens and one.kind == "enum" and one.tokens not in lists:
            lists[one.tokens] = text_start + len(strings)
            strings += one.tokens.encode("ascii") + b"\0"
    records = b""
    following = {"int": int_start, "float": float_start, "string": text_start}
    for one in found:
        pool = "int" if one.kind == "enum" else one.kind
        at = _HEADER + len(records)
        list_pointer = lists[one.tokens] - (at + 42) if one.kind == "enum" and tokens else 0
        records += _cell(one.name, _NAME) + struct.pack(
            "<BiIIi",
            one.shown,
            _TYPE_CODES[one.kind],
            len(one.values),
            list_pointer,
            following[pool] - (at + 46),
        )
        following[pool] += len(one.values) * (_STRING if pool == "string" else 4)
    header = struct.pack(
        "<iHHiIiIiI",
        int_start, len(ints), 0,
        float_start - 8, len(floats),
        text_start - 16, len(strings),
        8, len(found),
    )  # fmt: skip
    return header + records + struct.pack(f"<{len(ints)}i{len(floats)}f", *ints, *floats) + strings


def _cell(text: str, width: int) -> bytes:
    """Return a NUL-terminated text in a cell of fixed width; the rest is what memory held before."""
    data = text.encode("ascii") + b"\0"
    if len(data) > width:
        raise ValueError(f"{text!r} does not fit into {width} bytes")
    return data + (b"left\xbb\x11over" * 10)[: width - len(data)]


class _Soap:
    """Collects the objects of a SOAP document, each with an id that others refer to."""

    def __init__(self) -> None:
        self._objects: list[str] = []
        self._number = 0

    def new(self) -> str:
        self._number += 1
        return f"ref-{self._number}"

    def add(self, name: str, fields: str, space: str = "", ref: str = "", attributes: str = "") -> str:
        """Add an object and return its id."""
        ref = ref or self.new()
        declared = f' xmlns:a1="{space}"' if space else ""
        tag = f"a1:{name}" if space else f"SOAP-ENC:{name}"
        self._objects.append(f'<{tag} id="{ref}"{declared}{attributes}>{fields}</{tag}>')
        return ref

    def list(self, members: Sequence[str]) -> str:
        """Add an ArrayList; its array is longer than the list, as .NET leaves it."""
        items = "".join(f'\r\n<item href="#{member}"/>' for member in members)
        kind = f' SOAP-ENC:arrayType="xsd:anyType[{len(members) + 2}]"'
        array = self.add("Array", items + "\r\n", attributes=kind)
        fields = f'\r\n<_items href="#{array}"/>\r\n<_size>{len(members)}</_size>\r\n<_version>1</_version>\r\n'
        return self.add("ArrayList", fields, _COLLECTIONS)

    def binary(self, data: bytes) -> str:
        text = base64.b64encode(data).decode("ascii")
        return self.add("Array", text, attributes=' xsi:type="SOAP-ENC:base64"')

    def document(self) -> bytes:
        spaces = (
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
            ' xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/"'
            ' xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:clr="http://schemas.microsoft.com/soap/encoding/clr/1.0"'
            ' SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
        )
        body = "\r\n".join(self._objects)
        text = (
            f"<SOAP-ENV:Envelope {spaces}>\r\n<SOAP-ENV:Body>\r\n{body}\r\n</SOAP-ENV:Body>\r\n</SOAP-ENV:Envelope>\r\n"
        )
        return text.encode("utf-8")


def soap(name: str, scans: Sequence[ExamCardScan], comment: str = "Synthetic ExamCard") -> bytes:
    """Return the card as the scanner exports it (`*.ExamCard`): a flat list of objects that refer to each other."""
    out = _Soap()
    card = out.new()  # the card itself comes first in the document, its parts follow
    parts = {part: out.new() for part in ("name", "instruments", "comment", "version")}
    out.add(
        "ExamCard",
        f'\r\n<name id="{parts["name"]}">{escape(name)}</name>'
        f'\r\n<instrumentList href="#{parts["instruments"]}"/>'
        f'\r\n<description href="#{parts["comment"]}"/>'
        f'\r\n<patientOrientation xsi:type="a4:PatientPosition" xmlns:a4="{_CONTEXT}">PatientPos_HFS'
        "</patientOrientation>\r\n<anatomicRegion>SRT.T-A0100.Brain</anatomicRegion>"
        f'\r\n<heartRate>60</heartRate>\r\n<version href="#{parts["version"]}"/>'
        "\r\n<pushToWorkStation>false</pushToWorkStation>\r\n<patientWeight>70</patientWeight>\r\n",
        _CARD,
        card,
    )
    version = "<swVersion>5.7.1.1</swVersion><modelVersion>5.7</modelVersion><methodsVersion>38.4</methodsVersion>"
    out.add("ExamCardsVersion", version, _CARD, parts["version"])
    archive = out.binary(_zipped(comment))
    buffers = f'<dataBuffer href="#{archive}"/><htmlDataBuffer href="#{archive}"/>'
    out.add("HtmlItemDescription", buffers, _PLATFORM, parts["comment"])
    instruments = out.list([_instrument(out, scan) for scan in scans])
    out.add("ECInstrumentList", f'<list href="#{instruments}"/>', _CARD, parts["instruments"])
    return out.document()


def _instrument(out: _Soap, scan: ExamCardScan) -> str:
    """Add ECInstrument > ScanSet > ExecutionStepList > ExecutionStep > SingleScan > ScanProcedure."""
    block = out.binary(parameter_block(parameters(scan), tokens=True))
    procedure = out.add(
        "ScanProcedure",
        f'\r\n<parameterData href="#{block}"/>'
        f"\r\n<methodDescription>{escape(scan.summary)}</methodDescription>"
        f'\r\n<name id="{out.new()}">{escape(scan.name)}</name>'
        "\r\n<applicationMode>AGDEF_APPL_IMAGING</applicationMode>\r\n<laterality>unpaired</laterality>\r\n",
        _PROPERTIES,
    )
    prescan = str(scan.acquisition < 0).lower()
    single = out.add(
        "SingleScan",
        f'\r\n<scanProcedure href="#{procedure}"/>\r\n<geometryName>Brain</geometryName>'
        f"\r\n<geoLinkID>0</geoLinkID>\r\n<isPreScan>{prescan}</isPreScan>\r\n",
        _SET,
    )
    fields = f'<singleScan href="#{single}"/><contrast>false</contrast><stepDuration>{scan.seconds}</stepDuration>'
    steps = out.list([out.add("ExecutionStep", fields, _SET)])
    step_list = out.add("ExecutionStepList", f'<list href="#{steps}"/>', _SET)
    scan_set = out.add("ScanSet", f'<executionSteps href="#{step_list}"/>', _SET)
    return out.add("ECInstrument", f'<scanSet href="#{scan_set}"/>', _CARD)


def _zipped(comment: str) -> bytes:
    """Return a comment as Philips keeps it: `index.htm` inside a ZIP."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        member = zipfile.ZipInfo("index.htm", (2026, 1, 5, 0, 0, 0))
        archive.writestr(member, f"<html><body><p>{escape(comment)}</p></body></html>")
    return buffer.getvalue()


def wrapper(name: str, scans: Sequence[ExamCardScan]) -> bytes:
    """Return the content of an ExamCardBlob: state and series of each scan, then the card in base64.

    Acquisition x 100 + reconstruction is the Series Number of the images, and SeriesUids names their series.
    """
    lines = ['<?xml version="1.0"?>']
    lines.append(
        '<ExamCard xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
        ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns="http://tempuri.org/XMLSchema.xsd">'
    )
    lines.append(f"  <Name>{escape(name)}</Name>" if name else "  <Name />")
    lines.append("  <AcquisitionEndTime>2026-01-05T10:45:00.0000000Z</AcquisitionEndTime>")
    for scan in scans:
        made = scan.acquisition > 0
        lines += [
            "  <ScanSet>",
            "    <AttainedSED>0.001</AttainedSED>",
            "    <AcquisitionEndTime>2026-01-05T10:30:00.0000000Z</AcquisitionEndTime>",
            "    <SingleScan>",
            f"      <Name>{escape(scan.name)}</Name>",
            "      <State>Completed</State>",
            f"      <AcquisitionNumber>{scan.acquisition}</AcquisitionNumber>",
            f"      <ReconstructionNumberRec>{1 if made else -1}</ReconstructionNumberRec>",
            "      <ReconstructionNumberMip>-1</ReconstructionNumberMip>",
            "      <ReconstructionNumberRaw>-1</ReconstructionNumberRaw>",
            "      <ReconstructionNumberComplex>-1</ReconstructionNumberComplex>",
            f"      <SeriesUids>{scan.series_uid}</SeriesUids>" if made else "      <SeriesUids />",
            "      <SeriesUids />",
            "      <CurrentScanProgress>100</CurrentScanProgress>",
            "      <CurrentReconstructionProgress>100</CurrentReconstructionProgress>",
            "    </SingleScan>",
            "  </ScanSet>",
        ]
    inner = soap(name, scans)
    inner += b"\0" * (len(inner) // 8)  # the card, too, stands in a larger buffer
    lines.append(f"  <ExamCardBlob>{base64.b64encode(inner).decode('ascii')}</ExamCardBlob>")
    lines.append("</ExamCard>")
    return "\r\n".join(lines).encode("utf-8")
