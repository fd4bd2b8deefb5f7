"""What ADL cost those whom it hit, later: the fixed path, the truth, and their gap.

The fixed path values what was closed on the marks of the same run, as if prices and
people had done the same without ADL. The truth comes from a fork of the same world in
which there was none (`outputs.counterfactual`), with the same random draws.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from abm.montecarlo.store import Batch
from analysis import intervals

Moment = Literal["first", "last"]

_OF_RUN = (
    "haircut_usd", "net_usd", "needed_usd", "overshoot_usd", "tracking_regret_usd",
    "fairness_regret_usd", "regret_usd",
)  # fmt: skip
_OF_FORK = (
    "path_usd", "path_net_usd", "repriced_usd", "repriced_net_usd", "true_usd",
    "true_net_usd", "gap_usd", "gap_net_usd",
)  # fmt: skip
_KEYS = ["policy", "horizon_s"]


def fixed_path(batch: Batch) -> pd.DataFrame:
    """What a run's ADL cost on the fixed path, by policy and horizon.

    ``H(delta)`` (`haircut_usd`: positive parts by account and wave, summed over waves), the
    same with gains set off (`net_usd`), what was needed, overshoot and regret.

    Returns
    -------
    DataFrame
        One row a policy and horizon: ``runs`` that finished and can be followed so far,
        the mean over them of each measure, and the ends ``_low`` and ``_high`` of its 95%
        interval. A run in which nothing was taken counts as zero.
    """
    return _means(_sums_of_runs(batch), _finished(batch), _OF_RUN)


def _sums_of_runs(batch: Batch) -> pd.DataFrame:
    """Each measure of the fixed path added up over a run's waves, by run and horizon."""
    rows = batch.frame("horizons", columns=["run", "wave", *_KEYS, *_OF_RUN])
    # A wave that runs on to the end cannot be followed; then the run's sum is unknown.
    sums = rows.groupby(["run", *_KEYS])[list(_OF_RUN)].sum(min_count=1)
    unknown = rows["haircut_usd"].isna().groupby([rows[key] for key in ("run", *_KEYS)])
    sums[unknown.any()] = np.nan
    return sums


def markouts(batch: Batch) -> pd.DataFrame:
    """What a run's ADL cost at once, and what prices did to it later.

    ``Q (M_d - P) = Q (M_0 - P) + Q (M_d - M_0)`` of a fill of size Q at price P with the
    mark M_0 at its moment and M_d some time later (FAQ of
    github.com/pluriholonomic/autodeleveraging-analysis), with a minus, so that what the
    closed accounts lost is positive.

    Returns
    -------
    DataFrame
        As of :func:`fixed_path`, with the measures `at_once_usd` and `later_usd`.
    """
    net = _sums_of_runs(batch)["net_usd"].unstack("horizon_s").sort_index(axis="columns")
    at_once = net.iloc[:, [0] * net.shape[1]].set_axis(net.columns, axis="columns")
    parts = {"at_once_usd": at_once, "later_usd": net - at_once}
    values = pd.DataFrame({name: part.stack() for name, part in parts.items()})
    return _means(values, _finished(batch), tuple(parts))


HALFLIVES_S = (0.5, 1.0, 2.0, 5.0)
"""Half-lives of the discount of arXiv 2512.01112's overshoot."""

_MOST_DISCOUNTED_S = 10.0


def discounted_overshoots(batch: Batch) -> pd.DataFrame:
    """A run's overshoot averaged over the first ten seconds after its waves.

    Returns
    -------
    DataFrame
        One row a policy and ``halflife_s``, with the measure `overshoot_usd`, as of
        :func:`fixed_path`; negative if less was taken than turned out to be needed.
    """
    sums = _sums_of_runs(batch)["overshoot_usd"].unstack("horizon_s")
    near = sums[sorted(at for at in sums if at <= _MOST_DISCOUNTED_S)]
    values = pd.DataFrame(
        {h: discounted(near.columns, near.to_numpy(float), h) for h in HALFLIVES_S},
        index=near.index,
    )
    values = values.rename_axis(columns="horizon_s").stack().to_frame("overshoot_usd")
    found = _means(values, _finished(batch), ("overshoot_usd",))
    return found.rename(columns={"horizon_s": "halflife_s"})


