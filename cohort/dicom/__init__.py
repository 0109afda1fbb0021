"""What reads files: DICOM objects to images, images to series of slices in anatomical order.

`opening` and `safe_attributes` guard against damaged files, `headers` parses once what a file says, `pixels` decodes,
`frames` joins both into images, `image_planes` and `stacks` place and order them, `series` makes the result.
"""
