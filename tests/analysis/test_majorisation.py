"""Majorisation against convex measures of pain, and on batches made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.majorisation import carried_by_most, majorisation, no_heavier
from tests.analysis.batches import failed, finished, haircut, make_batch

# Shares of the winners of arXiv 2512.01112, section 2.4, in its queue and pro-rata.
QUEUE = [3.5, 4.0, 0.0]
PRO_RATA = [4.8, 2.4, 0.3]

amounts = st.lists(st.integers(0, 30), min_size=1, max_size=6)


def is_no_heavier(a, b):
    return no_heavier(carried_by_most(a), carried_by_most(b))


@settings(deadline=None)
@given(amounts, amounts, st.floats(0.0, 30.0), st.floats(1.0, 3.0))
def test_a_lighter_burden_hurts_less_by_every_convex_measure(a, b, level, power):
    if not is_no_heavier(a, b):
        return
    for measure in (lambda x: max(x - level, 0.0), lambda x: x**power):
        assert sum(map(measure, a)) <= sum(map(measure, b)) + 1e-6


@settings(deadline=None)
@given(amounts, amounts)
def test_a_burden_that_is_not_lighter_hurts_more_by_some_convex_measure(a, b):
    """The measures ``max(x - level, 0)`` decide (Marshall, Olkin and Arnold, 4.B.2)."""
    hurts = [
        (np.maximum(np.array(a) - level, 0).sum(), np.maximum(np.array(b) - level, 0).sum())
        for level in range(31)
    ]
    assert is_no_heavier(a, b) == all(here <= there for here, there in hurts)


def test_pro_rata_is_not_always_lighter_than_a_queue():
    # The largest winner pays more than in this queue, the two largest together less.
    assert not is_no_heavier(PRO_RATA, QUEUE)
    assert not is_no_heavier(QUEUE, PRO_RATA)
    assert not is_no_heavier([2.0], [1.0, 1.0])
    assert is_no_heavier([1.0, 1.0], [2.0])


def _batch(folder: Path):
    burdens = {
        (0, "even"): [3.0, 3.0],
        (0, "queue"): [6.0],
        (1, "even"): [2.0, 2.0, 2.0],
        (1, "queue"): [2.0, 1.0, 1.0],
        (2, "even"): [3.0, 3.0],
        (2, "queue"): [4.0, 1.0],
        (3, "even"): [5.0],
        (3, "queue"): [],
        (4, "even"): [5.0],
        (4, "queue"): [5.0],
    }
    rows = [
        haircut(run, policy, account, amount, 100.0)
        for (run, policy), given_ in burdens.items()
        for account, amount in enumerate(given_)
    ]
    rows.append(haircut(0, "queue", 9, -7.0, 100.0))
    runs = [finished(run, policy, 6.0) for run, policy in burdens]
    runs += [finished(5, "even", 6.0), failed(5, "queue"), finished(6, "even", 0.0)]
    runs += [finished(6, "queue", 0.0)]
    return make_batch(folder, ["even", "queue"], 7, runs=runs, haircuts=rows)


def test_pairs_of_policies_are_compared_run_by_run(tmp_path: Path):
    """Lighter in 0, heavier in 1 and 3, neither in 2, equal in 4; 5 and 6 say nothing."""
    (row,) = majorisation(_batch(tmp_path)).to_dict("records")
    assert (row["first"], row["second"], row["runs"]) == ("even", "queue", 5)
    assert row["first_lighter"] == pytest.approx(0.2)
    assert row["second_lighter"] == pytest.approx(0.4)
    assert (row["neither"], row["equal"]) == (pytest.approx(0.2), pytest.approx(0.2))
    assert row["second_lighter_low"] < 0.4 < row["second_lighter_high"]


def test_the_spread_alone_does_not_look_at_sums(tmp_path: Path):
    """Parts of the sum: lighter in 0, 1 and 2; 3 has only one side; equal in 4."""
    (row,) = majorisation(_batch(tmp_path), spread_only=True).to_dict("records")
    assert row["runs"] == 4
    assert row["first_lighter"] == pytest.approx(0.75)
    assert row["equal"] == pytest.approx(0.25)


def test_a_batch_in_which_nobody_paid_compares_nothing(tmp_path: Path):
    runs = [finished(0, "a", 0.0), finished(0, "b", 0.0)]
    (row,) = majorisation(make_batch(tmp_path, ["a", "b"], 1, runs=runs)).to_dict("records")
    assert row["runs"] == 0
    assert np.isnan(row["first_lighter"])