def discounted(
    horizons_s: ArrayLike, overshoots: ArrayLike, halflife_s: float
) -> NDArray[np.float64]:
    """Overshoot averaged over horizons with exponentially falling weight.

    ``integral O(d) w(d) dd / integral w(d) dd`` with ``w(d) = exp(-ln 2 d / halflife)``,
    by the trapezoid rule over the last axis, that of the given horizons.
    """
    d, values = np.asarray(horizons_s, float), np.asarray(overshoots, float)
    weight = np.exp2(-d / halflife_s)
    return np.asarray(np.trapezoid(values * weight, d) / np.trapezoid(weight, d))


def against_forks(batch: Batch, moment: Moment = "first") -> pd.DataFrame:
    """What ADL cost its traders on the fixed path and in truth, and the gap of the two.

    Parameters
    ----------
    moment : str
        Horizons are counted from the end of the run's ``first`` wave that took
        something, or of its ``last`` one that can be followed to the longest horizon.
        Costs count from the fork, by everyone hit until that wave's end.

    Returns
    -------
    DataFrame
        One row a policy and horizon: ``runs`` that were forked and can be followed so
        far, and for each measure its mean over them with the ends ``_low`` and ``_high``
        of its 95% interval. `path_usd` is the fixed path, `repriced_usd` what
        was closed at the marks of the fork, `true_usd` the difference in worth, each
        summed over those who lose; ``_net_usd`` with gains set off. `gap_usd` is truth
        less fixed path. A run in which nothing was taken counts as zero.
    """
    rows = batch.frame("horizons", columns=["run", "wave", *_KEYS, *_OF_FORK])
    first_runs = forked_runs(batch)
    rows = rows[rows["run"] < first_runs]
    rows = rows[rows["wave"] == _wave_of(rows, moment)]
    values = rows.set_index(["run", *_KEYS])[list(_OF_FORK)]
    forked = {
        policy: {run for run in runs if run < first_runs}
        for policy, runs in _finished(batch).items()
    }
    return _means(values, forked, _OF_FORK)


def forked_runs(batch: Batch) -> int:
    """How many runs, the first ones, were forked and run again."""
    return int(batch.scenario["outputs"].get("counterfactual_of_first_runs", 0))


def _wave_of(rows: pd.DataFrame, moment: Moment) -> pd.Series:
    """For every row, the wave from whose end its run is looked at."""
    run = [rows["run"], rows["policy"]]
    if moment == "first":
        return rows["wave"].groupby(run).transform("min")
    whole = rows["true_usd"].notna().groupby([*run, rows["wave"]]).transform("all")
    last = rows["wave"].where(whole).groupby(run).transform("max")
    # If no wave can be followed to the end, the last one as far as it goes.
    return last.fillna(rows["wave"].groupby(run).transform("max"))


def _finished(batch: Batch) -> dict[str, set[int]]:
    runs = batch.frame("runs", columns=["run", "policy", "failed"])
    done = runs[~runs["failed"].astype(bool)]
    return {name: set(done["run"][done["policy"] == name]) for name in batch.policies}


def _means(
    values: pd.DataFrame, runs: dict[str, set[int]], measures: tuple[str, ...]
) -> pd.DataFrame:
    """Means over runs with intervals, for the policies that ever took anything."""
    horizons = values.index.unique("horizon_s").sort_values()
    rows = []
    for policy, numbers in runs.items():
        if policy not in values.index.unique("policy"):
            continue
        wide = values.xs(policy, level="policy")
        hit = set(wide.index.unique("run"))
        for horizon in horizons:
            known = wide.xs(horizon, level="horizon_s").dropna()
            nothing = np.zeros((len(numbers - hit), len(measures)))
            table = np.concatenate([known.to_numpy(float), nothing])
            row = {"policy": policy, "horizon_s": horizon, "runs": len(table)}
            rows.append(row | _row(table, measures))
    return pd.DataFrame(rows)


def _row(table: np.ndarray, measures: tuple[str, ...]) -> dict[str, float]:
    row: dict[str, float] = {}
    ends = intervals.mean_intervals(table)
    for i, name in enumerate(measures):
        row[name] = float(table[:, i].mean()) if len(table) else np.nan
        row[f"{name}_low"], row[f"{name}_high"] = ends[i]
    return row
