from .dashboard import serve as serve
from .study_preview import preview as preview
