from .crossfit import cross_fit as cross_fit
from .crossfit import predict_folds as predict_folds
from .examples import Examples as Examples
from .member import Member as Member
from .member import NotFittedError as NotFittedError
from .options import Options as Options
from .registry import MEMBERS as MEMBERS
from .registry import member_class as member_class
