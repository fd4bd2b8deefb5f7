"""Whom a policy drove away, as rows: by kind and size, by episode, and of the whole run.

A trader's wealth is what it has at the end and what it took out before: what it would
have had on the venue, had it stayed. Its lifetime value is the fees that this would earn
over the scenario's horizon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from abm.adl.record import Call
from abm.measures import retention as measure
from abm.measures.census import Census
from abm.montecarlo.course import Episode
from abm.scenario import Retention
from abm.units import usd
from abm.world import NONE, Array

Columns = dict[str, Any]


class Hit(NamedTuple):
    """What each trader lost in each wave; arrays of shape (traders hit, by wave).

    `amount` in quanta, `share` of the base that the scenario chose.
    """

    wave: Array
    trader: Array
    amount: Array
    share: Array

    def within(self, waves: Sequence[int]) -> Hit:
        """Those of some waves."""
        kept = np.isin(self.wave, waves)
        return Hit(*(column[kept] for column in self))


def fees_of(given: Retention) -> measure.Fees:
    """What a dollar of equity earns, as a scenario has it."""
    return measure.Fees(
        given.funding_per_hour,
        given.turnover_per_day,
        given.fee_bps * 1e-4,
        given.horizon_days,
    )


def of_run(
    given: Retention,
    episodes: Sequence[Episode],
    calls: Sequence[Call],
    standings: Sequence[Array],
    haircuts: Columns,
    owner: Array,
    kinds: Array,
) -> dict[str, Columns]:
    """The tables ``retention`` and ``episodes`` of a run, and what its own row says.

    Parameters
    ----------
    calls, standings : sequences
        Of the run's record.
    haircuts : dict
        Columns of the table of haircuts.
    owner : array of int64, shape (accounts,)
        The trader of every account, `NONE` for the house's.
    kinds : array of str
        Names of the traders' kinds.
    """
    hit = hits(given.base, haircuts, calls, owner)
    groups = _groups(given, episodes, hit, kinds)
    return {
        "retention": groups,
        "episodes": _episodes(given, episodes, calls, hit),
        "runs": _of_whole(groups) | _recovery(given, episodes, standings),
    }


def hits(base: str, haircuts: Columns, calls: Sequence[Call], owner: Array) -> Hit:
    """What every trader lost in every wave, all its accounts taken together."""
    if not haircuts:
        nothing = np.zeros(0, np.int64)
        return Hit(nothing, nothing, nothing, np.zeros(0))
    trader = owner[haircuts["account"]]
    theirs = trader != NONE
    wave, trader = haircuts["wave"][theirs], trader[theirs]
    n_traders = int(trader.max(initial=0)) + 1
    pairs, row = np.unique(wave * n_traders + trader, return_inverse=True)
    waves, traders = np.divmod(pairs, n_traders)
    amount = np.zeros(len(pairs), np.int64)
    np.add.at(amount, row, haircuts["amount_quanta"][theirs])
    name = "equity_usd" if base == "equity" else "capacity_usd"
    whole = np.bincount(row, haircuts[name][theirs], len(amount))
    share = measure.taken_share(usd(amount), whole)
    if base == "position":
        closed = _closed_shares(calls, owner)
        told = zip(waves.tolist(), traders.tolist(), share, strict=True)
        share = np.array([closed.get((a, b), c) for a, b, c in told])
    return Hit(waves, traders, np.maximum(amount, 0), share)


def _closed_shares(calls: Sequence[Call], owner: Array) -> dict[tuple[int, int], float]:
    """By wave and trader, the share of the positions hit that was closed, by value."""
    held: dict[tuple[int, int, int], tuple[float, float]] = {}
    for call in calls:
        price = call.wave.mark * call.wave.unit
        for fill in call.outcome.fills:
            key = call.wave.number, int(fill["account"]), int(fill["market"])
            worth = float(price[fill["market"]])
            before, closed = held.get(key, (abs(int(fill["held"])) * worth, 0.0))
            held[key] = before, closed + abs(int(fill["lots"])) * worth
    sums: dict[tuple[int, int], tuple[float, float]] = {}
    for (wave, account, _), (before, closed) in held.items():
        whole, part = sums.get((wave, int(owner[account])), (0.0, 0.0))
        sums[wave, int(owner[account])] = whole + before, part + min(closed, before)
    return {key: part / whole for key, (whole, part) in sums.items() if whole > 0}


def _burden(hit: Hit, n_traders: int) -> Array:
    """Every trader's shares added up over waves: what the hazard goes by."""
    return np.bincount(hit.trader, hit.share, n_traders)


