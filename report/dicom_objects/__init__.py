"""Graded studies as DICOM: structured reports and presentation states."""
