from .fitting import SelectorConfig as SelectorConfig
from .fitting import cross_fit_selector as cross_fit_selector
from .fitting import fit_selector as fit_selector
from .selector import SliceSelector as SliceSelector
from .training_example import SelectorExample as SelectorExample
from .training_example import make_example as make_example
