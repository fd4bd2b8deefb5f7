"""The matrix of a contest: what every strategy is worth under every policy.

Every number is a mean of one value a run, or is brought to that form, so that a single
bootstrap over runs gives intervals for all of them at once: a ratio of two means by its
linearisation (Cochran, Sampling Techniques, 1977, section 6.3), an expected shortfall by
that of Rockafellar and Uryasev (2000).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.gaming import verdict as verdicts
from analysis.gaming.reading import OTHERS, Contest, Match, Pair
from analysis.gaming.simultaneous import Means, simultaneous
from analysis.gaming.verdict import Materiality
from analysis.intervals import LEVEL, Interval, mean_interval, ratio_parts

Floats = npt.NDArray[np.float64]

TAIL = 0.25
"""The expected shortfall is the mean over so large a share of the worst runs."""
_FEWEST_IN_TAIL = 5

KEYS = ["strategy", "adopters", "part", "policy"]


class Reading(NamedTuple):
    """A measure of a cell: what it is, its unit, and one value a run with its mean.

    Units are ``share`` of the group's capacity, ``share`` of the honest level for the
    harm, and ``usd``. Families are corrected for together.
    """

    name: str
    family: str
    unit: str
    label: str
    of: Callable[[Pair], pd.Series]


def saved(pair: Pair) -> pd.Series:
    """What ADL takes less from the players, per dollar of their capacity."""
    return per_capacity(pair, -pair.change("players", "adl_loss_usd"))


def cost(pair: Pair) -> pd.Series:
    """What playing costs in fees and slippage, per dollar of capacity."""
    return per_capacity(pair, _cost(pair))


def net(pair: Pair) -> pd.Series:
    """The players' gain, see `abm.montecarlo.store.kept`, per dollar of capacity."""
    return per_capacity(pair, pair.change("players", "kept_usd"))


def gross(pair: Pair) -> pd.Series:
    """The same before fees and slippage."""
    return per_capacity(pair, pair.change("players", "kept_usd") + _cost(pair))


def net_usd(pair: Pair) -> pd.Series:
    """The gain of all players together in a run, USD."""
    return pair.change("players", "kept_usd")


def total_profit(pair: Pair) -> pd.Series:
    """What the players' wealth grows more, for whatever reason, per dollar of capacity."""
    return per_capacity(pair, pair.change("players", "profit_usd"))


def left_to_venue(pair: Pair) -> pd.Series:
    """What the players leave the venue to pay more, per dollar of capacity."""
    return per_capacity(pair, pair.change("players", "venue_loss_usd"))


def honest_pay(pair: Pair) -> pd.Series:
    """What ADL takes more from all other traders, as a share of what it took."""
    more = pair.change(OTHERS, "adl_loss_usd")
    return ratio_parts(more, pair.honest[OTHERS, "adl_loss_usd"])


def honest_pay_usd(pair: Pair) -> pd.Series:
    """What ADL takes more from all other traders in a run, USD."""
    return pair.change(OTHERS, "adl_loss_usd")


def harm(pair: Pair) -> pd.Series:
    """The rise of the expected shortfall of the deficit, as a share of it."""
    return _tail_change(pair, "deficit_usd")


def residual_harm(pair: Pair) -> pd.Series:
    """The rise of the expected shortfall of the residual, as a share of it."""
    return _tail_change(pair, "residual_usd")


READINGS = (
    Reading("gain", "verdict", "share", "Gain, net", net),
    Reading("harm", "verdict", "share", "Expected shortfall", harm),
    Reading("saved", "saved", "share", "ADL loss saved", saved),
    Reading("gross", "gross", "share", "Gain before costs", gross),
    Reading("cost", "cost", "share", "Cost", cost),
    Reading("left", "left", "share", "Left to the venue", left_to_venue),
    Reading("profit", "profit", "share", "Total profit", total_profit),
    Reading("honest", "honest", "share", "Honest traders pay", honest_pay),
    Reading("residual", "residual", "share", "Residual's shortfall", residual_harm),
    Reading("gain_usd", "gain_usd", "usd", "Gain of a run", net_usd),
    Reading("honest_usd", "honest_usd", "usd", "Honest traders pay, a run", honest_pay_usd),
)


def per_capacity(pair: Pair, amounts: pd.Series) -> pd.Series:
    """Amounts over the players' capacity without gaming, one value a run."""
    return ratio_parts(amounts, pair.honest["players", "capacity_usd"])


def _cost(pair: Pair) -> pd.Series:
    return pair.change("players", "fees_usd") + pair.change("players", "slippage_usd")


def tail_parts(values: pd.Series, tail: float = TAIL) -> pd.Series:
    """One value a run whose mean is the expected shortfall of the values.

    ``q + max(x - q, 0) / tail`` with the quantile `q` that starts the tail (Rockafellar
    and Uryasev 2000); NaN if fewer than five runs are in the tail.
    """
    if tail * len(values) < _FEWEST_IN_TAIL:
        return values * np.nan
    ordered = np.sort(values.to_numpy(float))[::-1]
    start = ordered[int(np.ceil(tail * len(ordered) - 1e-9)) - 1]
    return start + (values - start).clip(lower=0.0) / tail


