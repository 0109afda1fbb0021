from . import cohort as cohort
from . import ensemble as ensemble
from . import features as features
from . import metrics as metrics
from . import models as models
from . import phantom as phantom
from . import report as report
from . import slice_selector as slice_selector
from .cohort.discovery.studies import discover as discover
from .cohort.discovery.studies import read_study as read_study
from .cohort.location import Location as Location
from .cohort.study import Study as Study
from .ensemble.evaluation import evaluate as evaluate
from .ensemble.external import blend as blend
from .ensemble.fitting import fit as fit
from .ensemble.prediction import predict as predict
from .features.extraction import extract as extract
from .features.store import FeatureStore as FeatureStore
from .metrics.scoring import score as score
from .phantom.writer import simulate as simulate
from .report.grading import grade as grade
from .slice_selector.selector import SliceSelector as SliceSelector

__version__: str
