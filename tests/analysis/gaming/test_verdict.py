from __future__ import annotations

import numpy as np
import pytest

from analysis.gaming import verdict as verdicts
from analysis.gaming.verdict import Materiality, verdict
from analysis.intervals import Interval

LEAST = Materiality(gain=1e-4, harm=0.05)
QUIET = Interval(-0.01, 0.01)


@pytest.mark.parametrize(
    ("gain", "harm", "expected"),
    [
        ((-5e-5, 5e-5), QUIET, verdicts.PROOF),
        ((-5e-3, 5e-5), QUIET, verdicts.PROOF),
        ((1e-6, 9e-5), QUIET, verdicts.PROOF),
        ((-5e-3, -2e-4), (0.2, 0.4), verdicts.SELF_DEFEATING),
        ((-5e-3, -5e-5), QUIET, verdicts.PROOF),
        ((2e-4, 5e-3), QUIET, verdicts.HARMLESS),
        ((2e-4, 5e-3), (-0.4, -0.2), verdicts.HARMLESS),
        ((2e-4, 5e-3), (0.06, 0.2), verdicts.HARMFUL),
        ((2e-4, 5e-3), (0.01, 0.2), verdicts.EXPLOITABLE),
        ((2e-4, 5e-3), (np.nan, np.nan), verdicts.EXPLOITABLE),
        ((2e-4, np.inf), (0.06, np.inf), verdicts.HARMFUL),
        ((-5e-3, 5e-3), QUIET, verdicts.UNKNOWN),
        ((5e-5, 5e-3), QUIET, verdicts.UNKNOWN),
        ((-np.inf, np.inf), QUIET, verdicts.UNKNOWN),
        ((np.nan, np.nan), QUIET, verdicts.UNKNOWN),
    ],
)
def test_a_verdict_follows_from_where_both_intervals_lie(gain, harm, expected):
    assert verdict(Interval(*gain), Interval(*harm), LEAST) == expected


def test_zero_in_a_wide_interval_is_no_proof():
    wide = Interval(-0.02, 0.02)
    assert verdict(wide, QUIET, LEAST) == verdicts.UNKNOWN
    assert verdict(wide, QUIET, Materiality(gain=0.03)) == verdicts.PROOF
