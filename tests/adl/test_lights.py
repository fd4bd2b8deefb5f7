"""Lights and quantiles: where a payer stands, from 20% to 100% and from 4 to 0."""

from __future__ import annotations

import numpy as np

from abm.adl.lights import order_of, percentile_lights, quantiles


def test_lights_count_contracts_and_quantiles_count_payers():
    score = np.array([1.0, 5.0, 4.0, 3.0, 2.0])
    contracts = np.array([100, 1, 1, 1, 1])
    assert percentile_lights(score, contracts).tolist() == [100, 20, 20, 20, 20]
    assert quantiles(score).tolist() == [0, 4, 3, 2, 1]
    assert quantiles(np.arange(10.0)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_ties_stand_in_the_order_of_rows_and_columns_break_them():
    assert order_of(np.array([1.0, 2.0, 2.0, 1.0])).tolist() == [1, 2, 0, 3]
    columns = np.array([[2.0, 1.0], [2.0, 3.0], [5.0, 0.0]])
    assert order_of(columns).tolist() == [2, 1, 0]
    assert percentile_lights(columns, np.array([1, 1, 1])).tolist() == [100, 80, 40]
