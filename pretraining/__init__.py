"""How the bundled weights are made; nothing that grades studies imports it."""

import lazy_loader

# Each name stands once, in __init__.pyi; it is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
