"""How is it shared? Allocation rules, by name and with their parameters.

The rules themselves are pure functions of arrays in `abm.adl.sharing`. A part of a policy
is a rule with its parameters and the score that it ranks or weighs payers by.
"""

from abm.adl.allocation.base import Allocation, Sharing
from abm.adl.allocation.composite import ANSWERS, part
from abm.adl.allocation.fitting import caps_shares, misfits
from abm.adl.allocation.in_proportion import pro_rata

__all__ = [
    "ANSWERS",
    "Allocation",
    "Sharing",
    "caps_shares",
    "misfits",
    "part",
    "pro_rata",
]
