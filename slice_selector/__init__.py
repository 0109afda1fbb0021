"""Which slice and which point show a target best."""

from lsdc.slice_selector.example import SelectorExample, make_example
from lsdc.slice_selector.fit import SelectorConfig, cross_fit_selector, fit_selector
from lsdc.slice_selector.location import Location
from lsdc.slice_selector.selector import SliceSelector

__all__ = [
    "Location",
    "SelectorConfig",
    "SelectorExample",
    "SliceSelector",
    "cross_fit_selector",
    "fit_selector",
    "make_example",
]
