"""The verdict on a policy against a strategy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from analysis.intervals import Interval

PROOF = "proof"
HARMLESS = "exploitable, no harm"
HARMFUL = "exploitable, harmful"
EXPLOITABLE = "exploitable, harm unclear"
SELF_DEFEATING = "self-defeating"
UNKNOWN = "the runs cannot say"
VERDICTS = (PROOF, SELF_DEFEATING, HARMLESS, EXPLOITABLE, HARMFUL, UNKNOWN)


@dataclass(frozen=True)
class Materiality:
    """From where on a change counts.

    Attributes
    ----------
    gain : float
        Gain per dollar of capacity, costs paid; 0.0001 is one basis point.
    harm : float
        Rise of the venue's expected shortfall, as a share of what it is without gaming.
    """

    gain: float = 1e-4
    harm: float = 0.05


def verdict(gain: Interval, harm: Interval, least: Materiality) -> str:
    """What a strategy does to a policy, by two intervals and what counts as material.

    A gain is material from `least.gain` on, a harm from `least.harm` on. Intervals hold
    for all cells of the matrix at once.

    - *self-defeating*: the gain's upper end is a material loss: whoever plays loses by it.
    - *proof*: the upper end is below what is material, so nobody gains by it. That zero
      lies in the interval is not enough.
    - *exploitable*: the lower end is above what is material. It is *harmful* if the
      harm's lower end is material too, does *no harm* if the harm's upper end is not, and
      else its harm is *unclear*.
    - *the runs cannot say*: everything else, such as a gain that may be material or not,
      and ends that are not known.

    Parameters
    ----------
    gain : Interval
        Per dollar of capacity, fees and slippage paid (`abm.montecarlo.store.kept`).
    harm : Interval
        Of the rise of the venue's expected shortfall, as a share of it.
    """
    if np.isnan(gain.low) or np.isnan(gain.high):
        return UNKNOWN
    if gain.high < -least.gain:
        return SELF_DEFEATING
    if gain.high < least.gain:
        return PROOF
    if gain.low <= least.gain:
        return UNKNOWN
    if harm.low > least.harm:
        return HARMFUL
    return HARMLESS if harm.high < least.harm else EXPLOITABLE
