from .official import Scores as Scores
from .official import official_score as official_score
from .prediction_tables import read_predictions as read_predictions
from .prediction_tables import read_truth as read_truth
from .prediction_tables import write_submission as write_submission
from .scoring import score as score
