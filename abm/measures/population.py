"""How a drawn crowd compares with the one that was measured on 10 October 2025.

What was measured are the winners: the 19,337 accounts whose positions ADL closed. Nearly
all were short. So the moments of a drawn crowd are taken over holders of shorts that are
in profit at the event's exit prices, of whom as many are picked at random: which winners
the queue reaches depends on the policy, and shares of the largest depend on how many are
looked at.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from abm import draws, units
from abm.scenario import Scenario
from abm.traders import endowments
from abm.traders.endowments import Endowments
from abm.world import Array

MEASURED_ACCOUNTS = 19_337
"""Accounts that ADL touched on 10 October 2025."""


class Winners(NamedTuple):
    """Accounts in profit, one row each, in USD.

    `equity` at the start, `notional` of the shorts in profit at exit prices, `profit` of
    these.
    """

    equity: Array
    notional: Array
    profit: Array


# --- moments of arrays ------------------------------------------------------------------


def tail_exponent(values: Array, least: float) -> float:
    """Maximum-likelihood exponent a of ``P(X > x) ~ x ** -a`` above `least`.

    The estimator of Clauset, Shalizi and Newman, "Power-law distributions in empirical
    data", SIAM Review 51 (2009), equation 3.1 (there of the density: a + 1). NaN if no
    value exceeds `least`.
    """
    tail = values[values > least]
    return float(len(tail) / np.log(tail / least).sum()) if len(tail) else float("nan")


def hill(values: Array, share: float) -> float:
    """Hill's estimate of the tail exponent from the largest `share` of the values.

    B. M. Hill, "A simple general approach to inference about the tail of a
    distribution", Annals of Statistics 3 (1975). NaN for fewer than two values.
    """
    if len(values) < 2:
        return float("nan")
    count = min(max(int(share * len(values)), 1), len(values) - 1)
    ordered = np.sort(values)
    return float(count / np.log(ordered[-count:] / ordered[-count - 1]).sum())


def gini(values: Array) -> float:
    """Gini coefficient of values that are not negative: 0 all equal, near 1 one has all."""
    ordered = np.sort(values)
    rank = np.arange(1, len(values) + 1)
    return float((2 * rank - len(values) - 1) @ ordered / (len(values) * ordered.sum()))


def top_share(values: Array, count: int) -> float:
    """Share of the total that the `count` largest have."""
    return float(np.sort(values)[-count:].sum() / values.sum())


def log_sd(values: Array) -> float:
    """Standard deviation of the natural logarithms of positive values."""
    return float(np.log(values).std(ddof=1))


def log_correlation(x: Array, y: Array) -> float:
    """Pearson correlation of the logarithms of positive values."""
    return float(np.corrcoef(np.log(x), np.log(y))[0, 1])


def log_slope(x: Array, y: Array) -> float:
    """Least-squares slope of ln y on ln x."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def moments(winners: Winners) -> dict[str, float]:
    """Every moment that the target table knows, by the table's `moment`."""
    equity, notional, profit = winners
    found = {}
    tails = (
        ("notional", notional, 112e3),
        ("profit", profit, 76e3),
        ("equity", equity, 142e3),
    )
    for name, values, least in tails:
        found[f"{name}.exponent"] = tail_exponent(values, least)
        found[f"{name}.hill_5%"] = hill(values, 0.05)
        found[f"{name}.hill_1%"] = hill(values, 0.01)
        found[f"{name}.log_sd"] = log_sd(values)
        found[f"{name}.median"] = float(np.median(values))
        found[f"{name}.top_1"] = top_share(values, 1)
        found[f"{name}.top_10"] = top_share(values, 10)
        found[f"{name}.top_1%"] = top_share(values, max(round(0.01 * len(values)), 1))
        found[f"{name}.gini"] = gini(values)
    return found | _joint_moments(winners)


def _joint_moments(winners: Winners) -> dict[str, float]:
    equity, notional, profit = winners
    leverage, gain = notional / equity, profit / notional
    found = {
        f"leverage.p{q}": float(np.percentile(leverage, q)) for q in (10, 50, 75, 90, 99)
    }
    found |= {f"gain.p{q}": float(np.percentile(gain, q)) for q in (10, 50, 90)}
    return found | {
        "leverage.exponent": tail_exponent(leverage, 6.67),
        "leverage.hill_5%": hill(leverage, 0.05),
        "leverage~equity": log_correlation(leverage, equity),
        "leverage~equity.slope": log_slope(equity, leverage),
        "profit~equity": log_correlation(profit, equity),
        "profit~equity.slope": log_slope(equity, profit),
        "notional~equity": log_correlation(notional, equity),
        "gain.total": float(profit.sum() / notional.sum()),
        "gain.log_mean": float(np.log(gain).mean()),
        "gain.log_sd": log_sd(gain),
        "accounts": float(len(equity)),
        "notional.total": float(notional.sum()),
    }


