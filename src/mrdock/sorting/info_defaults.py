"""The tags that dcminfo shows unless it is told otherwise: what a physicist asks first of an MR file."""

from __future__ import annotations

from typing import Final

from mrdock.dicom.scan import Key
from mrdock.dicom.tags import parse

# In the order in which they are shown: who, when, which scan, how it was acquired, the geometry, what tells the images
# of a series apart, the scanner. Units are those of PS3.3 (in brackets) and, for private ones, of the scanner's window.
_LIST: Final = """
PatientName
PatientID
PatientBirthDate
PatientSex
PatientAge
PatientWeight [kg]
StudyID
StudyDescription
StudyDate
StudyTime
Modality
SeriesNumber
SeriesDescription
ProtocolName
SeriesDate
SeriesTime
AcquisitionDuration [s]
ImageType
FrameType
ScanningTechnique
PulseSequenceName
ScanningSequence
SequenceVariant
ScanOptions
MRAcquisitionType
RepetitionTime [ms]
EchoTime [ms]
EffectiveEchoTime [ms]
InversionTime [ms]
FlipAngle [deg]
EchoTrainLength
EPIFactor
NumberOfAverages
PixelBandwidth [Hz/pixel]
WaterFatShift [pixel]
ParallelAcquisition
ParallelReductionFactorInPlane
ParallelReductionFactorOutOfPlane
PartialFourier
Rows
Columns
NumberOfFrames
NumberOfSlicesMR
AcquisitionMatrix
InPlanePhaseEncodingDirection
ReconstructionDiameter [mm]
PixelSpacing [mm]
SliceThickness [mm]
SpacingBetweenSlices [mm]
SliceOrientation
PatientPosition
ImageOrientationPatient
InstanceNumber
SliceNumberMR
InStackPositionNumber
SliceLocation [mm]
TemporalPositionIdentifier
TemporalPositionIndex
NumberOfTemporalPositions
EchoNumbers
NumberOfEchoes
PhaseNumber
NumberOfPhasesMR
TriggerTime [ms]
CardiacNumberOfImages
DiffusionBValue [s/mm2]
DiffusionGradientOrientation
ImagePositionPatient [mm]
RescaleSlope
RescaleIntercept
Manufacturer
ManufacturerModelName
StationName
DeviceSerialNumber
SoftwareVersions
MagneticFieldStrength [T]
ImagingFrequency [MHz]
ImagedNucleus
ReceiveCoilName
TransmitCoilName
"""

_ROWS: Final = [line.partition(" ") for line in _LIST.strip().splitlines()]

DEFAULTS: Final[tuple[Key, ...]] = tuple(parse(name) for name, _, _ in _ROWS)
UNITS: Final[dict[Key, str]] = {parse(name): unit.strip("[]") for name, _, unit in _ROWS if unit}
