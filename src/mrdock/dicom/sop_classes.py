"""Storage SOP classes and transfer syntaxes: what a storage server may accept, and how it names the files.

One table holds every class with its name and with the file name prefix that DCMTK's ``storescp`` gives its
instances (``MRe.1.2.3...`` for Enhanced MR Image Storage), so that a store looks the same to people and to
scripts that knew files from ``storescp``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

WITHOUT_STUDY: Final[frozenset[str]] = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.200.1",
        "1.2.840.10008.5.1.4.1.1.200.3",
        "1.2.840.10008.5.1.4.1.1.200.7",
        "1.2.840.10008.5.1.4.1.1.201.1",
        "1.2.840.10008.5.1.4.38.1",
        "1.2.840.10008.5.1.4.39.1",
        "1.2.840.10008.5.1.4.43.1",
        "1.2.840.10008.5.1.4.44.1",
        "1.2.840.10008.5.1.4.45.1",
    }
)
"""The classes of objects that belong to no patient and no study (PS3.4 annex GG)."""

VERIFICATION: Final = "1.2.840.10008.1.1"

UNKNOWN_PREFIX: Final = "UNKNOWN"
"""What ``storescp`` puts before the name of an instance whose class it does not know."""


@dataclass(frozen=True, slots=True)
class StorageClass:
    """One storage SOP class: its UID, its name in DICOM, and the prefix of its file names."""

    uid: str
    name: str
    prefix: str


# The standard classes: PS3.6 Table A-1 as of 2026, retired ones included, in the order of their UIDs. The two that
# PS3.6 lists as retired without a name (1.2.840.10008.5.1.4.1.1.12.77 and .40) have the names they had before.
#
# Left out, although "Storage" is in their names or C-STORE carries them: Media Storage Directory Storage (a
# DICOMDIR lives on media, PS3.10), the Storage Commitment classes (N-ACTION), Basic Study Content Notification
# (retired; a notice, nothing to keep), the classes of Query/Retrieve, print, worklist and procedure step services,
# and Real-Time Communication (PS3.22; a stream, not a stored instance).
#
# The prefixes are those of DCMTK's development branch after release 3.7.0 (table "modalities" in
# dcmdata/libsrc/dcuid.cc), where some classes share one. It does not know the two nameless classes.
_STANDARD = """
SP   1.2.840.10008.5.1.1.27            Stored Print Storage SOP Class (Retired)
HG   1.2.840.10008.5.1.1.29            Hardcopy Grayscale Image Storage SOP Class (Retired)
HC   1.2.840.10008.5.1.1.30            Hardcopy Color Image Storage SOP Class (Retired)
CR   1.2.840.10008.5.1.4.1.1.1         Computed Radiography Image Storage
DX   1.2.840.10008.5.1.4.1.1.1.1       Digital X-Ray Image Storage - For Presentation
DP   1.2.840.10008.5.1.4.1.1.1.1.1     Digital X-Ray Image Storage - For Processing
DXm  1.2.840.10008.5.1.4.1.1.1.2       Digital Mammography X-Ray Image Storage - For Presentation
DPm  1.2.840.10008.5.1.4.1.1.1.2.1     Digital Mammography X-Ray Image Storage - For Processing
DXo  1.2.840.10008.5.1.4.1.1.1.3       Digital Intra-Oral X-Ray Image Storage - For Presentation
DPo  1.2.840.10008.5.1.4.1.1.1.3.1     Digital Intra-Oral X-Ray Image Storage - For Processing
CT   1.2.840.10008.5.1.4.1.1.2         CT Image Storage
CTe  1.2.840.10008.5.1.4.1.1.2.1       Enhanced CT Image Storage
CTl  1.2.840.10008.5.1.4.1.1.2.2       Legacy Converted Enhanced CT Image Storage
CT   1.2.840.10008.5.1.4.1.1.2.3       CT Image Storage - For Processing
CTe  1.2.840.10008.5.1.4.1.1.2.4       Enhanced CT Image Storage - For Processing
CTl  1.2.840.10008.5.1.4.1.1.2.5       Legacy Converted Enhanced CT Image Storage - For Processing
USf  1.2.840.10008.5.1.4.1.1.3         Ultrasound Multi-frame Image Storage (Retired)
USm  1.2.840.10008.5.1.4.1.1.3.1       Ultrasound Multi-frame Image Storage
MR   1.2.840.10008.5.1.4.1.1.4         MR Image Storage
MRe  1.2.840.10008.5.1.4.1.1.4.1       Enhanced MR Image Storage
MRs  1.2.840.10008.5.1.4.1.1.4.2       MR Spectroscopy Storage
MRc  1.2.840.10008.5.1.4.1.1.4.3       Enhanced MR Color Image Storage
MRl  1.2.840.10008.5.1.4.1.1.4.4       Legacy Converted Enhanced MR Image Storage
NMr  1.2.840.10008.5.1.4.1.1.5         Nuclear Medicine Image Storage (Retired)
USr  1.2.840.10008.5.1.4.1.1.6         Ultrasound Image Storage (Retired)
US   1.2.840.10008.5.1.4.1.1.6.1       Ultrasound Image Storage
USe  1.2.840.10008.5.1.4.1.1.6.2       Enhanced US Volume Storage
PA   1.2.840.10008.5.1.4.1.1.6.3       Photoacoustic Image Storage
SC   1.2.840.10008.5.1.4.1.1.7         Secondary Capture Image Storage
SCs  1.2.840.10008.5.1.4.1.1.7.1       Multi-frame Single Bit Secondary Capture Image Storage
SCb  1.2.840.10008.5.1.4.1.1.7.2       Multi-frame Grayscale Byte Secondary Capture Image Storage
SCw  1.2.840.10008.5.1.4.1.1.7.3       Multi-frame Grayscale Word Secondary Capture Image Storage
SCc  1.2.840.10008.5.1.4.1.1.7.4       Multi-frame True Color Secondary Capture Image Storage
OV   1.2.840.10008.5.1.4.1.1.8         Standalone Overlay Storage (Retired)
CV   1.2.840.10008.5.1.4.1.1.9         Standalone Curve Storage (Retired)
WV_d 1.2.840.10008.5.1.4.1.1.9.1       Waveform Storage - Trial (Retired)
TLE  1.2.840.10008.5.1.4.1.1.9.1.1     12-lead ECG Waveform Storage
ECG  1.2.840.10008.5.1.4.1.1.9.1.2     General ECG Waveform Storage
ECA  1.2.840.10008.5.1.4.1.1.9.1.3     Ambulatory ECG Waveform Storage
ECGh 1.2.840.10008.5.1.4.1.1.9.1.4     General 32-bit ECG Waveform Storage
WVh  1.2.840.10008.5.1.4.1.1.9.2.1     Hemodynamic Waveform Storage
WVc  1.2.840.10008.5.1.4.1.1.9.3.1     Cardiac Electrophysiology Waveform Storage
AUV  1.2.840.10008.5.1.4.1.1.9.4.1     Basic Voice Audio Waveform Storage
AUG  1.2.840.10008.5.1.4.1.1.9.4.2     General Audio Waveform Storage
WVa  1.2.840.10008.5.1.4.1.1.9.5.1     Arterial Pulse Waveform Storage
WVr  1.2.840.10008.5.1.4.1.1.9.6.1     Respiratory Waveform Storage
WVm  1.2.840.10008.5.1.4.1.1.9.6.2     Multi-channel Respiratory Waveform Storage
EEG  1.2.840.10008.5.1.4.1.1.9.7.1     Routine Scalp Electroencephalogram Waveform Storage
EMG  1.2.840.10008.5.1.4.1.1.9.7.2     Electromyogram Waveform Storage
EOG  1.2.840.10008.5.1.4.1.1.9.7.3     Electrooculogram Waveform Storage
WVs  1.2.840.10008.5.1.4.1.1.9.7.4     Sleep Electroencephalogram Waveform Storage
WVb  1.2.840.10008.5.1.4.1.1.9.8.1     Body Position Waveform Storage
PSw  1.2.840.10008.5.1.4.1.1.9.100.1   Waveform Presentation State Storage
PSq  1.2.840.10008.5.1.4.1.1.9.100.2   Waveform Acquisition Presentation State Storage
ML   1.2.840.10008.5.1.4.1.1.10        Standalone Modality LUT Storage (Retired)
VO   1.2.840.10008.5.1.4.1.1.11        Standalone VOI LUT Storage (Retired)
PSg  1.2.840.10008.5.1.4.1.1.11.1      Grayscale Softcopy Presentation State Storage
PSc  1.2.840.10008.5.1.4.1.1.11.2      Color Softcopy Presentation State Storage
PSp  1.2.840.10008.5.1.4.1.1.11.3      Pseudo-Color Softcopy Presentation State Storage
PSb  1.2.840.10008.5.1.4.1.1.11.4      Blending Softcopy Presentation State Storage
PSx  1.2.840.10008.5.1.4.1.1.11.5      XA/XRF Grayscale Softcopy Presentation State Storage
VPg  1.2.840.10008.5.1.4.1.1.11.6      Grayscale Planar MPR Volumetric Presentation State Storage
VPc  1.2.840.10008.5.1.4.1.1.11.7      Compositing Planar MPR Volumetric Presentation State Storage
PSa  1.2.840.10008.5.1.4.1.1.11.8      Advanced Blending Presentation State Storage
VPv  1.2.840.10008.5.1.4.1.1.11.9      Volume Rendering Volumetric Presentation State Storage
VPs  1.2.840.10008.5.1.4.1.1.11.10     Segmented Volume Rendering Volumetric Presentation State Storage
VPm  1.2.840.10008.5.1.4.1.1.11.11     Multiple Volume Rendering Volumetric Presentation State Storage
PSv  1.2.840.10008.5.1.4.1.1.11.12     Variable Modality LUT Softcopy Presentation State Storage
XA   1.2.840.10008.5.1.4.1.1.12.1      X-Ray Angiographic Image Storage
XAe  1.2.840.10008.5.1.4.1.1.12.1.1    Enhanced XA Image Storage
RF   1.2.840.10008.5.1.4.1.1.12.2      X-Ray Radiofluoroscopic Image Storage
RFe  1.2.840.10008.5.1.4.1.1.12.2.1    Enhanced XRF Image Storage
XB   1.2.840.10008.5.1.4.1.1.12.3      X-Ray Angiographic Bi-Plane Image Storage (Retired)
OPt  1.2.840.10008.5.1.4.1.1.12.77     Zeiss OPT File (Retired)
XA3  1.2.840.10008.5.1.4.1.1.13.1.1    X-Ray 3D Angiographic Image Storage
XC3  1.2.840.10008.5.1.4.1.1.13.1.2    X-Ray 3D Craniofacial Image Storage
BT   1.2.840.10008.5.1.4.1.1.13.1.3    Breast Tomosynthesis Image Storage
BX   1.2.840.10008.5.1.4.1.1.13.1.4    Breast Projection X-Ray Image Storage - For Presentation
BP   1.2.840.10008.5.1.4.1.1.13.1.5    Breast Projection X-Ray Image Storage - For Processing
OCt  1.2.840.10008.5.1.4.1.1.14.1      Intravascular Optical Coherence Tomography Image Storage - For Presentation
OCp  1.2.840.10008.5.1.4.1.1.14.2      Intravascular Optical Coherence Tomography Image Storage - For Processing
NM   1.2.840.10008.5.1.4.1.1.20        Nuclear Medicine Image Storage
PM   1.2.840.10008.5.1.4.1.1.30        Parametric Map Storage
MR   1.2.840.10008.5.1.4.1.1.40        MR Image Storage Zero Padded (Retired)
RAW  1.2.840.10008.5.1.4.1.1.66        Raw Data Storage
RGs  1.2.840.10008.5.1.4.1.1.66.1      Spatial Registration Storage
FID  1.2.840.10008.5.1.4.1.1.66.2      Spatial Fiducials Storage
RGd  1.2.840.10008.5.1.4.1.1.66.3      Deformable Spatial Registration Storage
SG   1.2.840.10008.5.1.4.1.1.66.4      Segmentation Storage
SGs  1.2.840.10008.5.1.4.1.1.66.5      Surface Segmentation Storage
TR   1.2.840.10008.5.1.4.1.1.66.6      Tractography Results Storage
SGl  1.2.840.10008.5.1.4.1.1.66.7      Label Map Segmentation Storage
SGh  1.2.840.10008.5.1.4.1.1.66.8      Height Map Segmentation Storage
RWM  1.2.840.10008.5.1.4.1.1.67        Real World Value Mapping Storage
SSm  1.2.840.10008.5.1.4.1.1.68.1      Surface Scan Mesh Storage
SSp  1.2.840.10008.5.1.4.1.1.68.2      Surface Scan Point Cloud Storage
VLr  1.2.840.10008.5.1.4.1.1.77.1      VL Image Storage - Trial (Retired)
VLe  1.2.840.10008.5.1.4.1.1.77.1.1    VL Endoscopic Image Storage
VVe  1.2.840.10008.5.1.4.1.1.77.1.1.1  Video Endoscopic Image Storage
VLm  1.2.840.10008.5.1.4.1.1.77.1.2    VL Microscopic Image Storage
VVm  1.2.840.10008.5.1.4.1.1.77.1.2.1  Video Microscopic Image Storage
VLs  1.2.840.10008.5.1.4.1.1.77.1.3    VL Slide-Coordinates Microscopic Image Storage
VLp  1.2.840.10008.5.1.4.1.1.77.1.4    VL Photographic Image Storage
VVp  1.2.840.10008.5.1.4.1.1.77.1.4.1  Video Photographic Image Storage
OPb  1.2.840.10008.5.1.4.1.1.77.1.5.1  Ophthalmic Photography 8 Bit Image Storage
OPw  1.2.840.10008.5.1.4.1.1.77.1.5.2  Ophthalmic Photography 16 Bit Image Storage
OPr  1.2.840.10008.5.1.4.1.1.77.1.5.3  Stereometric Relationship Storage
OPt  1.2.840.10008.5.1.4.1.1.77.1.5.4  Ophthalmic Tomography Image Storage
OWs  1.2.840.10008.5.1.4.1.1.77.1.5.5  Wide Field Ophthalmic Photography Stereographic Projection Image Storage
OW3  1.2.840.10008.5.1.4.1.1.77.1.5.6  Wide Field Ophthalmic Photography 3D Coordinates Image Storage
OCe  1.2.840.10008.5.1.4.1.1.77.1.5.7  Ophthalmic Optical Coherence Tomography En Face Image Storage
OCb  1.2.840.10008.5.1.4.1.1.77.1.5.8  Ophthalmic Optical Coherence Tomography B-scan Volume Analysis Storage
VLw  1.2.840.10008.5.1.4.1.1.77.1.6    VL Whole Slide Microscopy Image Storage
VLd  1.2.840.10008.5.1.4.1.1.77.1.7    Dermoscopic Photography Image Storage
CFm  1.2.840.10008.5.1.4.1.1.77.1.8    Confocal Microscopy Image Storage
CFt  1.2.840.10008.5.1.4.1.1.77.1.9    Confocal Microscopy Tiled Pyramidal Image Storage
VMr  1.2.840.10008.5.1.4.1.1.77.2      VL Multi-frame Image Storage - Trial (Retired)
OPl  1.2.840.10008.5.1.4.1.1.78.1      Lensometry Measurements Storage
OPa  1.2.840.10008.5.1.4.1.1.78.2      Autorefraction Measurements Storage
OPk  1.2.840.10008.5.1.4.1.1.78.3      Keratometry Measurements Storage
OPs  1.2.840.10008.5.1.4.1.1.78.4      Subjective Refraction Measurements Storage
OPv  1.2.840.10008.5.1.4.1.1.78.5      Visual Acuity Measurements Storage
SRs  1.2.840.10008.5.1.4.1.1.78.6      Spectacle Prescription Report Storage
OPx  1.2.840.10008.5.1.4.1.1.78.7      Ophthalmic Axial Measurements Storage
OPc  1.2.840.10008.5.1.4.1.1.78.8      Intraocular Lens Calculations Storage
SRg  1.2.840.10008.5.1.4.1.1.79.1      Macular Grid Thickness and Volume Report Storage
OPp  1.2.840.10008.5.1.4.1.1.80.1      Ophthalmic Visual Field Static Perimetry Measurements Storage
OPm  1.2.840.10008.5.1.4.1.1.81.1      Ophthalmic Thickness Map Storage
CM   1.2.840.10008.5.1.4.1.1.82.1      Corneal Topography Map Storage
SR_t 1.2.840.10008.5.1.4.1.1.88.1      Text SR Storage - Trial (Retired)
SR_a 1.2.840.10008.5.1.4.1.1.88.2      Audio SR Storage - Trial (Retired)
SR_d 1.2.840.10008.5.1.4.1.1.88.3      Detail SR Storage - Trial (Retired)
SR_c 1.2.840.10008.5.1.4.1.1.88.4      Comprehensive SR Storage - Trial (Retired)
SRt  1.2.840.10008.5.1.4.1.1.88.11     Basic Text SR Storage
SRe  1.2.840.10008.5.1.4.1.1.88.22     Enhanced SR Storage
SRc  1.2.840.10008.5.1.4.1.1.88.33     Comprehensive SR Storage
SR3  1.2.840.10008.5.1.4.1.1.88.34     Comprehensive 3D SR Storage
SRx  1.2.840.10008.5.1.4.1.1.88.35     Extensible SR Storage
SRp  1.2.840.10008.5.1.4.1.1.88.40     Procedure Log Storage
SRm  1.2.840.10008.5.1.4.1.1.88.50     Mammography CAD SR Storage
KO   1.2.840.10008.5.1.4.1.1.88.59     Key Object Selection Document Storage
SRh  1.2.840.10008.5.1.4.1.1.88.65     Chest CAD SR Storage
SRd  1.2.840.10008.5.1.4.1.1.88.67     X-Ray Radiation Dose SR Storage
SRr  1.2.840.10008.5.1.4.1.1.88.68     Radiopharmaceutical Radiation Dose SR Storage
SRo  1.2.840.10008.5.1.4.1.1.88.69     Colon CAD SR Storage
SRi  1.2.840.10008.5.1.4.1.1.88.70     Implantation Plan SR Storage
SRa  1.2.840.10008.5.1.4.1.1.88.71     Acquisition Context SR Storage
SRu  1.2.840.10008.5.1.4.1.1.88.72     Simplified Adult Echo SR Storage
SRq  1.2.840.10008.5.1.4.1.1.88.73     Patient Radiation Dose SR Storage
SRj  1.2.840.10008.5.1.4.1.1.88.74     Planned Imaging Agent Administration SR Storage
SRi  1.2.840.10008.5.1.4.1.1.88.75     Performed Imaging Agent Administration SR Storage
SRde 1.2.840.10008.5.1.4.1.1.88.76     Enhanced X-Ray Radiation Dose SR Storage
SRw  1.2.840.10008.5.1.4.1.1.88.77     Waveform Annotation SR Storage
AS   1.2.840.10008.5.1.4.1.1.90.1      Content Assessment Results Storage
MAs  1.2.840.10008.5.1.4.1.1.91.1      Microscopy Bulk Simple Annotations Storage
PDF  1.2.840.10008.5.1.4.1.1.104.1     Encapsulated PDF Storage
CDA  1.2.840.10008.5.1.4.1.1.104.2     Encapsulated CDA Storage
STL  1.2.840.10008.5.1.4.1.1.104.3     Encapsulated STL Storage
OBJ  1.2.840.10008.5.1.4.1.1.104.4     Encapsulated OBJ Storage
MTL  1.2.840.10008.5.1.4.1.1.104.5     Encapsulated MTL Storage
PI   1.2.840.10008.5.1.4.1.1.128       Positron Emission Tomography Image Storage
PIl  1.2.840.10008.5.1.4.1.1.128.1     Legacy Converted Enhanced PET Image Storage
PC   1.2.840.10008.5.1.4.1.1.129       Standalone PET Curve Storage (Retired)
PIe  1.2.840.10008.5.1.4.1.1.130       Enhanced PET Image Storage
SD   1.2.840.10008.5.1.4.1.1.131       Basic Structured Display Storage
PPcd 1.2.840.10008.5.1.4.1.1.200.1     CT Defined Procedure Protocol Storage
PPcp 1.2.840.10008.5.1.4.1.1.200.2     CT Performed Procedure Protocol Storage
PAp  1.2.840.10008.5.1.4.1.1.200.3     Protocol Approval Storage
PPxd 1.2.840.10008.5.1.4.1.1.200.7     XA Defined Procedure Protocol Storage
PPxp 1.2.840.10008.5.1.4.1.1.200.8     XA Performed Procedure Protocol Storage
INV  1.2.840.10008.5.1.4.1.1.201.1     Inventory Storage
RI   1.2.840.10008.5.1.4.1.1.481.1     RT Image Storage
RD   1.2.840.10008.5.1.4.1.1.481.2     RT Dose Storage
RS   1.2.840.10008.5.1.4.1.1.481.3     RT Structure Set Storage
RTb  1.2.840.10008.5.1.4.1.1.481.4     RT Beams Treatment Record Storage
RP   1.2.840.10008.5.1.4.1.1.481.5     RT Plan Storage
RTr  1.2.840.10008.5.1.4.1.1.481.6     RT Brachy Treatment Record Storage
RTs  1.2.840.10008.5.1.4.1.1.481.7     RT Treatment Summary Record Storage
RPi  1.2.840.10008.5.1.4.1.1.481.8     RT Ion Plan Storage
RTi  1.2.840.10008.5.1.4.1.1.481.9     RT Ion Beams Treatment Record Storage
RIp  1.2.840.10008.5.1.4.1.1.481.10    RT Physician Intent Storage
RAs  1.2.840.10008.5.1.4.1.1.481.11    RT Segment Annotation Storage
RSe  1.2.840.10008.5.1.4.1.1.481.12    RT Radiation Set Storage
Rca  1.2.840.10008.5.1.4.1.1.481.13    C-Arm Photon-Electron Radiation Storage
Rto  1.2.840.10008.5.1.4.1.1.481.14    Tomotherapeutic Radiation Storage
Rra  1.2.840.10008.5.1.4.1.1.481.15    Robotic-Arm Radiation Storage
RSr  1.2.840.10008.5.1.4.1.1.481.16    RT Radiation Record Set Storage
RRs  1.2.840.10008.5.1.4.1.1.481.17    RT Radiation Salvage Record Storage
RRt  1.2.840.10008.5.1.4.1.1.481.18    Tomotherapeutic Radiation Record Storage
RRc  1.2.840.10008.5.1.4.1.1.481.19    C-Arm Photon-Electron Radiation Record Storage
RRr  1.2.840.10008.5.1.4.1.1.481.20    Robotic Radiation Record Storage
RSd  1.2.840.10008.5.1.4.1.1.481.21    RT Radiation Set Delivery Instruction Storage
RTp  1.2.840.10008.5.1.4.1.1.481.22    RT Treatment Preparation Storage
RIe  1.2.840.10008.5.1.4.1.1.481.23    Enhanced RT Image Storage
RIc  1.2.840.10008.5.1.4.1.1.481.24    Enhanced Continuous RT Image Storage
RPp  1.2.840.10008.5.1.4.1.1.481.25    RT Patient Position Acquisition Instruction Storage
CTs  1.2.840.10008.5.1.4.1.1.501.1     DICOS CT Image Storage
DXs  1.2.840.10008.5.1.4.1.1.501.2.1   DICOS Digital X-Ray Image Storage - For Presentation
DPs  1.2.840.10008.5.1.4.1.1.501.2.2   DICOS Digital X-Ray Image Storage - For Processing
TDR  1.2.840.10008.5.1.4.1.1.501.3     DICOS Threat Detection Report Storage
AI2  1.2.840.10008.5.1.4.1.1.501.4     DICOS 2D AIT Storage
AI3  1.2.840.10008.5.1.4.1.1.501.5     DICOS 3D AIT Storage
QR   1.2.840.10008.5.1.4.1.1.501.6     DICOS Quadrupole Resonance (QR) Storage
EC   1.2.840.10008.5.1.4.1.1.601.1     Eddy Current Image Storage
ECm  1.2.840.10008.5.1.4.1.1.601.2     Eddy Current Multi-frame Image Storage
TG   1.2.840.10008.5.1.4.1.1.601.3     Thermography Image Storage
TGm  1.2.840.10008.5.1.4.1.1.601.4     Thermography Multi-frame Image Storage
UW   1.2.840.10008.5.1.4.1.1.601.5     Ultrasound Waveform Storage
RB_d 1.2.840.10008.5.1.4.34.1          RT Beams Delivery Instruction Storage - Trial (Retired)
RTd  1.2.840.10008.5.1.4.34.7          RT Beams Delivery Instruction Storage
RTa  1.2.840.10008.5.1.4.34.10         RT Brachy Application Setup Delivery Instruction Storage
HP   1.2.840.10008.5.1.4.38.1          Hanging Protocol Storage
CP   1.2.840.10008.5.1.4.39.1          Color Palette Storage
IT   1.2.840.10008.5.1.4.43.1          Generic Implant Template Storage
ITa  1.2.840.10008.5.1.4.44.1          Implant Assembly Template Storage
ITg  1.2.840.10008.5.1.4.45.1          Implant Template Group Storage
"""

# Private classes that public dictionaries list (PixelMed, dcm4che, GDCM, OsiriX, Conquest). DCMTK knows none of
# them and would write UNKNOWN, which says less than we know. So: RAW for raw data and for what Philips MR scanners
# write beside the images, as the same objects get when they are sent as standard Raw Data Storage; for images of a
# known modality the standard prefix and "p" (MRp); PRV for everything else.
_PRIVATE = """
# Philips: MR
RAW  1.3.46.670589.11.0.0.12.1         Private Philips MR Spectrum Storage
RAW  1.3.46.670589.11.0.0.12.2         Private Philips MR Series Data Storage
MRp  1.3.46.670589.11.0.0.12.3         Private Philips MR Color Image Storage
RAW  1.3.46.670589.11.0.0.12.4         Private Philips MR ExamCard Storage
# Philips: workstations
PRV  1.3.46.670589.5.0.1               Private Philips Volume Storage (Retired)
PRV  1.3.46.670589.5.0.1.1             Private Philips Volume Storage
PRV  1.3.46.670589.5.0.2               Private Philips 3D Object Storage (Retired)
PRV  1.3.46.670589.5.0.2.1             Private Philips 3D Object Storage
PRV  1.3.46.670589.5.0.3               Private Philips Surface Storage (Retired)
PRV  1.3.46.670589.5.0.3.1             Private Philips Surface Storage
PRV  1.3.46.670589.5.0.4               Private Philips Composite Object Storage
PRV  1.3.46.670589.5.0.7               Private Philips MR Cardio Profile Storage
PRV  1.3.46.670589.5.0.8               Private Philips MR Cardio Storage (Retired)
PRV  1.3.46.670589.5.0.8.1             Private Philips MR Cardio Storage
CTp  1.3.46.670589.5.0.9               Private Philips CT Synthetic Image Storage
MRp  1.3.46.670589.5.0.10              Private Philips MR Synthetic Image Storage
PRV  1.3.46.670589.5.0.11              Private Philips MR Cardio Analysis Storage (Retired)
PRV  1.3.46.670589.5.0.11.1            Private Philips MR Cardio Analysis Storage
XAp  1.3.46.670589.5.0.12              Private Philips CX Synthetic Image Storage
PRV  1.3.46.670589.5.0.13              Private Philips Perfusion Storage
PRV  1.3.46.670589.5.0.14              Private Philips Perfusion Image Storage
# Philips: X-ray and ultrasound
XAp  1.3.46.670589.2.3.1.1             Private Philips Specialised XA Storage
XAp  1.3.46.670589.2.4.1.1             Private Philips CX Image Storage
PRV  1.3.46.670589.2.5.1.1             Private Philips 3D Presentation State Storage
PRV  1.3.46.670589.2.8.1.1             Private Philips VRML Storage
XAp  1.3.46.670589.2.11.1.1            Private Philips Volume Set Storage
XAp  1.3.46.670589.7.8.1618510091      Private Philips X-Ray MF Storage
XAp  1.3.46.670589.7.8.1618510092      Private Philips Live Run Storage
XAp  1.3.46.670589.7.8.16185100129     Private Philips Run Storage
XAp  1.3.46.670589.7.8.16185100130     Private Philips Reconstruction Storage
USp  1.2.840.113543.6.6.1.3.10001      Private Philips HP Live 3D 01 Storage
USp  1.2.840.113543.6.6.1.3.10002      Private Philips HP Live 3D 02 Storage
# Siemens
PRV  1.3.12.2.1107.5.9.1               Private Siemens CSA Non Image Storage
PRV  1.3.12.2.1107.5.99.3.10           Private Siemens CT MR Volume Storage
XAp  1.3.12.2.1107.5.99.3.11           Private Siemens AX Frame Sets Storage
# GE
MRp  1.2.840.113619.4.2                Private GE Dicom MR Image Info Object
CTp  1.2.840.113619.4.3                Private GE Dicom CT Image Info Object
PRV  1.2.840.113619.4.4                Private GE Dicom Display Image Info Object
PRV  1.2.840.113619.4.26               Private GE 3D Model Storage
PRV  1.2.840.113619.4.27               Private GE eNTEGRA Protocol or NM Genie Storage
RAW  1.2.840.113619.4.30               Private GE PET Raw Data Storage
PRV  1.2.840.113619.4.5.249            Private GE RT Plan Storage
PRV  1.2.840.113619.5.249              Private GE RT Plan Storage (older UID)
PRV  1.2.840.113619.5.253              Private GE Saturn TDS Object Storage
PRV  1.2.528.1.1001.5.1.1.1            Private GE Collage Storage
PRV  2.16.840.1.113709.1.5.1           Private GE PACS IMS Info Storage
# Fuji, Toshiba, Agfa, TomTec
CRp  1.2.392.200036.9125.1.1.2         Private Fuji CR Image Storage
CRp  1.2.392.200036.9125.1.1.4         Private Fuji Mammo CR Image Storage
USp  1.2.392.200036.9116.7.8.1.1.1     Private Toshiba US Image Storage
PRV  1.2.124.113532.3500.7             Private Agfa Basic Attribute Presentation State
PRV  1.2.124.113532.3500.8.1           Private Agfa Arrival Transaction
PRV  1.2.124.113532.3500.8.2           Private Agfa Dictation Transaction
PRV  1.2.124.113532.3500.8.3           Private Agfa Report Transcription Transaction
PRV  1.2.124.113532.3500.8.4           Private Agfa Report Approval Transaction
PRV  1.2.276.0.48.5.1.4.1.1.7          Private TomTec Annotation Storage
# Software
PRV  1.3.6.1.4.1.16978.3.1             Private Medical Insight 3D Softcopy Presentation State Storage
PRV  1.2.826.0.1.3680043.293.1.0.1     Private ERAD Practice Builder Report Text Storage
PRV  1.2.826.0.1.3680043.293.1.0.2     Private ERAD Practice Builder Report Dictation Storage
PRV  2.16.840.1.114033.5.1.4.1.1.130   Private PMOD Multi-frame Image Storage
CTp  1.3.6.1.4.1.5962.301.1            Private PixelMed Legacy Converted Enhanced CT Image Storage
MRp  1.3.6.1.4.1.5962.301.2            Private PixelMed Legacy Converted Enhanced MR Image Storage
PIp  1.3.6.1.4.1.5962.301.3            Private PixelMed Legacy Converted Enhanced PET Image Storage
PRV  1.3.6.1.4.1.5962.301.9            Private PixelMed Floating Point Image Storage
CTp  1.2.40.0.13.1.5.1.4.1.1.2.1       Private dcm4che Upgraded CT Image Storage
MRp  1.2.40.0.13.1.5.1.4.1.1.4.1       Private dcm4che Upgraded MR Image Storage
PIp  1.2.40.0.13.1.5.1.4.1.1.128.1     Private dcm4che Upgraded PET Image Storage
PRV  1.2.40.0.13.1.5.1.4.1.1.104.1     Private dcm4che Encapsulated Document Storage
PRV  1.2.40.0.13.1.5.1.4.1.1.104.2     Private dcm4che Encapsulated Bzip2 VCF Storage
PRV  1.2.40.0.13.1.5.1.4.1.1.104.3     Private dcm4che Encapsulated Bzip2 Document Storage
"""


def _classes(*tables: str) -> Mapping[str, StorageClass]:
    rows = (line.split(maxsplit=2) for table in tables for line in table.splitlines() if line[:1] not in ("", "#"))
    return MappingProxyType({uid: StorageClass(uid, name, prefix) for prefix, uid, name in rows})


STORAGE_CLASSES: Final = _classes(_STANDARD, _PRIVATE)
"""Every known storage SOP class by its UID."""

REFUSED_BY_CLASSIC: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT
        "1.2.840.10008.5.1.4.1.1.2.4",  # Enhanced CT - For Processing
        "1.2.840.10008.5.1.4.1.1.2.5",  # Legacy Converted Enhanced CT - For Processing
        "1.2.840.10008.5.1.4.1.1.4.1",  # Enhanced MR
        "1.2.840.10008.5.1.4.1.1.4.3",  # Enhanced MR Color
        "1.2.840.10008.5.1.4.1.1.4.4",  # Legacy Converted Enhanced MR
        "1.2.840.10008.5.1.4.1.1.128.1",  # Legacy Converted Enhanced PET
        "1.2.840.10008.5.1.4.1.1.130",  # Enhanced PET
    }
)
"""The classes that a "classic" listener refuses, so that the sender falls back to one image a file.