# --- by kind and size -------------------------------------------------------------------


def _groups(
    given: Retention, episodes: Sequence[Episode], hit: Hit, kinds: Array
) -> Columns:
    """One row a kind and a class of equity on arrival that has anybody in it."""
    end = episodes[-1].end.census
    n_traders = len(end.kind)
    arrival = _on_arrival(episodes)
    n_sizes = len(measure.SIZES_USD)
    size = measure.size_class(usd(arrival))
    both = end.kind * n_sizes + size
    there = np.bincount(both) > 0
    groups, group = np.flatnonzero(there), (np.cumsum(there) - 1)[both]

    def total(values: Array) -> Array:
        """Added up by group, whole numbers exactly."""
        whole = values.dtype.kind != "f"
        found = np.zeros(len(groups), np.int64 if whole else np.float64)
        # Numbers of another type are added far more slowly.
        np.add.at(found, group, values.astype(found.dtype))
        return found

    paid = np.zeros(n_traders, np.int64)
    np.add.at(paid, hit.trader, hit.amount)
    leaves = measure.churn(_burden(hit, n_traders), given.beta)
    wealth = end.equity + end.withdrawn
    value = usd(wealth) * fees_of(given).lifetime
    gone = end.has_left | end.is_leaving
    return {
        "kind": kinds[groups // n_sizes],
        "size_from_usd": np.array(measure.SIZES_USD)[groups % n_sizes],
        "accounts": total(np.ones(n_traders, np.int64)),
        "hit": total(np.bincount(hit.trader, minlength=n_traders) > 0),
        "expected_churn": total(leaves),
        "leaving": total(end.is_leaving),
        "left": total(end.has_left),
        "rebuilt": total(end.rebuilt > 0),
        "equity_start_usd": usd(total(arrival)),
        "wealth_end_usd": usd(total(wealth)),
        "haircut_usd": usd(total(paid)),
        "fees_usd": usd(total(end.fees)),
        "lifetime_value_usd": total(value),
        "value_lost_usd": total(value * leaves),
        "value_left_usd": total(np.where(gone, value, 0.0)),
    }


def _on_arrival(episodes: Sequence[Episode]) -> Array:
    """What every trader had when it arrived, in quanta."""
    found = episodes[0].start.census.equity
    for episode in episodes[1:]:
        found = np.concatenate([found, episode.start.census.equity[len(found) :]])
    return found


# --- by episode -------------------------------------------------------------------------


def _episodes(
    given: Retention, episodes: Sequence[Episode], calls: Sequence[Call], hit: Hit
) -> Columns:
    rows = [_episode(given, one, one.calls(calls), hit) for one in episodes]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _episode(
    given: Retention, episode: Episode, calls: Sequence[Call], hit: Hit
) -> dict[str, Any]:
    """One row: what an episode began with, what it took, and what is left."""
    start, end, calm = episode.start, episode.end, episode.calm
    waves = sorted({call.wave.number for call in calls})
    here = hit.within(waves)
    need, covered = _need(calls)
    carried = max(0, -start.insurance)
    row: dict[str, Any] = {
        "episode": episode.number,
        "seed": episode.seed,
        "start_s": start.now_s,
        "end_s": end.now_s,
        "newcomers": calm.newcomers,
        "left_before": calm.left,
        "active": start.census.active,
        "hit": len(np.unique(here.trader)),
        "left": int(end.census.has_left.sum() - start.census.has_left.sum()),
        "leaving": int(end.census.is_leaving.sum()),
        "waves": len(waves),
    }
    amounts = {
        "owed": calm.owed,
        "calm_fees": calm.fees,
        "to_insurance": calm.to_insurance,
        "to_vault": calm.to_vault,
        "newcomers_equity": calm.brought,
        "insurance_start": start.insurance,
        "insurance_end": end.insurance,
        "vault_start": start.vault,
        "vault_end": end.vault,
        "carried": carried,
        "deficit": max(0, need - carried),
        "covered": covered,
        "residual": episode.residual,
        "haircut": int(here.amount.sum()),
        "fees": end.fees - start.fees,
        "equity_start": int(start.census.equity.sum()),
        "equity_end": int(end.census.equity.sum()),
    }
    for name, amount in amounts.items():
        row[f"{name}_usd"], row[f"{name}_quanta"] = usd(amount), amount
    return row | _value(given, start.census, end.census, here)


def _need(calls: Sequence[Call]) -> tuple[int, int]:
    """The most that was ever needed, what had been covered included; what was covered."""
    need = covered = 0
    for call in calls:
        need = max(need, covered + call.short_before)
        covered += call.short_before - call.short_after
    return need, covered


def _value(given: Retention, start: Census, end: Census, hit: Hit) -> dict[str, float]:
    """Lifetime value at an episode's end, and what of it is expected to stay."""
    wealth = usd(end.equity + end.withdrawn - start.withdrawn)
    leaves = measure.churn(_burden(hit, len(wealth)), given.beta)
    lifetime = fees_of(given).lifetime
    gone = end.is_leaving | (end.has_left & ~start.has_left)
    return {
        "expected_churn": float(leaves.sum()),
        "lifetime_value_start_usd": float(lifetime * usd(start.equity).sum()),
        "lifetime_value_usd": float(lifetime * wealth.sum()),
        "retained_value_usd": float(lifetime * (wealth * (1.0 - leaves)).sum()),
        "stayed_value_usd": float(lifetime * wealth[~gone].sum()),
    }


# --- of the whole run -------------------------------------------------------------------


def _of_whole(groups: Columns) -> dict[str, Any]:
    """What a run's row says of retention, added up over kinds and sizes."""
    total = {name: float(groups[name].sum()) for name in (
        "expected_churn", "lifetime_value_usd", "value_lost_usd", "value_left_usd",
    )}  # fmt: skip
    value = total["lifetime_value_usd"]
    retained = value - total["value_lost_usd"]
    return {
        "accounts_leaving": int(groups["leaving"].sum()),
        **total,
        "retained_value_usd": retained,
        "retained_value_share": retained / value if value > 0 else 1.0,
    }


def _recovery(
    given: Retention, episodes: Sequence[Episode], standings: Sequence[Array]
) -> dict[str, float]:
    """The clocks of solvency and of revenue, from the looks at how the venue stood."""
    # Told the type of the records, numpy does not compare their fields pair by pair.
    looks = np.concatenate(standings, dtype=standings[0].dtype)
    time_s = looks["at_ms"] / 1000.0
    starts = np.searchsorted(looks["at_ms"], [one.begun_ms for one in episodes]).tolist()
    purses = np.maximum(looks["insurance"], 0) + np.maximum(looks["vault"], 0)
    return {
        "solvency_recovery_s": measure.solvency_recovery(
            time_s, purses, looks["owed"], given.solvent_share, starts
        ),
        "revenue_recovery_s": measure.revenue_recovery(
            time_s, looks["traders"], given.revenue_tolerance
        ),
    }


def columns_of_run(found: Mapping[str, Columns]) -> Columns:
    """A run's own row as columns of one entry."""
    return {name: [value] for name, value in found["runs"].items()}
