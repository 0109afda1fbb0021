from .member_contract import MemberContract as MemberContract
from .planted_examples import make_examples as make_examples
from .planted_examples import mirrored_examples as mirrored_examples
from .planted_predictions import make_grades as make_grades
from .planted_predictions import make_predictions as make_predictions
from .planted_predictions import make_probabilities as make_probabilities
from .stacker_contract import StackerContract as StackerContract
