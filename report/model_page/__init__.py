"""The page of a model: what it is worth, and why."""
