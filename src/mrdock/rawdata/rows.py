"""Which parameters the scanner shows of a scan, under what words, in what order: the rows of print-out and export.

The rules were seen on text exports of release 5.7 and a print-out of release 5.3, each beside the parameters that it
was made from. What they do not settle is shown under a label made of the parameter's name, and marked as such.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Final, NamedTuple

from mrdock.files.names import printable
from mrdock.rawdata.examcard import Scan
from mrdock.rawdata.labels import SECTIONS, Label, parameter_label
from mrdock.rawdata.parameters import Parameter
from mrdock.rawdata.value_text import complete, exported, printed, token

OTHER: Final = "NOT SHOWN"
"""The section of what stands after the last one."""


class Row(NamedTuple):
    """One row of a scan.

    section: one of `SECTIONS`, empty before the first, `OTHER` after the last. level: 0, 1 or 2, how far it is set in.
    label, text: as on the print-out. shown: whether the scanner shows it. guessed: the label is made of the name.
    export_label, export_text: as in the text export.
    """

    section: str
    name: str
    label: str
    level: int
    text: str
    shown: bool
    guessed: bool
    export_label: str
    export_text: str
    parameter: Parameter


def rows_of(scan: Scan, *, all: bool = False) -> list[Row]:
    """The rows of a scan in the order of its sections; ``all`` has also what the scanner hides, by internal names."""
    view = View(scan)
    found = [row for row in view.rows(all) if all or row.shown]
    order = {section: number for number, section in enumerate(("", *SECTIONS, OTHER))}
    return sorted(found, key=lambda row: (order[row.section], _place(row)))


_MARKS: Final = {
    "EX_geometry_seperator": "GEOMETRY",
    "EX_contrast_seperator": "CONTRAST",
    "EX_motion_seperator": "MOTION",
    "EX_dynang_seperator": "DYN/ANG",
    "EX_proc_seperator": "POST/PROC",
    "EX_pdf_seperator": OTHER,
    "IF_info_seperator": "INFO PAGE",
}
_OFFC: Final = (
    *(f"EX_GEO_stacks_{axis}_{what}s" for what in ("offcentre", "angulation") for axis in ("ap", "lr", "fh")),
    "EX_ACQ_free_rotatable",
    *(f"EX_REST_slabs_{axis}_{what}s" for what in ("offcentre", "angulation") for axis in ("ap", "lr", "fh")),
    *(f"EX_AS_vols_{axis}_{what}s" for what in ("length", "offcentre", "angulation") for axis in ("ap", "lr", "fh")),
)
_OFFC_PLACE: Final = {name: place for place, name in enumerate(_OFFC)}
_FIRST_ONLY: Final = re.compile(r"EX_(GEO_stacks|REST_slabs|AS_vols)_")
_COUNTED: Final = {"GEO_stacks": "EX_GEO_stacks", "REST_slabs": "EX_REST_slabs"}
_REST: Final = re.compile(r"EX_REST_(slabs_|in_segm$)")
_VOI: Final = re.compile(r"EX_GEO_(align_)?voi_")
_SHIM: Final = re.compile(r"EX_AS_vols_")
_FOLDOVER: Final = "EX_ACQ_foldover_sup2"
_OF_FOLDOVER: Final = {
    "EX_GEO_p_ovs_area_pos": "USER_DEF",
    "EX_GEO_p_ovs_area_neg": "USER_DEF",
    "EX_REST_fos_thickness_choice": "REST",
}
_PAIRED: Final = {
    "EX_GEO_stacks_slice_gaps": ("EX_GEO_slice_gap_mode", "USER_DEF"),
    "EX_ACQ_partial_matrix_factor": ("EX_ACQ_partial_matrix", "YES"),
    "EX_ACQ_user_def_water_fat_shift": ("EX_ACQ_water_fat_shift", "USER_DEF"),
}
_FAMILIES: Final = (
    (re.compile(r"EX_APT_(?!enable$)"), "EX_APT_enable", {"YES"}),
    (re.compile(r"EX_(ACQ|PROC)_cs_(?!enable$)"), "EX_ACQ_cs_enable", {"YES"}),
    (re.compile(r"EX_(ACQ|PROC)_cs_(?!enable$|expert_mode$|factor$)"), "EX_ACQ_cs_expert_mode", {"YES"}),
    (re.compile(r"EX_ACQ_radial_"), "EX_ACQ_mode", {"RADIAL"}),
    (re.compile(r"EX_(SPIRAL|PROC_spiral)_"), "EX_ACQ_mode", {"SPIRAL"}),
    (re.compile(r"EX_DIFF_(?!enable$)"), "EX_DIFF_enable", {"DWI", "DTI"}),
    (re.compile(r"EX_RFE_tse_"), "EX_ACQ_fast_imaging_mode", {"TSE", "GRASE", "TSI"}),
    (re.compile(r"EX_ACQ_b1_"), "EX_ACQ_b1_map", {"YES", "CAL"}),
    (re.compile(r"EX_ACQ_B1_"), "EX_ACQ_B1_map", {"YES", "CAL"}),
    (re.compile(r"EX_ACQ_b0_map_"), "EX_ACQ_b0_map", {"YES", "CAL", "PRE_SCAN"}),
    (re.compile(r"EX_CARD_(?!sync$|high_heart_rate$|min_hb)"), "EX_CARD_sync", {"TRIG", "GATE", "RETRO"}),
    (
        re.compile(r"EX_FLL_(label_type|label_position|label_gap|ref_thickness|bg_sup_)"),
        "EX_FLL_mode",
        {"STAR", "FAIR"},
    ),
    (re.compile(r"EX_MB_multiband_phase_opt$"), "EX_ACQ_imaging_sequence", {"FFE"}),
)
"""What a card has, and an export of the same scan does not show unless another parameter has one of the words."""

_MOST_BESIDE: Final = 32  # values of one parameter that the scanner shows; longer arrays are lists of its own making
_FLAGLESS: Final = {"EX_GEO_large_table_movement", "EX_PROC_save_raw_data", "EX_GEO_cur_stack_xclcoil_1"}
"""Shown in all nine exports, though their flag is not set in the raw files."""
_BESIDE: Final = {
    "EX_GEO_allow_table_movement": "EX_GEO_ia_positioning",
    "IF_boiloff_dpdt": "EX_GEO_ia_positioning",
    "IF_boiloff_dpdt_max": "EX_GEO_ia_positioning",
    "IF_boiloff_dp": "EX_GEO_ia_positioning",
    "EX_DIFF_sequence": "EX_DIFF_use_magnet_frame",
    "EX_GEO_stacks_types": "EX_GEO_slice_gap_mode",
    "EX_GEO_stacks_slice_gaps": "EX_GEO_slice_gap_mode",
}
"""Shown in just those exports where the other parameter is; their own flags, in raw files, say something else."""
_BEFORE_5_7: Final = {
    "EX_ACQ_kt_enable": "k-t BLAST",
    "EX_REPP_enable": "Research prepulse",
    "EX_TFE_startup_profs_enum": "startup echoes",
}
_AXES: Final = {"AP": "PA", "RL": "LR", "FH": "HF"}  # the positive end first: off-centres are P=+, L=+, H=+
_NORMALS: Final = {"TRANSVERSAL": "FH", "SAGITTAL": "RL", "CORONAL": "AP"}


class View:
    """A scan as its rows need it: parameters by name, directions, release."""

    def __init__(self, scan: Scan) -> None:
        """Of equal names the first counts."""
        self.scan = scan
        self.by_name = {parameter.name: parameter for parameter in reversed(scan.parameters)}

    def rows(self, everything: bool) -> Iterator[Row]:
        """All rows in the order of the parameters, each in its section, or only those that may be shown."""
        section = ""
        for parameter in self.scan.parameters:
            section = _MARKS.get(parameter.name, section)
            known = parameter_label(parameter.name)
            if known is None and parameter.name.startswith(("IF_", "UIF_")):
                section = "INFO PAGE"
            shown = self._is_shown(parameter, known, section)
            if shown or everything:
                row = self._row(parameter, known, section, shown)
                yield row._replace(text=self._of_all(parameter) or row.text) if everything and shown else row
            if parameter.name == "EX_GEO_stacks" and shown:
                yield from self._cursor(parameter)

    def _cursor(self, stacks: Parameter) -> Iterator[Row]:
        """What the print-out has before the off-centres: the stacks, and which of several these are of."""
        count = printed(stacks, "")
        yield Row("OFFC/ANG", "", "Stacks", 0, count, True, False, "", "", stacks)
        if count not in ("0", "1"):
            yield Row("OFFC/ANG", "", "current", 1, "A", True, False, "", "", stacks)

    def _row(self, parameter: Parameter, known: Label | None, section: str, shown: bool) -> Row:
        release = self.scan.release
        name = printable(parameter.name)
        if known is not None and known.section:
            section = known.section if shown or section != OTHER else section
        guessed = known is None or known.status == "guess"
        if known is None or not known.text or not shown:
            label = export = name
        else:
            label, export = self._label(parameter.name, known)
        only = bool(_FIRST_ONLY.match(parameter.name))
        if shown and (only or len(parameter.values) <= _MOST_BESIDE):
            special = self._special(parameter)
            text = special or printed(parameter, release, only)
            quoted = f'"{special}"' if parameter.kind == "enum" else special
            export_text = quoted if special else exported(parameter, release, only)
        else:
            text = export_text = complete(parameter, release)
        return Row(
            section,
            name,
            label.strip(),
            _level("    " if guessed else export),
            text,
            shown,
            guessed and shown,
            name if guessed else export,
            export_text,
            parameter,
        )

    def _of_all(self, parameter: Parameter) -> str:
        """The values of all stacks or REST slabs, where there are several; the scanner shows those of the first."""
        kind = _FIRST_ONLY.match(parameter.name)
        count = self.number(_COUNTED[kind[1]]) if kind and kind[1] in _COUNTED else None
        if count is None or not 1 < count <= len(parameter.values):
            return ""
        return printed(replace(parameter, values=parameter.values[: int(count)]), self.scan.release)

    def _special(self, parameter: Parameter) -> str:
        """Values that the scanner does not print as they are stored."""
        match parameter.name:
            case "IF_relative_SNR":
                return "1"
            case "EX_ACQ_slice_order" if self.token(parameter.name) == "ASCEND" and self._directions["s"] == "FH":
                return "FH"
            case "EX_DIFF_nr_averages":
                return self._averages(parameter)
        return ""

    def _averages(self, parameter: Parameter) -> str:
        """Pairs of b-value and averages, for the two b-values that are known: 0 and the highest."""
        highest, count = self.number("EX_DIFF_b_factor"), self.number("EX_DIFF_nr_weightings")
        if highest is None or count is None or not 0 < count <= len(parameter.values):
            return ""
        values = [str(value) for value in parameter.values[: int(count)]]
        return f"(0) {values[0]}, ({highest:g}) {values[1]}" if len(values) == 2 else ", ".join(values)

    # ---- which are shown ----

    def _is_shown(self, parameter: Parameter, known: Label | None, section: str) -> bool:
        if known is not None and known.status in ("hidden", "mark"):
            return False
        if section == OTHER or not parameter.values or not self._applies(parameter.name):
            return False
        if parameter.name.startswith(("IF_", "UIF_")):
            return self._is_flagged(parameter)
        if not self.scan.shown_by_flag:
            return not parameter.name.startswith("GEX_") and self._belongs(parameter.name)
        return self._is_flagged(parameter) or bool(_SHIM.match(parameter.name))

    def _is_flagged(self, parameter: Parameter) -> bool:
        if self.scan.shown_by_flag and parameter.name in _BESIDE:
            beside = self.by_name.get(_BESIDE[parameter.name])
            return beside is not None and beside.shown
        return parameter.shown or parameter.name in _FLAGLESS

    def _applies(self, name: str) -> bool:
        """Whether the value of another parameter leaves this one a meaning."""
        if _REST.match(name):
            return (self.number("EX_REST_slabs") or 0) > 0
        if _VOI.match(name):
            return self.token("EX_ACQ_scan_type") not in ("", "IMAGING")
        if _SHIM.match(name):
            return self.token("EX_AS_shim") == "HOS_VOLUME"
        if name in _OF_FOLDOVER:
            return self.token(_FOLDOVER) == _OF_FOLDOVER[name]
        if name == "EX_GEO_voxel_size_s":
            return self.token("EX_ACQ_scan_mode") in ("", "3D")
        other, wanted = _PAIRED.get(name, (f"{name}_enum", "USER_DEF"))
        word = self.token(other)
        return not word or word == wanted

    def _belongs(self, name: str) -> bool:
        """Whether what a parameter is about is switched on; a card has some of what is not."""
        if name == "EX_ACQ_rf_sel_foldover_sup" and not self._is_before_5_7:
            return self.token("EX_ACQ_imaging_sequence") == "SE" and self.token("EX_ACQ_scan_mode") == "3D"
        for pattern, other, wanted in _FAMILIES:
            if name == other or not pattern.match(name):
                continue
            word = self.token(other)
            if other not in self.by_name or (word and word not in wanted):
                return False
        return True

    # ---- under what words ----

    def _label(self, name: str, known: Label) -> tuple[str, str]:
        """Label and its spelling in the export."""
        if name in _BEFORE_5_7 and self._is_before_5_7:
            return _BEFORE_5_7[name], _BEFORE_5_7[name]
        label, export = known.text, known.export or _set_in(known.text)
        match name:
            case "EX_ACQ_first_echo_time_enum" if (self.number("EX_ACQ_echoes") or 0) > 1:
                return "TE first", "TE  first"
            case "EX_GEO_acq_voxel_size_s" if self.token("EX_ACQ_scan_mode") not in ("", "3D"):
                return "Slice thickness (mm)", "Slice thickness (mm)"
            case "EX_GEO_stacks_fov_ss" if (self.number("EX_GEO_stacks") or 0) > 1:
                label, export = f"stack {label}", f"       stack {label}"
            case "EX_FLL_delay" if self.token("EX_FLL_mode") not in ("", "pCASL"):
                return "label delay (ms)", "    label delay (ms)"
            case "IF_wf_shift_bw_per_pix_echo1" if not self._has_minimal_shift:
                return "WFS (pix) / BW (Hz)", "WFS (pix) / BW (Hz)"
        if "{" not in label:
            return label, export
        return self._filled(name, label), self._filled(name, export)

    def _filled(self, name: str, text: str) -> str:
        fields = {**self._directions, "echoes": self._echoes(name)}
        return re.sub(r"\{([a-z]+[+-]?)\}", lambda match: fields.get(match[1], match[1]), text)

    def _echoes(self, name: str) -> str:
        """What the numbers of ``6.5 / 2.9`` are: the third is the second echo of two, else the step to the next.

        Inversion recovery has its delay there, which equals EX_IR_delay (5.7.1); its echo time stands apart.
        """
        parameter = self.by_name.get(name)
        count = str(parameter.values[0]).count("/") if parameter is not None and parameter.values else 0
        if count == 1 and self.token("EX_ACQ_imaging_sequence") == "IR":
            return "TR/TI"
        two = self.number("EX_ACQ_echoes") == 2
        return ("TR", "TR/TE", "TR/TE1/TE2" if two else "TR/TE1/delta TE")[min(count, 2)]

    @property
    def _has_minimal_shift(self) -> bool:
        other = self.by_name.get("IF_min_wf_sh_max_bw_per_pix")
        return other is not None and other.shown

    @cached_property
    def _is_before_5_7(self) -> bool:
        match = re.match(r"R?(\d+)\.(\d+)", self.scan.release)
        return match is not None and (int(match[1]), int(match[2])) < (5, 7)

    @cached_property
    def _directions(self) -> dict[str, str]:
        """The words for the directions of measurement, fold-over and slices of the first stack."""
        normal = _NORMALS.get(self.token("EX_GEO_stacks_orientations"), "")
        foldover = self.token("EX_GEO_stacks_prep_dirs").replace("LR", "RL")
        rest = [axis for axis in _AXES if axis not in (normal, foldover)]
        if foldover not in _AXES or len(rest) != 1:
            return {"m": "M", "p": foldover or "P", "s": normal or "S", "p+": "P+", "p-": "P-"}
        ends = _AXES[foldover]
        return {"m": rest[0], "p": foldover, "s": normal, "p+": ends[0], "p-": ends[1]}

    def token(self, name: str) -> str:
        """The software's word for the value of an enumeration, empty where it is not known."""
        return token(self.by_name.get(name), self.scan.release)

    def number(self, name: str) -> float | None:
        """The first value of a number."""
        found = self.by_name.get(name)
        value = found.values[0] if found is not None and found.values else None
        return None if value is None or isinstance(value, str) else float(value)


def _set_in(label: str) -> str:
    """How far a label is set in that was not seen in an export: small letters belong to the row above."""
    if label.startswith("("):
        return f"        {label}"
    return f"    {label}" if label[:1].islower() or label.startswith("3D ") else label


def _level(export: str) -> int:
    """How far a row is set in; the directions of a size stand under its first."""
    blanks = len(export) - len(export.lstrip(" "))
    return 0 if not blanks else 2 if 8 <= blanks <= 10 else 1


def _place(row: Row) -> int:
    if row.section != "OFFC/ANG":
        return 0
    return _OFFC_PLACE.get(row.name, len(_OFFC)) if row.name else -1
