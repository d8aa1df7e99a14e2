"""One format made from another: PAR/REC from DICOM, Enhanced MR from classic images."""
