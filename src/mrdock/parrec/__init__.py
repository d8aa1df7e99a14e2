"""Philips PAR/REC, read and written from one table; knows nothing of DICOM."""
