"""What reads files: DICOM objects to images, images to series of slices in anatomical order."""
