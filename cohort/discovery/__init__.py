"""What finds studies, in the competition's layout or in any tree of DICOM files, and reads them."""
