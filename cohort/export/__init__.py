"""Pictures of a cohort for other tools: PNG, JPEG and NIfTI files."""
