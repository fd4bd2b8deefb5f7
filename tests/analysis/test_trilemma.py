from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analysis import trilemma
from analysis.figures.fronts import is_efficient
from analysis.measures import Told
from tests.analysis.batches import finished, make_batch

SMALL = st.integers(0, 4).map(float)


@given(hnp.arrays(float, st.tuples(st.integers(1, 9), st.just(3)), elements=SMALL))
def test_the_front_is_what_no_other_point_dominates(points: np.ndarray):
    for i, point in enumerate(points):
        beaten = any(
            all(a <= b for a, b in zip(other, point, strict=True))
            and any(a < b for a, b in zip(other, point, strict=True))
            for other in points
        )
        assert is_efficient(points)[i] == (not beaten)


def told(folder: Path, **policies: tuple[float, float, float]) -> Told:
    """Policies with a residual, a worst haircut of equity, and fees, give or take."""
    stream = np.random.default_rng(5)
    rows = []
    for run in range(40):
        shock = float(stream.normal(0.0, 1.0))
        for name, (residual, haircut, fees) in policies.items():
            rows.append(
                finished(
                    run, name, 100.0 + shock, residual_usd=residual + shock + 5.0,
                    largest_equity_share=haircut, fees_usd=fees + shock,
                )
            )  # fmt: skip
    return Told(make_batch(folder, list(policies), 40, runs=rows))


def fees_of_the_run(batch: Told) -> list:
    known = {one.column: one for one in batch.measures}
    return [known[name] for name in (trilemma.SOLVENCY, trilemma.FAIRNESS, "fees_usd")]


def test_who_is_worse_in_all_three_is_clearly_beaten(tmp_path: Path):
    batch = told(
        tmp_path, good=(1.0, 0.2, 50.0), bad=(2.0, 0.3, 40.0), dear=(9.0, 0.1, 60.0)
    )
    found = {one.policy: one for one in trilemma.standings(batch, fees_of_the_run(batch))}
    assert found["bad"].clearly_beaten_by == ["good"]
    assert found["bad"].beaten_by == ["good"]
    assert found["good"].on_front
    assert found["dear"].on_front
    assert found["good"].clearly_beaten_by == []


def test_a_difference_within_the_noise_beats_nobody_clearly(tmp_path: Path):
    away = np.random.default_rng(6).normal(0.0, 20.0, 40)
    residual = {"a": np.full(40, 50.0), "b": 50.5 + away - away.mean()}
    rows = [
        finished(run, name, 100.0, residual_usd=float(residual[name][run]),
                 largest_equity_share=0.5, fees_usd=10.0)
        for run in range(40) for name in ("a", "b")
    ]  # fmt: skip
    batch = Told(make_batch(tmp_path, ["a", "b"], 40, runs=rows))
    found = trilemma.standings(batch, fees_of_the_run(batch))
    assert sorted(one.on_front for one in found) == [False, True]
    assert all(one.clearly_beaten_by == [] for one in found)


@pytest.mark.parametrize(
    ("fees", "spread", "verdict"),
    [(10.0, 1.0, "structural"), (300.0, 1.0, "covered"), (100.0, 60.0, "open")],
)
def test_the_regime_is_told_where_the_interval_leaves_zero_out(
    tmp_path: Path, fees: float, spread: float, verdict: str
):
    away = np.random.default_rng(7).normal(0.0, spread, 60)
    away -= away.mean()
    rows = [
        finished(run, "p", 100.0, fees_usd=float(fees + away[run])) for run in range(60)
    ]
    found = trilemma.regime(Told(make_batch(tmp_path, ["p"], 60, runs=rows)), "p")
    assert found.verdict == verdict
    assert found.apart.mean == pytest.approx(100.0 - fees)
    assert found.deficit[0] == 100.0