# --- the winners of a drawn crowd -------------------------------------------------------


def exit_log_returns(scenario: Scenario) -> Array:
    """Log-return from the start to where winners were closed, shape (markets,).

    As observed (table `oct10_exits.csv` beside this module), for markets that the table
    does not name its row ``*``.
    """
    table = _read("oct10_exits.csv").set_index("market")["log_return"]
    return np.array([table.get(name, table["*"]) for name in scenario.all_markets()])


def winners_of(crowd: Endowments, scenario: Scenario, exits: Array) -> Winners:
    """All accounts that hold shorts in profit at the exit prices, isolated ones joined.

    Parameters
    ----------
    exits : Array
        Log-return from the start to the exit, shape (markets,).
    """
    markets = list(scenario.all_markets().values())
    per_lot = np.array([m.start_tick * m.unit for m in markets])
    start = per_lot[crowd.market] * crowd.lots
    exit_value = start * np.exp(exits[crowd.market])
    profit = exit_value - crowd.cost
    short = (crowd.lots < 0) & (profit > 0.0)
    trader = crowd.owner[crowd.account]
    equity = np.bincount(crowd.owner, crowd.cash, crowd.n_traders)
    equity += np.bincount(trader, start - crowd.cost, crowd.n_traders)
    notional = np.bincount(trader[short], -exit_value[short], crowd.n_traders)
    gained = np.bincount(trader[short], profit[short], crowd.n_traders)
    held = notional > 0.0
    return Winners(*(units.usd(a[held]) for a in (equity, notional, gained)))


def sample(winners: Winners, count: int, seed: int) -> Winners:
    """`count` of the winners at random (all if no more), a function of the seed."""
    if len(winners.equity) <= count:
        return winners
    stream = np.random.Generator(np.random.Philox(key=[seed, draws.POPULATION_SAMPLE]))
    chosen = np.sort(stream.choice(len(winners.equity), count, replace=False))
    return Winners(*(values[chosen] for values in winners))


# --- the table --------------------------------------------------------------------------


def targets() -> pd.DataFrame:
    """What was measured: id, name, moment, target, low, high, source."""
    return _read("oct10_population.csv")


def _read(name: str) -> pd.DataFrame:
    with resources.files("abm.measures").joinpath(name).open(encoding="utf-8") as file:
        return pd.read_csv(file, comment="#")


def moments_of_crowd(
    scenario: Scenario, seed: int, count: int = MEASURED_ACCOUNTS
) -> dict[str, float]:
    """Moments of the winners of the crowd that a seed draws, `count` of them at random."""
    exits = exit_log_returns(scenario)
    everyone = winners_of(endowments.draw(scenario, seed), scenario, exits)
    return moments(sample(everyone, count, seed))


def moments_by_seed(
    scenario: Scenario,
    seeds: Iterable[int],
    count: int = MEASURED_ACCOUNTS,
    quiet: bool = True,
) -> pd.DataFrame:
    """Moments of the winners of a scenario's crowd, a row a seed."""
    rows = {}
    for seed in tqdm(list(seeds), unit="crowd", disable=True if quiet else None):
        rows[seed] = moments_of_crowd(scenario, seed, count)
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("seed")


def population_table(
    scenario: Scenario,
    seeds: Iterable[int] = range(1, 16),
    count: int = MEASURED_ACCOUNTS,
    quiet: bool = True,
) -> pd.DataFrame:
    """Measured against drawn: one row a moment of the target table.

    Parameters
    ----------
    scenario : Scenario
        Its population should have the size that was measured (437,723 accounts): shares
        of the largest depend on how many there are.
    seeds : iterable of int
        One crowd is drawn for each.
    count : int
        How many of the winners are looked at.
    quiet : bool
        Show no progress bar.

    Returns
    -------
    pandas.DataFrame
        id, name, target, low, high, simulated (median over seeds), least, most, inside
        (seeds whose value lies within low and high), seeds, in_range (of the median).
    """
    found = moments_by_seed(scenario, seeds, count, quiet)
    table = targets()
    values = found[table["moment"].tolist()].to_numpy().T
    low, high = table["low"].to_numpy(), table["high"].to_numpy()
    middle = np.median(values, axis=1)
    inside = (values >= low[:, None]) & (values <= high[:, None])
    return table[["id", "name", "target", "low", "high"]].assign(
        simulated=middle,
        least=values.min(axis=1),
        most=values.max(axis=1),
        inside=inside.sum(axis=1),
        seeds=values.shape[1],
        in_range=(middle >= low) & (middle <= high),
    )
