"""Members that are whole networks, trained on crops, slices or volumes."""
