"""The model that is shipped with lsdc: where it is, what its card says, how it is made and judged."""
