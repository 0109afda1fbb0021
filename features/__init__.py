"""Crops, embeddings and metadata of every target, and the store that holds them."""

import lazy_loader

# Each name stands once, in __init__.pyi; it is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
