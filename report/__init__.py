"""Images of studies and models for a person, and the dashboard of a search."""

import lazy_loader

# Each name stands once, in __init__.pyi; it is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
