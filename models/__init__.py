"""Members of the ensemble and their cross-fitting."""

from lsdc.models.crossfit import cross_fit, predict_folds
from lsdc.models.examples import Examples
from lsdc.models.member import Member, NotFittedError
from lsdc.models.registry import MEMBERS, member_class

__all__ = ["MEMBERS", "Examples", "Member", "NotFittedError", "cross_fit", "member_class", "predict_folds"]
