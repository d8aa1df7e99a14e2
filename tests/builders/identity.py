"""Who the synthetic study is: one seed from which every UID follows, so that a test can repeat itself."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class StudyIdentity:
    """One study of an obviously synthetic patient.

    All UIDs are ``2.25.<39 digits>`` (PS3.5 B.2) computed from the seed: the same seed gives the same study,
    another seed gives another one. They all have 44 characters, so that files can be varied byte by byte.
    """

    seed: str = "demo"
    study_description: str = "mrdock demo"
    study_date: str = "20260105"
    study_time: str = "101500"
    patient_name: str = "Phantom^Agar"
    patient_id: str = "PHANTOM"
    patient_birth_date: str = "20000101"
    patient_sex: str = "O"
    examcard_name: str = "mrdock demo"

    def uid(self, *parts: object) -> str:
        """Return the UID of the thing that `parts` name in this study."""
        text = "\0".join(str(part) for part in (self.seed, *parts))
        number = int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        return f"2.25.{10**38 + number % (2 * 10**38)}"

    @property
    def study_uid(self) -> str:
        return self.uid("study")

    @property
    def frame_of_reference_uid(self) -> str:
        return self.uid("frame of reference")

    @property
    def study_id(self) -> str:
        """Return a nine-digit number, as Philips writes it in Study ID (0020,0010)."""
        return self.uid("study id")[-9:]

    def series_uid(self, series_number: int) -> str:
        """Return the Series Instance UID; images, presentation states and raw data of one series share it.

        Seen in `philips_r57`: enhanced `2001_fcMRI_Field_Mapping.dcm` and its `..._Raw.dcm` (release 5.7.1).
        """
        return self.uid("series", series_number)

    def time(self, seconds: float = 0.0, decimals: int = 2) -> str:
        """Return the study time plus `seconds` as a DICOM TM; past midnight it starts again."""
        clock = self.study_time.ljust(6, "0")
        start = int(clock[:2]) * 3600 + int(clock[2:4]) * 60 + int(clock[4:6])
        ticks = round((start + seconds) * 10**decimals) % (86400 * 10**decimals)
        whole, fraction = divmod(ticks, 10**decimals)
        text = f"{whole // 3600:02d}{whole // 60 % 60:02d}{whole % 60:02d}"
        return f"{text}.{fraction:0{decimals}d}" if decimals else text
