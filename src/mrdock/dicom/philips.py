"""The private elements of Philips MR by creator: VR and names, as DCMTK's dictionary and the scanners call them.

A block of a creator is a line ``group creator`` and a line for each element: its low byte, VR, the name mrdock prints,
and other names in use; of a few, real files show the VR and nobody the name. Re-written data spell the creators in
capitals; `tags` compares without case.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from mrdock.dicom.scan import Private


class PrivateElement(NamedTuple):
    """VR and names of one private element: the first is to be printed, there may be none."""

    vr: str
    names: tuple[str, ...]


@cache
def elements() -> dict[Private, PrivateElement]:
    """All elements of the table by group, low byte and creator."""
    found: dict[Private, PrivateElement] = {}
    group, creator = 0, ""
    for line in _TABLE.strip().splitlines():
        first, rest = line.split(" ", 1)
        if len(first) == 4:
            group, creator = int(first, 16), rest
        else:
            vr, *names = rest.split()
            found[group, int(first, 16), creator] = PrivateElement(vr, tuple(names))
    return found


_TABLE: Final = """
2001 Philips Imaging DD 001
01 FL ChemicalShift
02 IS ChemicalShiftNumberMR
03 FL DiffusionBFactor
04 CS DiffusionDirection
05 SS GraphicAnnotationParentID
06 CS ImageEnhanced
07 CS ImageTypeEDES
08 IS MRImagePhaseNumber PhaseNumber
09 FL ImagePrepulseDelay
0A IS SliceNumberMR
0B CS SliceOrientation
0C CS ArrhythmiaRejection
0E CS CardiacCycled
0F SS CardiacGateWidth
10 CS CardiacSync
11 FL DiffusionEchoTime
12 CS DynamicSeries MRSeriesDynamicSeries
13 SL EPIFactor MRSeriesEPIFactor
14 SL NumberOfEchoes MRSeriesNrOfEchoes
15 SS NumberOfLocations
16 SS NumberOfPCDirections
17 SL NumberOfPhasesMR MRSeriesNrOfPhases
18 SL NumberOfSlicesMR MRSeriesNrOfSlices
19 CS PartialMatrixScanned
1A FL PCVelocity
1B FL PrepulseDelay
1C CS PrepulseType
1D IS ReconstructionNumberMR MRSeriesReconstructionNumber
1E CS MRSeriesReformatAccuracy
1F CS RespirationSync
20 LO ScanningTechnique MRSeriesScanningTechniqueDesc ScanningTechniqueDescriptionMR
21 CS SPIR
22 FL WaterFatShift MRSeriesWaterFatShift
23 DS FlipAnglePhilips MRSeriesFlipAngle
24 CS SeriesIsInteractive Interactive
25 SH EchoTimeDisplayMR
26 CS PresentationStateSubtractionActive
28 FL EdgeEnhancementGainFactorSub
29 FL EdgeEnhancementGainFactorNonSub
2A CS EdgeEnhancementTasteAdaptSub
2B CS EdgeEnhancementTasteNonSub
2C FL HarmonizationFactor
2D SS StackNumberOfSlices
2F FL HarmonizationGain
30 UL LogSubtractionGainStep
31 US MixingNROfMaskImageNumbers
32 FL StackRadialAngle
33 CS StackRadialAxis
34 CS MixingMaskOperation
35 SS StackSliceNumber
36 CS StackType
37 CS MixingOperationType
3A CS PixelShift
3D UL ContourFillColor
3F CS ZoomMode InterpolationMethod
42 CS SubtractionLandMarkingActive
43 IS EllipsDisplShutMajorAxFrstEndPnt
44 IS EllipsDisplShutMajorAxScndEndPnt
45 IS EllipsDisplShutOtherAxFrstEndPnt
46 CS GraphicLineStyle
47 FL GraphicLineWidth
48 SS GraphicAnnotationID
4B CS PolyLineInterpolationMethod
4C CS PolyLineBeginPointStyle
4D CS PolyLineEndPointStyle
4E CS WindowSmoothingTaste
4F FD HarmonizationOffset
50 LO GraphicMarkerType
51 IS OverlayPlaneID
52 UI ImagePresentationStateUID
53 CS WindowInvert
54 FL ContourFillTransparency
55 CS GraphicLineColor
56 CS GraphicTypePrivate
58 UL ContrastTransferTaste
5A ST GraphicAnnotationModel
5D ST MeasurementTextUnits
5E ST MeasurementTextType
5F SQ StackSequence Stack
60 SL NumberOfStacks MRSeriesNrOfStacks
61 CS SeriesTransmitted
62 CS SeriesCommitted
63 CS ExaminationSource
64 SH TextType
65 SQ ROIOverlayPlane
67 CS LinearPresentationGLTrafoShapeSub
68 SQ LinearModalityGLTrafo
69 SQ DisplayShutterSequence
6A SQ SpatialTransformation
6B SQ HasEdgeEnhancementSequence
6D LO TextFont
6E SH MRSeriesType SeriesType
6F SQ MixingSequence
71 CS GraphicConstraint
72 IS EllipsDisplShutOtherAxScndEndPnt
73 SQ ReferencedMaskImageSequence
74 DS WindowCenterSub
75 DS WindowWidthSub
76 UL MRNumberOfFrames
77 CS GLTrafoType
79 SQ HarmonisationSequence
7A FL WindowRoundingFactor
7B IS MRSeriesAcquisitionNumber AcquisitionNumber
7C US FrameNumber
7E US EdgeEnhancementGainTaste
7F US EdgeEnhancementGainTasteSub
80 LO TextAnchorPointAlignment
81 IS NumberOfDynamicScans MRSeriesNrOfDynamicScans
82 IS MRSeriesEchoTrainLength EchoTrainLength
83 DS MRSeriesImagingFrequency ImagingFrequency
84 DS MRSeriesInversionTime InversionTime
85 DS MRSeriesMagneticFieldStrength MagneticFieldStrength
86 IS MRSeriesNrOfPhaseEncodingSteps
87 SH MRSeriesNucleus ImagedNucleus
88 DS MRSeriesNumberOfAverages NumberOfAverages
89 DS MRSeriesPhaseFOVPercent PhaseFOVPercent
8A DS MRSeriesSamplingPercent SamplingPercent
8B SH MRSeriesTransmittingCoil
90 LO TextForegroundColor
91 LO TextBackgroundColor
92 LO TextShadowColor
93 LO TextStyle
94 LO ProcessingOrderSpecialization
97 SH Nucleus
9A SQ GraphicNumberSequence
9B UL GraphicNumber
9C LO GraphicAnnotationLabel
9D LO PIIMSubtractionType
9F US PixelProcessingKernelSize
A1 CS IsRawImage
A2 US LOGSubtractionCurveTaste
A3 UL TextColorForeground
A4 UL TextColorBackground
A5 UL TextColorShadow
C1 LO NestedObjectTypeName
C8 LO
CC ST
F1 FL ProspectiveMotionCorrection
F2 FL RetrospectiveMotionCorrection
2001 Philips Imaging DD 002
6B LO
2005 Philips MR Imaging DD 001
00 FL MRImageAngulationAP
01 FL MRImageAngulationFH
02 FL MRImageAngulationRL
03 IS ImageAnnotationCount
04 CS MRImageDisplayOrientation
05 CS SynergyReconstructionType
07 IS ImageLineCount
08 FL MRImageOffCentreAP
09 FL MRImageOffCentreFH
0A FL MRImageOffCentreRL
0B FL MRMaxFP
0C FL MRMinFP
0D FL MRScaleIntercept ScaleIntercept
0E FL MRScaleSlope ScaleSlope
0F DS MRWindowCenter WindowCenter
10 DS MRWindowWidth WindowWidth
11 CS MRImageTypeMR
12 CS MRCardiacGating
13 CS MRSeriesDevelopmentMode
14 CS MRSeriesDiffusion
15 CS MRFatSaturation
16 CS MRFlowCompensation
17 CS MRFourierInterpolation
18 LO MRHardcopyProtocol
19 CS MRInverseReconstructed
1A SS MRLabelSyntax
1B CS MRMagnetiPrepared
1C CS MRMagnetTransferConst
1D SS MRMeasurementScanResolution
1E SH MIPProtocol
1F SH MPRProtocol
20 SL NumberOfChemicalShifts NumberOfChemicalShift
21 SS MRNumberOfMixes
22 IS MRNumberOfReferences
23 SS MRNumberOfSlabs
25 SS MRNumberOfVolumes
26 CS MROverSampleingPhase
27 CS MRPackageMode
28 CS MRPartialFourierFrequency
29 CS MRPartialFourierPhase
2A IS MRPatientReferenceID
2B SS MRPercentScanComplete
2C CS MRPhaseEncodedRecording
2D IS MRPlanScanSurveyNumberOfImages NumberOfStackSlices
2E CS MRPPGPPUGating
2F CS MRSpatialPresaturation
30 FL MRSeriesRepetitionTime RepetitionTime
31 CS MRRespiratoryGating
32 CS SampleRepresentation
33 FL MRSeriesScanDuration AcquisitionDuration
34 CS MRSegmentedKSpace
35 CS MRSeriesDataType
36 CS MRSeriesIsCardiac
37 CS MRSeriesIsSpectro
38 CS MRSpoiled
39 CS MRSteadyState
3A SH MRSubAnatomy
3B CS MRTimeReversedSteadyState
3C CS MRSeriesTone
3D SS MRNumberOfRRIntervalRanges
3E SL MRRRIntervalsDistribution
3F SL MRPlanScanAcquisitionNo
40 SL MRChemicalShiftNo MRImageChemicalShiftNumber
41 SL MRPlanScanDynamicScanNo
42 SL MRPlanScanSurveyEchoNo
43 CS MRPlanScanImageType
44 SL MRPlanScanPhaseNo
45 SL MRPlanScanReconstructionNo
46 CS MRPlanScanScanningSequence
47 SL MRPlanScanSliceNo
48 IS MRReferenceAcquisitionNo
49 IS MRReferenceChemicalShiftNo
4A IS MRReferenceDynamicScanNo
4B IS MRReferenceEchoNo
4C CS MRReferenceEntity
4D CS MRReferenceImageType
4E FL MRSlabFovRL
4F FL MRSlabOffcentreAP
50 FL MRSlabOffcentreFH
51 FL MRSlabOffcentreRL
52 CS MRSlabType
53 CS MRSlabViewAxis
54 FL MRVolumeAngulationAP
55 FL MRVolumeAngulationFH
56 FL MRVolumeAngulationRL
57 FL MRVolumeFovAP
58 FL MRVolumeFovFH
59 FL MRVolumeFovRL
5A FL MRVolumeOffcentreAP
5B FL MRVolumeOffcentreFH
5C FL MRVolumeOffcentreRL
5D CS MRVolumeType
5E CS MRVolumeViewAxis
5F CS MRStudyOrigin
60 IS MRStudySequenceNumber
61 CS MRImagePrepulseType
63 SS MRfMRIStatusIndication
64 IS MRReferencePhaseNo
65 IS MRReferenceReconstructionNo
66 CS MRReferenceScanningSequence
67 IS MRReferenceSliceNo
68 CS MRReferenceType
69 FL MRSlabAngulationAP
6A FL MRSlabAngulationFH
6B FL MRSlabAngulationRL
6C FL MRSlabFovAP
6D FL MRSlabFovFH
6E CS MRImageScanningSequencePrivate
6F CS MRSeriesAcquisitionTypePrivate
70 LO MRSeriesHardcopyProtocolEV
71 FL MRStackAngulationAP
72 FL MRStackAngulationFH
73 FL MRStackAngulationRL
74 FL MRStackFovAP
75 FL MRStackFovFH
76 FL MRStackFovRL
78 FL MRStackOffcentreAP
79 FL MRStackOffcentreFH
7A FL MRStackOffcentreRL
7B CS MRStackPreparationDirection
7E FL MRStackSliceDistance
80 SQ SeriesPlanScan
81 CS MRStackViewAxis
83 SQ SeriesSlab
84 SQ SeriesReference
85 SQ SeriesVolume
86 SS MRNumberOfGeometry
87 SL MRNumberOfGeometrySlices
88 FL MRGeomAngulationAP
89 FL MRGeomAngulationFH
8A FL MRGeomAngulationRL
8B FL MRGeomFOVAP
8C FL MRGeomFOVFH
8D FL MRGeomFOVRL
8E FL MRGeomOffCentreAP
8F FL MRGeomOffCentreFH
90 FL MRGeomOffCentreRL
91 CS MRGeomPreparationDirect
92 FL MRGeomRadialAngle
93 CS MRGeomRadialAxis
94 FL MRGeomSliceDistance
95 SL MRGeomSliceNumber
96 CS MRGeomType
97 CS MRGeomViewAxis
98 CS MRGeomColour
99 CS MRGeomApplicationType
9A SL MRGeomId
9B SH MRGeomApplicationName
9C SH MRGeomLableName
9D CS MRGeomLineStyle
9E SQ SeriesGeom
9F CS MRSeriesSpectralSelectiveExcitationPulse
A0 FL MRImageDynamicScanBeginTime DynamicScanBeginTime
A1 CS SyncraScanType
A2 CS MRIsCOCA
A3 IS MRStackCoilID
A4 IS MRStackCBBCoil1
A5 IS MRStackCBBCoil2
A6 IS MRStackChannelCombi
A7 CS MRStackCoilConnection
A8 DS MRPrivateInversionTime
A9 CS MRGeometryCorrection
B0 FL DiffusionDirectionRL
B1 FL DiffusionDirectionAP
B2 FL DiffusionDirectionFH
C0 CS MRScanSequence
2005 Philips MR Imaging DD 002
15 LO MRUserName
16 LO MRPassWord
17 LO MRServerName
18 LO MRDataBaseName
19 LO MRRootName
20 LO DMIApplicationName
2D LO MRRootId
32 SQ MRBlobDataObjectArray
34 LT SeriesTransactionUID
35 IS ParentID
36 LO ParentType
37 LO MRBlobName
38 LO MRApplicationName
39 LO MRTypeName
40 LO MRVersionStr
41 LO MRCommentStr
42 CS BlobInFile
43 SL MRActualBlobSize
44 OW MRBlobData
45 LO BlobFilename
46 SL BlobOffset
47 CS MRBlobFlag
99 UL MRNumberOfRequestExcerpts
2005 Philips MR Imaging DD 003
00 UL MRNumberOfSOPCommon
01 UL MRNoOfFilmConsumption
13 UL MRNumberOfCodes
34 SL MRNumberOfImagePerSeriesRef
43 SS MRNoDateOfLastCalibration
44 SS MRNoTimeOfLastCalibration
45 SS MRNrOfSoftwareVersion
47 SS MRNrOfPatientOtherNames
48 SS MRNrOfReqRecipeOfResults
49 SS MRNrOfSeriesOperatorsName
50 SS MRNrOfSeriesPerfPhysiName
51 SS MRNrOfStudyAdmittingDiagnosticDescr
52 SS MRNrOfStudyPatientContrastAllergies
53 SS MRNrOfStudyPatientMedicalAlerts
54 SS MRNrOfStudyPhysiciansOfRecord
55 SS MRNrOfStudyPhysiReadingStudy
56 SS MRNrSCSoftwareVersions
57 SS MRNrRunningAttributes
70 OW SpectrumPixelData
81 UI DefaultImageUID
82 CS RunningAttributes
2005 Philips MR Imaging DD 004
00 SS MRSpectrumExtraNumber
01 SS MRSpectrumKxCoordinate
02 SS MRSpectrumKyCoordinate
03 SS MRSpectrumLocationNumber
04 SS MRSpectrumMixNumber
05 SS MRSpectrumXCoordinate
06 SS MRSpectrumYCoordinate
07 FL MRSpectrumDCLevel
08 FL MRSpectrumNoiseLevel
09 FL MRSpectrumBeginTime
10 FL MRSpectrumEchoTime
12 FL MRSpectrumInversionTime
13 SS MRSpectrumNumber
14 SS MRSpectrumNumberOfAverages
15 SS MRSpectrumNumberOfSamples
16 SS MRSpectrumScanSequenceNumber
17 SS MRSpectrumNumberOfPeaks
18 SQ MRSpectrumPeak
19 FL MRSpectrumPeakIntensity
20 LO MRSpectrumPeakLabel
21 FL MRSpectrumPeakPhase
22 FL MRSpectrumPeakPosition
23 CS MRSpectrumPeakType
24 FL MRSpectrumPeakWidth
25 CS MRSpectroSIB0Correction
26 FL MRSpectroB0EchoTopPosition
27 CS MRSpectroComplexComponent
28 CS MRSpectroDataOrigin
29 FL MRSpectroEchoTopPosition
30 CS MRInPlaneTransforms
31 SS MRNumberOfSpectraAcquired
33 FL MRPhaseEncodingEchoTopPositions
34 CS MRPhysicalQuantityForChemicalShift
35 CS MRPhysicalQuantitySpatial
36 FL MRReferenceFrequency
37 FL MRSampleOffset
38 FL MRSamplePitch
39 SS MRSearchIntervalForPeaks
40 CS MRSignalDomainForChemicalShift
41 CS MRSignalDomainSpatial
42 CS MRSignalType
43 CS MRSpectroAdditionalRotations
44 SS MRSpectroDisplayRanges
45 CS MRSpectroEchoAcquisition
46 CS MRSpectroFrequencyUnit
47 FL MRSpectroGamma
48 CS MRSpectroHiddenLineRemoval
49 FL MRSpectroHorizontalShift
50 FL MRSpectroHorizontalWindow
51 SS MRSpectroNumberOfDisplayRanges
52 SS MRSpectroNumberOfEchoPulses
53 LO MRSpectroProcessingHistory
54 CS MRSpectroScanType
55 FL MRSpectroSICSIntervals
56 CS MRSpectroSIMode
57 SS MRSpectroSpectralBW
58 LO MRSpectroTitleLine
59 FL MRSpectroTurboEchoSpacing
60 FL MRSpectroVerticalShift
61 FL MRSpectroVerticalWindow
62 FL MRSpectroOffset
63 FL MRSpectrumPitch
64 CS MRVolumeSelection
70 SS MRNoMixesSpectro
71 SQ MRSeriesSPMix
72 SS SPMixTResolution
73 SS SPMixKXResolution
74 SS SPMixKYResolution
75 SS SPMixFResolution
76 SS SPMixXResolution
77 SS SPMixYResolution
78 SS SPMixNoSpectraIntended
79 SS SPMixNoAverages
80 SL MRSeriesNrOfMFImageObjects
81 IS MRScanoGramSurveyNumberOfImages
82 UL MRNumberOfProcedureCodes
83 CS SortAttributes
84 SS MRNrSortAttributes
85 CS ImageDisplayDirection
86 CS InsetScanogram
87 SS MRDisplayLayoutNrColumns
88 SS MRDisplayLayoutNrRows
89 SQ ViewingProtocol
90 CS MRStackCoilFunction
91 PN PatientNameJobInParams
92 IS MRGeolinkID
93 IS MRStationNo
94 CS ProcessingHistory
95 UI ViewProcedureString
96 CS MRFlowImagesPresent
97 LO AnatomicRegCodeValue
98 CS MRMobiviewEnabled
99 CS MRIViewBoldEnabled
2005 Philips MR Imaging DD 005
00 CS MRVolumeViewEnabled
01 UL MRNumberOfStudyReference
02 SQ SPSCode
03 UL MRNumberOfSPSCodes
04 SS
06 SS MRNrOfPSSpecificCharacterSet
07 SS MRNrOfSpecificCharacterSet
09 DS RescaleInterceptOriginal
0A DS RescaleSlopeOriginal
0B LO RescaleTypeOriginal
0E SQ PrivateSharedSq
0F SQ PrivatePerFrameSq
10 IS MFConvTreatSpectorMixNo
11 UI MFPrivateReferencedSOPInstanceUID
12 IS MRImageDiffBValueNumber
13 IS MRImageGradientOrientationNumber
14 SL MRSeriesNrOfDiffBValues
15 SL MRSeriesNrOfDiffGradOrients
16 CS MRSeriesPlanMode
17 FD MRDiffusionBMatrix
18 CS PrivOperatingModeType
19 CS PrivOperatingMode
1A CS MRFatSaturationTechnique
1B IS MRVersionNumberDeletedImages
1C IS MRVersionNumberDeletedSpectra
1D IS MRVersionNumberDeletedBlobsets
1E UL LUT1Offset
1F UL LUT1Range
20 UL LUT1BeginColor
21 UL LUT1EndColor
22 UL LUT2Offset
23 UL LUT2Range
24 UL LUT2BeginColor
25 UL LUT2EndColor
26 CS ViewingHardcopyOnly
27 CS PrivateEMR
28 SL MRSeriesNrOfLabelTypes
29 CS MRImageLabelType
2A CS ExamPrintStatus
2B CS ExamExportStatus
2C CS ExamStorageCommitStatus
2D CS ExamMediaWriteStatus
2E FL MRSeriesDBdt
2F FL MRSeriesProtonSAR
30 FL MRSeriesNonProtonSAR
31 FL MRSeriesLocalSAR
32 CS MRSeriesSafetyOverrideMode
33 DT EVDVDJobInParamsDatetime
34 DT DVDJobInParamsVolumeLabel
35 CS SpectroExamcard
36 UI MRRefSeriesInstanceUID
37 CS ColorLUTType
3A LT DataDictionaryContentsVersion
3B CS MRIsCoilSurvey
3C FL MRStackTablePosLong
3D FL MRStackTablePosLat
3E FL MRStackPosteriorCoilPos
3F CS AIMDLimitsApplied
40 FL AIMDHeadSARLimit
41 FL AIMDWholeBodySARLimit
42 FL AIMDB1RMSLimit
43 FL AIMDdbDtLimit
44 IS TFEFactor
45 CS AttenuationCorrection
46 FL FWHMShim
47 FL PowerOptimization
48 FL CoilQ
49 FL MRReceiverGain
4A FL DataWindowDuration
4B FL MRMixingTime
4C FL FirstEchoTime
4D CS IsB0Series
4E CS IsB1Series
4F CS VolumeSelect
50 SS MRNrOfPatientOtherIDs
51 IS PrivateSeriesNumber
52 UI PrivateSeriesInstanceUID
53 CS SplitSeriesJobParams
54 SS PreferredDimensionForSplitting
55 FD ImageVelocityEncodingDirection
56 SS ContrastBolusNoInjections
57 LT ContrastBolusAgentCode
58 LT ContrastBolusAdminRouteCode
59 DS MRContrastBolusVolume
5A DS MRContrastBolusIngredientConcentration
5B IS ContrastBolusDynamicNumber
5C SQ SeriesBolusContrast
5D IS ContrastBolusID
60 CS LUTtoRGBJobParams
90 SQ OriginalVOILUTSequence
91 SQ OriginalModalityLUTSequence
92 FL SpecificEnergyDose
2005 Philips MR Imaging DD 006
53 FL MREFrequency
54 FL MREAmplitude
55 FL MREMEGFrequency
56 FL MREMEGPairs
57 CS MREMEGDirection
58 FL MREMEGAmplitude
59 FL MRENumberofPhaseDelays
60 IS MRENumberofMotionCycles
61 FL MREMotionMegPhaseDelay
62 LT MREInversionAlgorithmVersion
63 CS SagittalSliceOrder
64 CS CoronalSliceOrder
65 CS TransversalSliceOrder
66 CS SeriesOrientation
67 IS MRStackReverse
68 IS MREPhaseDelayNumber
71 IS NumberOfInversionDelays
72 FL InversionDelayTime
73 IS InversionDelayNumber
74 DS MaxDbDt
75 DS MaxSAR
76 LT SARType
78 CS MetalImplantStatus
79 CS OrientationMirrorFlip
81 CS SAROperationMode
82 IS SpatialGradient
83 LT AdditionalConstraints
85 DS GradientSlewRate
86 LT
87 DS PIIM_MR_STUDY_B1RMS
92 SQ MRContrastInformationSequence
95 CS Diffusion2KDTI
96 IS DiffusionOrder
97 CS IsJEditingSeries
98 SS MRSpectrumEditingType
99 SL MRSeriesNrOfDiffOrder
2005 Philips MR Imaging DD 007
00 CS
01 FL
02 FL
03 FL
"""