def _tail_change(pair: Pair, column: str) -> pd.Series:
    before = tail_parts(pair.honest["venue", column])
    after = tail_parts(pair.played["venue", column])
    if (after == before).all():
        return before * 0.0
    return ratio_parts(after - before, before)


def matrix(
    contest: Contest, least: Materiality | None = None, level: float = LEVEL
) -> pd.DataFrame:
    """Every measure of every cell, with intervals that hold for all cells, and verdicts.

    Returns
    -------
    DataFrame
        One row a strategy, share of adopters, part and policy, indexed by these: `runs`,
        `capacity_usd` of the players in the mean over runs, `traders`, `touched_before`
        and `touched` (shares of the players that ADL touched, without gaming and with
        it), for each of `READINGS` its value and the ends ``_low`` and ``_high``, and the
        `verdict`.
    """
    cells = list(contest.cells())
    pairs = [match.pair(policy) for match, policy in cells]
    found = pd.DataFrame(
        [
            _facts(match, policy, pair)
            for (match, policy), pair in zip(cells, pairs, strict=True)
        ]
    ).set_index(KEYS)
    families: dict[str, list[Reading]] = {}
    for reading in READINGS:
        families.setdefault(reading.family, []).append(reading)
    for readings in families.values():
        for reading, means in zip(readings, _together(pairs, readings, level), strict=True):
            found[reading.name] = means.mean
            found[f"{reading.name}_low"] = means.low
            found[f"{reading.name}_high"] = means.high
    least = least or Materiality()
    found["verdict"] = [
        verdicts.verdict(
            Interval(row.gain_low, row.gain_high), Interval(row.harm_low, row.harm_high),
            least,
        )
        for row in found.itertuples()
    ]  # fmt: skip
    return found


ALL = "all policies"
_POOLED = {"harm": harm, "honest": honest_pay}


def pooled(contest: Contest) -> pd.DataFrame:
    """What the venue and the honest traders lose in the mean over strategies.

    Every strategy moves all later prices by chance in a way of its own, so the mean over
    strategies is known better than any of them.

    Returns
    -------
    DataFrame
        One row a part, share of adopters and policy (the index), and one for all policies
        together: the means of `harm` and `honest` of :data:`READINGS`, and the ends
        ``_low`` and ``_high`` of their 95% intervals, each by itself.
    """
    parts: dict[tuple[int, float, str], list[pd.DataFrame]] = {}
    for match, policy in contest.cells():
        pair = match.pair(policy)
        found = pd.DataFrame({name: of(pair) for name, of in _POOLED.items()})
        for key in (policy, ALL):
            parts.setdefault((match.part, match.adopters, key), []).append(found)
    rows = {}
    for key, cells in parts.items():
        row: dict[str, float] = {}
        for name in _POOLED:
            told = pd.concat([cell[name] for cell in cells], axis=1)
            # Where nobody pays, there is no share of it that changes.
            means = told.dropna(axis=1, how="all").mean(axis=1).dropna().to_numpy(float)
            row[name] = means.mean() if len(means) else np.nan
            row[f"{name}_low"], row[f"{name}_high"] = mean_interval(means)
        rows[key] = row
    index = pd.MultiIndex.from_tuples(rows, names=["part", "adopters", "policy"])
    return pd.DataFrame(list(rows.values()), index)


def _facts(match: Match, policy: str, pair: Pair) -> dict[str, object]:
    before, after = pair.honest["players"], pair.played["players"]
    traders = before["traders"].sum()
    return {
        "strategy": match.strategy,
        "adopters": match.adopters,
        "part": match.part,
        "policy": policy,
        "runs": len(pair.honest),
        "traders": traders / max(len(before), 1),
        "capacity_usd": before["capacity_usd"].mean(),
        "touched_before": before["touched"].sum() / traders if traders else np.nan,
        "touched": after["touched"].sum() / traders if traders else np.nan,
        "deficit_usd": pair.honest["venue", "deficit_usd"].mean(),
        "honest_loss_usd": pair.honest[OTHERS, "adl_loss_usd"].mean(),
        "outside_money_usd": after["outside_money_usd"].mean(),
    }


def _together(pairs: list[Pair], readings: list[Reading], level: float) -> list[Means]:
    """Means of some measures over all cells, with one correction for all."""
    columns = [reading.of(pair) for reading in readings for pair in pairs]
    table = pd.concat(columns, axis=1).to_numpy(float)
    means = simultaneous(table, level)
    n = len(pairs)
    return [
        Means(*(part[i * n : (i + 1) * n] for part in means)) for i in range(len(readings))
    ]
