"""What every stage stands on, and nothing of the domain: errors, artifacts, commands, fan-out, training."""

import lazy_loader

# Each name stands once, in __init__.pyi; it is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
