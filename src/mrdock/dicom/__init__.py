"""DICOM bytes: the header scan, element values, the file format, SOP classes."""
