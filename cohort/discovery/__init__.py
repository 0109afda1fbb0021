"""What finds studies: the competition's layout, or any tree of DICOM files."""
