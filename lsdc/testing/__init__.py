"""What every member and every stacker must do, as test classes to inherit; the contracts need pytest.

Whoever writes a member checks it with two lines in a test file:

>>> from lsdc.models import MEMBERS
>>> from lsdc.testing import MemberContract
>>> class TestMine(MemberContract):
...     member = MEMBERS["lightgbm"]
"""

import lazy_loader

try:
    import pytest
except ImportError:  # made examples are of use without it
    pass
else:
    # Failed assertions of the contracts are then explained as those of a test file are.
    pytest.register_assert_rewrite("lsdc.testing.member_contract", "lsdc.testing.stacker_contract")

# Each name stands once, in __init__.pyi; it is imported when it is first used.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
