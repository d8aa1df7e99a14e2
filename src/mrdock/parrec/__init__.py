"""Philips PAR/REC, read and written from one table; knows nothing of DICOM.

Read with `reading.read`, print with `writing.format_par`, find files with `places`.
"""
