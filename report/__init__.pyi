from .dashboard import serve as serve
from .plots import ModelPlots as ModelPlots
from .plots import draw_plots as draw_plots
from .study_preview import Preview as Preview
from .study_preview import preview as preview
