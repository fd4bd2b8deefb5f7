"""What the tables of waves and of runs say of fairness, solvency and regret.

A wave is one burden, its calls taken together: what was needed is the most that was ever
missing, counting what had been raised before; what was asked for, likewise. Survivors are
what accounts have left of their profit (of their capacity where cash is taken) after the
wave's last answered call. The measures' formulas are in `abm.measures`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from abm.adl.record import Call
from abm.adl.severity import need_at
from abm.measures import counterfactual, fairness
from abm.measures.burden import Burden
from abm.units import usd
from abm.world import Array

Columns = dict[str, Any]
Row = dict[str, Any]

_TOPS = ("top_1", "top_10", "top_percent")

_MEANS = (
    "ptsr", "pmr", "ptsr_top", "pmr_top", "ptsr_residual", "pmr_residual",
    "ptsr_residual_top", "pmr_residual_top", "rd_nse", "order_inversions",
    "rank_stability",
)  # fmt: skip
"""Of a run: the mean over its waves."""

_SUMS = ("needed_usd", "tracking_regret_usd", "fairness_regret_usd", "regret_usd")


def raised_before(calls: Sequence[Call]) -> Array:
    """Quanta that the calls before each one have raised, shape (calls,)."""
    raised = np.array([call.short_before - call.short_after for call in calls], np.int64)
    return np.asarray(np.cumsum(raised) - raised)


def need_of(calls: Sequence[Call]) -> int:
    """The most that was ever missing in a wave, with what had been raised, in quanta."""
    missing = np.array([call.short_before for call in calls], np.int64)
    return int((raised_before(calls) + missing).max())


def needed_at(calls: Sequence[Call], marks: Sequence[Array] | Array) -> Array:
    """What a wave turned out to need, judged at later marks, in quanta.

    The most, over its calls, of what had been raised before and of what the bankrupt
    positions lack at those marks (`abm.adl.severity.need_at`).

    Parameters
    ----------
    marks : sequence of array of int64, shape (markets,) or (n, markets)
        In ticks, one array a call.

    Returns
    -------
    array of float64, shape () or (n,)
    """
    before = raised_before(calls).astype(np.float64)
    needs = [need_at(call.wave, mark) for call, mark in zip(calls, marks, strict=True)]
    found = [raised + need for raised, need in zip(before, needs, strict=True)]
    return np.asarray(np.max(found, axis=0))


# --- waves ------------------------------------------------------------------------------


def of_waves(
    calls: Sequence[Call], burdens: Sequence[Burden], told: Columns, paid: Columns
) -> Columns:
    """Columns of the table of waves.

    Parameters
    ----------
    calls, burdens : sequence
        Of one run, in order.
    told : Columns
        What the table says of each wave already.
    paid : Columns
        The table of haircuts.
    """
    rows, before = [], None
    for place, number in enumerate(told.get("wave", [])):
        here = [i for i, call in enumerate(calls) if call.wave.number == number]
        of_wave = {name: column[place] for name, column in told.items()}
        # Waves stand together in the table, and in order.
        mine = slice(*np.searchsorted(paid["wave"], [number, number + 1]))
        payers = {name: column[mine] for name, column in paid.items()}
        row = _of_wave([calls[i] for i in here], [burdens[i] for i in here], payers)
        row |= _regrets([calls[i] for i in here], of_wave | row)
        row["rank_stability"] = _rank_stability(before, payers)
        before = payers
        rows.append(row)
    every = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in every}


def _of_wave(calls: Sequence[Call], burdens: Sequence[Burden], paid: Columns) -> Row:
    """Measures of one wave; none of fairness where nobody was asked."""
    covered = calls[-1].short_after == 0
    found: Row = {
        "largest_loss_usd": usd(max(int(c.wave.deficit.max(initial=0)) for c in calls)),
        "time_to_cover_s": calls[-1].wave.now_s - calls[0].wave.now_s if covered else None,
    }
    asked = [burden for burden in burdens if burden.acted]
    if not asked:
        return found
    found |= _who_could(calls, asked[0])
    found |= _survival(calls, asked, paid)
    found |= _concentration(asked, paid)
    return found


def _who_could(calls: Sequence[Call], first: Burden) -> Row:
    """Whether those who could have been asked have what is needed."""
    need = need_of(calls)
    return {
        "winners_profit_usd": usd(first.profits),
        "winners_equity_usd": usd(first.equity),
        "coverable": need <= first.profits,
        "solvent": need < first.equity,
    }


def _survival(calls: Sequence[Call], asked: Sequence[Burden], paid: Columns) -> Row:
    """Survivors, by themselves and against what was missing."""
    before = raised_before(calls)
    need = need_of(calls)
    raised = sum(call.short_before - call.short_after for call in calls)
    budgets = [call.outcome.decision.budget for call in calls]
    sought = max(int(b) + budget for b, budget in zip(before, budgets, strict=True))
    loss = max(int(call.wave.deficit.max(initial=0)) for call in calls)
    of_top = paid["amount_quanta"][paid["account"] == asked[0].top_account]
    top = max(0, asked[0].top_endowment - max(0, int(of_top.sum())))
    found: Row = {
        "asked_usd": usd(sought),
        "largest_survivor_usd": usd(asked[-1].largest_survivor),
        "top_survivor_usd": usd(top),
        "rd_nse": fairness.rd_nse(asked[-1].largest_survivor, need, raised),
    }
    theta = sought / need if need else 0.0
    for suffix, survivor in (("", asked[-1].largest_survivor), ("_top", top)):
        found |= {
            f"ptsr{suffix}": fairness.ptsr(survivor, need, theta),
            f"pmr{suffix}": fairness.pmr(survivor, loss, theta),
            f"ptsr_residual{suffix}": fairness.residual_ptsr(survivor, need, raised),
            f"pmr_residual{suffix}": fairness.residual_pmr(survivor, loss, need, raised),
        }
    return found


def _concentration(asked: Sequence[Burden], paid: Columns) -> Row:
    """How the burden was spread, and how much of that was a choice."""
    given = sum(burden.given for burden in asked)
    forced = sum(burden.forced for burden in asked)
    share = paid["share"]
    accounts = max(len(share), *(burden.accounts for burden in asked))
    neighbours = sum(burden.neighbours for burden in asked)
    inversions = sum(burden.inversions for burden in asked)
    found: Row = {
        "eligible_accounts": accounts,
        "largest_share": float(share.max(initial=0.0)),
        "largest_equity_share": fairness.largest_haircut(
            paid["amount_usd"], paid["equity_usd"]
        ),
        "largest_asked_share": max(burden.largest_share for burden in asked),
        "gini": fairness.gini(share, accounts),
        "order_inversions": inversions / neighbours if neighbours else math.nan,
        "given_usd": usd(given),
        "forced_usd": usd(forced),
        "optional_share": 1.0 - forced / given if given > 0 else math.nan,
    }
    for name in _TOPS:
        found[f"{name}_usd"] = usd(sum(getattr(burden, name) for burden in asked))
    return found


def _rank_stability(before: Columns | None, paid: Columns) -> float:
    """Of the burdens of all who were hit in a wave or in the one before it."""
    if before is None:
        return math.nan
    end = 1 + max(wave["account"].max(initial=-1) for wave in (before, paid))
    shares, is_hit = np.zeros((2, end)), np.zeros(end, bool)
    for share, wave in zip(shares, (before, paid), strict=True):
        share[wave["account"]] = wave["share"]
        is_hit[wave["account"]] = True
    return fairness.rank_stability(*shares[:, is_hit])


def _regrets(calls: Sequence[Call], row: Row) -> Row:
    """Regret, judged at the marks of the calls themselves."""
    needed = usd(float(needed_at(calls, [call.wave.mark for call in calls])))
    return {"needed_usd": needed} | {
        f"{name}_usd": value for name, value in regret_of(row, needed).items()
    }


def regret_of(wave: Mapping[str, Any], needed_usd: float) -> dict[str, float]:
    """Tracking, fairness and total regret of a wave's row, in USD.

    Fairness is in shares of what each payer could give in a call: the largest that was
    asked for against the smallest possible largest one; where nobody could pay or
    nobody was asked, zero.
    """
    least = wave.get("least_largest_share")
    largest = wave.get("largest_asked_share")
    if least is None or largest is None:
        least = largest = 0.0
    found = counterfactual.regret(wave["covered_usd"], needed_usd, largest, min(least, 1.0))
    return {
        "tracking_regret": found.tracking,
        "fairness_regret": found.fairness,
        "regret": found.total,
    }


# --- runs -------------------------------------------------------------------------------


def of_run(waves: Columns, shares: Array) -> Row:
    """What the row of a run says of its waves taken together.

    Parameters
    ----------
    waves : Columns
        The table of waves.
    shares : array of float64, shape (accounts,)
        Share of its profit that each account gave that gave any in the run.
    """
    columns = {name: np.array(column, float) for name, column in _numbers(waves)}
    found: Row = {name: _mean(columns.get(name)) for name in _MEANS}
    found |= {name: float(np.nansum(columns.get(name, 0.0))) for name in _SUMS}
    given = float(np.nansum(columns.get("given_usd", 0.0)))
    for name in (*_TOPS, *(f"least_{top}" for top in _TOPS)):
        some = float(np.nansum(columns.get(f"{name}_usd", 0.0)))
        found[f"{name}_share"] = some / given if given > 0.0 else math.nan
    forced = float(np.nansum(columns.get("forced_usd", 0.0)))
    found["optional_share"] = 1.0 - forced / given if given > 0.0 else math.nan
    accounts = columns.get("eligible_accounts", np.zeros(0))
    count = max(len(shares), int(np.nan_to_num(accounts).max(initial=0.0)))
    found["gini"] = fairness.gini(shares, count) if len(shares) else math.nan
    coverable, solvent = waves.get("coverable", []), waves.get("solvent", [])
    found["uncoverable_waves"] = sum(
        bool(rich) and not able and able is not None
        for able, rich in zip(coverable, solvent, strict=True)
    )
    return found


def _numbers(waves: Columns) -> list[tuple[str, list[Any]]]:
    return [
        (name, [math.nan if cell is None else cell for cell in column])
        for name, column in waves.items()
    ]


def _mean(values: Array | None) -> float:
    """The mean of those that are known; NaN if none is."""
    known = np.zeros(0) if values is None else values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


def breaches(calls: Sequence[Call], strikes: int) -> dict[str, float]:
    """Shares of the strikes of the wave's clock at which the venue was short.

    `breach_share`: before a policy was asked; `unmet_share`: still afterwards.

    Parameters
    ----------
    calls : sequence of Call
    strikes : int
        How often the clock struck in the run.
    """
    short = sum(call.short_before > 0 for call in calls)
    still = sum(call.short_after > 0 for call in calls)
    return {"breach_share": short / strikes, "unmet_share": still / strikes}


def strikes_of(steps: int, step_ms: int, tick_ms: int) -> int:
    """How often a clock that strikes every `tick_ms` does in a run; at most each step."""
    if tick_ms <= step_ms:
        return steps
    return (steps - 1) * step_ms // tick_ms + 1
