"""What a PAR file cannot say of a scan."""

from __future__ import annotations

from typing import Final

import numpy as np

from mrdock.convert.par_columns import Described
from mrdock.convert.par_images import Images, Ints
from mrdock.convert.par_notes import Notes

ORDER: Final = (
    "dynamic_scan_number",
    "cardiac_phase_number",
    "image_type_mr",
    "scanning_sequence",
    "label_type",
    "gradient_orientation_number",
    "diffusion_b_value_number",
    "echo_number",
    "slice_number",
)
"""The columns that tell images apart, slowest first: volume after volume, as scanners mostly export.

In a scanner's DTI file the directions come first, then b = 0 and the trace, which share the last gradient number.
"""

_FINEST: Final = 1e-4
_NEAREST: Final = 5e-6  # half of the last decimal of the rescale slope

_CARRIED: Final = """
AcquisitionContrast CodeMeaning CodeValue ComplexImageComponent DiffusionAnisotropyType DiffusionBFactor
DiffusionBValue DiffusionDirection DiffusionDirectionAP DiffusionDirectionFH DiffusionDirectionRL
DiffusionDirectionality DiffusionGradientOrientation DimensionIndexValues EchoNumbers EchoTime EchoTrainLength
EffectiveEchoTime FlipAngle FrameType HeartRate HighRRValue ImageAngulationAP ImageAngulationFH
ImageAngulationRL ImageOffcentreAP ImageOffcentreFH ImageOffcentreRL ImageOrientationPatient
ImagePositionPatient ImageType ImageTypeEDES InStackPositionNumber InversionTime LUTExplanation LowRRValue
MRImageAngulationAP MRImageAngulationFH MRImageAngulationRL MRImageDiffBValueNumber MRImageDisplayOrientation
MRImageDynamicScanBeginTime MRImageGradientOrientationNumber MRImageLabelType MRImageOffCentreAP
MRImageOffCentreFH MRImageOffCentreRL MRImagePhaseNumber MRImageScanningSequencePrivate MRImageTypeMR
MRScaleIntercept MRScaleSlope MRSeriesWaterFatShift MRWindowCenter MRWindowWidth MRfMRIStatusIndication
NominalCardiacTriggerDelayTime NumberOfAverages PatientOrientation PercentSampling PixelData PixelSpacing
RealWorldValueIntercept RealWorldValueSlope RescaleIntercept RescaleInterceptOriginal RescaleSlope
RescaleSlopeOriginal RescaleType RescaleTypeOriginal SliceLocation SliceNumberMR SliceOrientation
SliceThickness SpacingBetweenSlices StackID TemporalPositionIdentifier TemporalPositionIndex TriggerTime
WindowCenter WindowWidth
"""
"""Attributes whose values a PAR file has, or that follow from those it has."""

_OF_NO_CONCERN: Final = ("UID", "Date", "Time", "DateTime", "InstanceNumber", "MaxFP", "MinFP", "ReferencedFrameNumber")
"""How the names end of what differs between images without saying how they were made."""


def note_limits(images: Images, described: Described, order: Ints, notes: Notes, *, thorough: bool) -> None:
    """Note what is lost, or what readers will stumble over; ``thorough`` asks for every attribute that varies."""
    table = described.table
    keys = np.column_stack([table[key] for key in ORDER])[order]
    same = np.flatnonzero((keys[1:] == keys[:-1]).all(axis=1))
    if len(same):
        notes.add(
            f"images {order[same[0]] + 1} and {order[same[0] + 1] + 1} of the source have all numbers in common"
            f"{f', so have {len(same)} pairs in all' if len(same) > 1 else ''}: readers cannot tell them apart"
        )
    numbers = np.unique(table["slice_number"])
    if numbers[0] != 1 or len(numbers) != numbers[-1]:
        notes.add(
            f"slices: numbers {numbers[0]} to {numbers[-1]}, {len(numbers)} of them; some readers want all from 1"
        )
    volumes = 1 + int((keys[1:, :-1] != keys[:-1, :-1]).any(axis=1).sum())  # slices are the last key, and sorted last
    if volumes * len(numbers) > images.count:
        notes.add("volumes: some lack slices; most readers refuse such a scan, or leave those volumes out")
    slopes = table["rescale_slope"]
    lost = np.abs(slopes) < _NEAREST / _FINEST
    if lost.any():
        worst = _NEAREST / max(float(np.abs(slopes[lost]).min()), _NEAREST)
        notes.add(f"rescale slope: is small, and its 5 decimals are up to {worst:.1%} off; FP of RI 0 do not use it")
    if thorough:
        carried = frozenset(_CARRIED.split())
        for name in images.varying():
            last = name.rpartition(".")[2]
            if last.partition("[")[0] not in carried and not last.endswith(_OF_NO_CONCERN):
                notes.add(f"{name}: varies between images, a PAR file has no place for it")