A Philips MR scanner sends an Enhanced MR Image as classic MR Images to a system that does not support Enhanced MR
(DICOM Conformance Statement MR Achieva R3.2, section 1). MR Spectroscopy, which has no classic form, stays
accepted, and so do Enhanced XA, XRF and US and the private classes.
"""


def file_prefix(sop_class_uid: str) -> str:
    """What the file name of an instance of this SOP class begins with; ``UNKNOWN`` for a class not in the table."""
    known = STORAGE_CLASSES.get(sop_class_uid)
    return UNKNOWN_PREFIX if known is None else known.prefix


EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
"""Explicit VR Little Endian, that of every File Meta Information too."""

DEFLATED: Final = "1.2.840.10008.1.2.1.99"
"""Deflated Explicit VR Little Endian: the whole data set is compressed, its tags cannot be read in passing."""

DEFLATED_IMAGE_FRAME: Final = "1.2.840.10008.1.2.8.1"
"""Deflated Image Frame Compression: each frame is compressed, the other elements are plain Explicit VR."""

# Best first. A sender that offers several syntaxes in one presentation context may be able to convert, and will use
# the one we pick: so uncompressed before compressed, and nothing lossy before something lossless.
#
# Left out are JPIP (the pixels stay with the sender), SMPTE ST 2110 (streams), RFC 2557 MIME and XML encoding (no
# data sets), the retired JPEG processes, and Papyrus 3.
UNCOMPRESSED: Final = (
    EXPLICIT_LITTLE,
    "1.2.840.10008.1.2",  # Implicit VR Little Endian
    "1.2.840.10008.1.2.2",  # Explicit VR Big Endian (retired)
)
"""What one of these says, the others can say: they differ in how elements are written, not in their values."""

TRANSFER_SYNTAXES: Final[tuple[str, ...]] = (
    *UNCOMPRESSED,
    # lossless
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, Selection Value 1
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.92",  # JPEG 2000 Part 2 Multi-component Lossless
    "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000 Lossless
    "1.2.840.10008.1.2.4.202",  # High-Throughput JPEG 2000 Lossless, RPCL
    "1.2.840.10008.1.2.4.110",  # JPEG XL Lossless
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed Explicit VR Little Endian
    # lossy, or able to be
    "1.2.840.10008.1.2.4.50",  # JPEG Baseline
    "1.2.840.10008.1.2.4.51",  # JPEG Extended
    "1.2.840.10008.1.2.4.81",  # JPEG-LS Near-Lossless
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.93",  # JPEG 2000 Part 2 Multi-component
    "1.2.840.10008.1.2.4.203",  # High-Throughput JPEG 2000
    "1.2.840.10008.1.2.4.111",  # JPEG XL JPEG Recompression (keeps the JPEG it was made from)
    "1.2.840.10008.1.2.4.112",  # JPEG XL
    # video
    "1.2.840.10008.1.2.4.100",  # MPEG2 Main Profile / Main Level
    "1.2.840.10008.1.2.4.100.1",  # the same, fragmentable
    "1.2.840.10008.1.2.4.101",  # MPEG2 Main Profile / High Level
    "1.2.840.10008.1.2.4.101.1",  # the same, fragmentable
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264 High Profile / Level 4.1
    "1.2.840.10008.1.2.4.102.1",  # the same, fragmentable
    "1.2.840.10008.1.2.4.103",  # MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1
    "1.2.840.10008.1.2.4.103.1",  # the same, fragmentable
    "1.2.840.10008.1.2.4.104",  # MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video
    "1.2.840.10008.1.2.4.104.1",  # the same, fragmentable
    "1.2.840.10008.1.2.4.105",  # MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video
    "1.2.840.10008.1.2.4.105.1",  # the same, fragmentable
    "1.2.840.10008.1.2.4.106",  # MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2
    "1.2.840.10008.1.2.4.106.1",  # the same, fragmentable
    "1.2.840.10008.1.2.4.107",  # HEVC/H.265 Main Profile / Level 5.1
    "1.2.840.10008.1.2.4.108",  # HEVC/H.265 Main 10 Profile / Level 5.1
)
"""The transfer syntaxes that a storage server accepts, in order of preference; the deflated two come separately."""
