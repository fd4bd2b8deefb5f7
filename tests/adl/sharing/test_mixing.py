"""Buckets of priority, and mixtures of rules."""

from __future__ import annotations

import numpy as np
import pytest

from abm.adl.sharing.mixing import in_buckets, mixture
from abm.adl.sharing.proportional import pro_rata, risk_weighted
from abm.adl.sharing.queue import queue

CAPACITY = np.array([100, 300, 200, 400])
BUCKET = np.array([1, 0, 1, 0])


def test_a_bucket_is_exhausted_before_the_next_is_touched():
    assert in_buckets(CAPACITY, BUCKET, budget=70, rule=pro_rata).tolist() == [0, 30, 0, 40]
    amounts = in_buckets(CAPACITY, BUCKET, budget=790, rule=pro_rata)
    assert amounts.tolist() == [30, 300, 60, 400]


def test_a_rule_inside_a_bucket_sees_its_own_rows_only():
    score = np.array([5.0, 1.0, 9.0, 2.0])
    amounts = in_buckets(CAPACITY, BUCKET, score, budget=750, rule=queue)
    assert amounts.tolist() == [0, 300, 50, 400]


def test_a_mixture_lies_between_its_parts():
    leverage = np.array([4.0, 3.0, 2.0, 1.0])
    ranked = queue(CAPACITY, leverage, 500)
    levered = risk_weighted(CAPACITY, leverage, 500)
    mixed = mixture(CAPACITY, [ranked, levered], [0.2, 0.8], 500)
    assert mixed.sum() == 500
    assert mixed == pytest.approx(0.2 * ranked + 0.8 * levered, abs=1.0)
    assert mixture(CAPACITY, [ranked, levered], [3.0, 0.0], 500).tolist() == ranked.tolist()


def test_every_part_needs_an_answer():
    with pytest.raises(ValueError, match="zip"):
        mixture(CAPACITY, [CAPACITY], [0.5, 0.5], 100)
