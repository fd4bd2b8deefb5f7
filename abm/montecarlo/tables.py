"""From the record of a finished run to the rows of its tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from abm import world as w
from abm.adl import audit, bounds
from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.adl.summary import summarise
from abm.engine import Engine
from abm.measures.burden import Burden, burden_of
from abm.montecarlo import measured, retained
from abm.montecarlo.course import Episode
from abm.montecarlo.paid import haircuts_of, profit_shares, stack
from abm.montecarlo.store import SCHEMAS
from abm.scenario import Retention, Scenario
from abm.units import usd
from abm.venue.liquidation import BOOK_RUNG, RUNG_NAMES, WAVE_RUNG, shortfall
from abm.world import Array, World

Columns = dict[str, Any]

KINDS = {
    "bankrupt_account": "bankrupt_kind",
    "candidates_account": "candidates_kind",
    "fills_bankrupt": "fills_bankrupt_kind",
}
"""Columns of the audit that hold accounts, and those that hold their kinds."""

_RUNGS = np.array([*RUNG_NAMES, "unwind"], object)


@dataclass(frozen=True)
class Names:
    """What numbers are called in the tables."""

    markets: Array
    kinds: Array
    tick_usd: Array

    @classmethod
    def of(cls, scenario: Scenario) -> Names:
        """Names of a scenario's markets and kinds, as arrays to index with numbers."""
        markets = scenario.all_markets()
        # Of strings as objects, tables are made twice as fast as of numpy's own.
        return cls(
            markets=np.array(list(markets), object),
            kinds=np.array([*w.HOUSE_KINDS, *scenario.kinds], object),
            tick_usd=np.array([market.tick_usd for market in markets.values()]),
        )


def of_run(
    engine: Engine,
    episodes: Sequence[Episode],
    names: Names,
    more: Mapping[str, Any],
    burdens: Sequence[Burden],
    retention: Retention,
    *,
    audited: bool,
) -> dict[str, Columns]:
    """The columns of all tables of a finished run but that of horizons.

    Parameters
    ----------
    engine : Engine
        After :meth:`Engine.finish`; with its calls whole if they are audited.
    episodes : sequence of Episode
        All of the run's.
    names : Names
        Of the scenario.
    more : mapping
        Columns of the row of the run that its record does not tell.
    burdens : sequence of Burden
        One a call.
    retention : Retention
        The scenario's.
    audited : bool
        Whether to keep what every decision was made from.
    """
    record, world = engine.record, engine.world
    kind = names.kinds[world.ledger.accounts["kind"]]
    columns: dict[str, Columns] = {
        **of_calls(record.calls, engine.policy, names, kind, burdens),
        "liquidations": _liquidations(record.liquidations, world, names, kind),
        "paths": _paths(record.paths, world, names),
        "audit": _audit(record.calls, kind) if audited else {},
    }
    told = {name: [value] for name, value in more.items()}
    columns["runs"] = _run(engine, episodes, columns) | told
    return _with_retention(columns, engine, episodes, names, retention)


def _with_retention(
    columns: dict[str, Columns],
    engine: Engine,
    episodes: Sequence[Episode],
    names: Names,
    given: Retention,
) -> dict[str, Columns]:
    """The columns with what a run says of retention and of its episodes."""
    found = retained.of_run(
        given,
        episodes,
        engine.record.calls,
        engine.record.standings,
        columns["haircuts"],
        engine.world.ledger.accounts["trader"],
        names.kinds[w.FIRST_TRADER_KIND :],
    )
    runs = columns["runs"] | retained.columns_of_run(found)
    return columns | found | {"runs": runs}


def of_calls(
    calls: Sequence[Call],
    policy: Policy,
    names: Names,
    kind: Array,
    burdens: Sequence[Burden] | None = None,
) -> dict[str, Columns]:
    """The tables that tell what a policy did, from its calls alone.

    Parameters
    ----------
    calls : sequence of Call
        Of one run, in order.
    policy : Policy
        Whose they are.
    names : Names
    kind : array of str
        The kind of every account, to index with its number.
    burdens : sequence of Burden, optional
        One a call; worked out from the calls, which must be whole, if not given.
    """
    if burdens is None:
        burdens = [burden_of(call, policy) for call in calls]
    calls = [
        call if call.summary else replace(call, summary=summarise(call, policy))
        for call in calls
    ]
    haircuts = haircuts_of(calls, policy, kind)
    waves = _waves(calls, policy, haircuts)
    return {
        "adl_fills": stack(
            [_fills(call, names, kind) for call in calls if len(call.outcome.fills)]
        ),
        "haircuts": haircuts,
        "waves": waves | measured.of_waves(calls, burdens, waves, haircuts),
    }


def of_failure(seed: int, error: str) -> dict[str, Columns]:
    """The columns of a run whose policy was refused: one row that says so."""
    return {"runs": {"seed": [seed], "failed": [True], "error": [error]}}


def as_table(name: str, columns: Columns, run: int, policy: str) -> pa.Table:
    """A table of the schema; columns that are not given are null."""
    schema = SCHEMAS[name]
    length = len(next(iter(columns.values()))) if columns else 0
    if not length:
        return schema.empty_table()
    arrays = []
    for field in schema:
        if field.name == "run":
            arrays.append(pa.array(np.full(length, run)))
        elif field.name == "policy":
            arrays.append(pa.repeat(pa.scalar(policy, field.type), length))
        elif field.name in columns:
            arrays.append(pa.array(columns[field.name], field.type))
        else:
            arrays.append(pa.nulls(length, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _fills(call: Call, names: Names, kind: Array) -> Columns:
    wave, fills = call.wave, call.outcome.fills
    market, lots = fills["market"], fills["lots"]
    tick = names.tick_usd[market]
    entry = fills["cost"] / (fills["held"] * wave.unit[market])
    price = fills["value"] / (lots * wave.unit[market])
    gain = (price - entry) * lots * wave.unit[market]
    pair = fills["account"] * len(names.markets) + market
    _, inverse = np.unique(pair, return_inverse=True)
    closed = np.bincount(inverse, weights=np.abs(lots), minlength=1)
    return {
        "wave": np.full(len(fills), wave.number),
        "time_s": np.full(len(fills), wave.now_s),
        "market": names.markets[market],
        "account": fills["account"],
        "kind": kind[fills["account"]],
        "bankrupt": fills["bankrupt"],
        "bankrupt_kind": kind[fills["bankrupt"]],
        "lots": lots,
        "notional_usd": usd(np.abs(fills["value"])),
        "price_usd": price * tick,
        "mark_usd": wave.mark[market] * tick,
        "previous_mark_usd": wave.previous_mark[market] * tick,
        "entry_usd": entry * tick,
        "profit_usd": usd(gain),
        "full_close": closed[inverse] >= np.abs(fills["held"]),
    }


def _audit(calls: Sequence[Call], kind: Array) -> Columns:
    """One row a call: all that its decision was made from, and what was booked."""
    rows = []
    for call in calls:
        row = audit.flattened(call)
        row |= {names: kind[row[accounts]] for accounts, names in KINDS.items()}
        rows.append(row)
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _waves(calls: Sequence[Call], policy: Policy, haircuts: Columns) -> Columns:
    """One row a wave: its calls taken together."""
    numbers, rows = sorted({call.wave.number for call in calls}), []
    for number in numbers:
        row = _wave([call for call in calls if call.wave.number == number], policy)
        row["touched"] = np.count_nonzero(haircuts["wave"] == number)
        rows.append(row)
    every = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in every}


def _wave(calls: list[Call], policy: Policy) -> dict[str, Any]:
    first, last = calls[0], calls[-1]
    of_first = summarise(first, policy)
    covered = [call.short_before - call.short_after for call in calls]
    deficit = max(0, measured.need_of(calls) - first.carried)
    return {
        "wave": first.wave.number,
        "start_s": first.wave.now_s,
        "end_s": last.wave.now_s,
        "calls": len(calls),
        "deficit_usd": usd(deficit),
        "budget_usd": usd(sum(call.outcome.decision.budget for call in calls)),
        "capacity_usd": usd(of_first.capacity),
        "covered_usd": usd(sum(covered)),
        "residual_usd": usd(last.short_after),
        "deficit_quanta": deficit,
        "covered_quanta": sum(covered),
        "residual_quanta": last.short_after,
        "severity": first.outcome.decision.theta,
        "acted": sum(call.outcome.decision.acted for call in calls),
        "withdrawal_cut": last.outcome.withdrawal_cut,
        "eligible": of_first.eligible,
        **_bounds(calls, policy),
        "adl_notional_usd": float(
            sum(usd(np.abs(call.outcome.fills["value"])).sum() for call in calls)
        ),
    }


def _bounds(calls: list[Call], policy: Policy) -> dict[str, Any]:
    summaries = [summarise(call, policy) for call in calls]
    found = [summary.bounds for summary in summaries if summary.bounds is not None]
    if not found:
        return {}
    of_wave = bounds.of_wave(found)
    return {
        "feasible": of_wave.feasible,
        "within_half": of_wave.within_half,
        "uncovered": of_wave.uncovered,
        "least_largest_share": of_wave.least_largest_share,
        "least_touched": of_wave.least_touched,
        "least_top_1_usd": usd(of_wave.least_top_1),
        "least_top_10_usd": usd(of_wave.least_top_10),
        "least_top_percent_usd": usd(of_wave.least_top_percent),
        "granularity_usd": usd(of_wave.granularity),
    }


def _liquidations(parts: list[Array], world: World, names: Names, kind: Array) -> Columns:
    rows = np.concatenate(parts) if parts else np.zeros(0, w.LIQUIDATION)
    market = rows["market"]
    unit = world.markets.specs["unit"][market]
    price = rows["value"] / np.where(rows["lots"] == 0, 1, rows["lots"] * unit)
    tick = names.tick_usd[market]
    return {
        "time_s": rows["now_ms"] / 1000.0,
        "account": rows["account"],
        "kind": kind[rows["account"]],
        "market": names.markets[market],
        "rung": _RUNGS[rows["rung"]],
        "lots": rows["lots"],
        "notional_usd": usd(np.abs(rows["value"])),
        "price_usd": np.where(rows["lots"] == 0, np.nan, price * tick),
        "mark_usd": rows["mark"] * tick,
        "shortfall_usd": usd(rows["shortfall"]),
    }


def _paths(parts: list[Array], world: World, names: Names) -> Columns:
    rows = np.concatenate(parts) if parts else np.zeros(0, w.PATH)
    market = rows["market"]
    tick = names.tick_usd[market]
    size = world.book.tops["size"][market]
    value = usd(world.markets.specs["unit"][market] * rows["mark"])
    return {
        "time_s": rows["now_ms"] / 1000.0,
        "market": names.markets[market],
        "index_usd": rows["index"] * tick,
        "mark_usd": rows["mark"] * tick,
        "bid_usd": np.where(rows["bid"] < 1, np.nan, rows["bid"] * tick),
        "ask_usd": np.where(rows["ask"] >= size, np.nan, rows["ask"] * tick),
        "bid_depth_usd": rows["bid_depth"] * value,
        "ask_depth_usd": rows["ask_depth"] * value,
        "open_interest_usd": rows["open_interest"] * value,
        "liquidated_usd": rows["liquidated_lots"] * value,
        "vault_usd": usd(rows["backstop_equity"]),
        "insurance_usd": usd(rows["insurance_equity"]),
    }


def _run(
    engine: Engine, episodes: Sequence[Episode], columns: dict[str, Columns]
) -> Columns:
    """The one row of a run."""
    calls, world = engine.record.calls, engine.world
    row = {
        "seed": episodes[0].seed,
        "failed": False,
        "accounts_left": int(world.crowd.state[0]["left"]),
        "accounts_rebuilt": int(world.crowd.state[0]["rebuilt"]),
        "fees_usd": usd(int(world.ledger.pots[0]["fees"])),
        "socialised_usd": usd(int(world.ledger.pots[0]["socialised"])),
    }
    takeover = int(world.clock[0]["first_takeover_ms"])
    row["first_takeover_s"] = takeover / 1000.0 if takeover >= 0 else np.nan
    residual = int(shortfall(world.ledger, world.risk, world.markets))
    row |= of_decisions(calls, columns, residual)
    row |= of_liquidations(columns["liquidations"])
    row |= measured.breaches(calls, _strikes(world))
    for name in ("insurance", "vault"):
        row[f"{name}_start_usd"] = usd(getattr(episodes[0].start, name))
        row[f"{name}_end_usd"] = usd(getattr(episodes[-1].end, name))
    return {name: [value] for name, value in row.items()}


def _strikes(world: World) -> int:
    """How often the wave's clock struck in a finished run."""
    clock, rungs = world.clock[0], world.risk.rungs
    ticks = rungs["tick_ms"][rungs["rung"] == WAVE_RUNG]
    step, step_ms = int(clock["step"]), int(clock["step_ms"])
    return measured.strikes_of(step, step_ms, int(ticks.max(initial=0)))


def of_decisions(
    calls: Sequence[Call], told: Mapping[str, Columns], residual: int
) -> dict[str, Any]:
    """What the row of a run says of its waves.

    Parameters
    ----------
    calls : sequence of Call
    told : mapping
        The columns of :func:`of_calls`.
    residual : int
        Quanta missing at the end.
    """
    profit, equity = profit_shares(told["haircuts"])
    return {
        "waves": len({call.wave.number for call in calls}),
        "calls": len(calls),
        "first_wave_s": calls[0].wave.now_s if calls else np.nan,
        **_solvency(calls, residual),
        **_adl(told["adl_fills"], told["haircuts"], (profit, equity)),
        **measured.of_run(told["waves"], profit),
    }


def _solvency(calls: Sequence[Call], residual: int) -> dict[str, Any]:
    """Deficit (peak of what was ever needed), and what became of it.

    The deficit is the largest, over calls, of what had been covered before plus what was
    missing then; it is covered by payers, recovered by prices, or left at the end.
    """
    covered = budget = deficit = 0
    covered_at = np.nan
    for call in calls:
        deficit = max(deficit, covered + call.short_before)
        covered += call.short_before - call.short_after
        budget += call.outcome.decision.budget
        whole = call.short_after == 0
        covered_at = call.wave.now_s - calls[0].wave.now_s if whole else np.nan
    found: dict[str, Any] = {"time_to_cover_s": covered_at}
    amounts = {
        "deficit": deficit,
        "budget": budget,
        "covered": covered,
        "residual": residual,
    }
    for name, amount in amounts.items():
        found[f"{name}_usd"] = usd(amount)
        found[f"{name}_quanta"] = amount
    found["recovered_usd"] = usd(max(0, deficit - covered - residual))
    return found


def _adl(fills: Columns, haircuts: Columns, shares: tuple[Array, Array]) -> dict[str, Any]:
    """Size and concentration of ADL in a run; shares are those of profit and equity."""
    notional = np.asarray(fills.get("notional_usd", np.zeros(0)))
    total = float(notional.sum())
    found: dict[str, Any] = {"adl_notional_usd": total}
    if total > 0:
        found["adl_vault_share"] = (
            notional[fills["bankrupt_kind"] == "backstop"].sum() / total
        )
        found["adl_short_share"] = float(np.mean(fills["lots"] < 0))
        found["adl_full_close_share"] = float(np.mean(fills["full_close"]))
    accounts = np.asarray(haircuts.get("account", np.zeros(0)))
    amount = np.asarray(haircuts.get("amount_usd", np.zeros(0)))
    found["adl_accounts"] = len(np.unique(accounts))
    found["haircut_usd"] = float(amount.sum())
    profit, equity = shares
    found["largest_haircut_share"] = float(profit.max(initial=0.0))
    found["largest_equity_share"] = float(equity.max(initial=0.0))
    return found


def of_liquidations(rows: Columns) -> dict[str, Any]:
    """What the row of a run says went through the book and was taken over, in USD."""
    rung, notional = rows["rung"], rows["notional_usd"]
    return {
        "liquidated_usd": float(notional[rung == RUNG_NAMES[BOOK_RUNG]].sum()),
        "taken_over_usd": float(notional[np.isin(rung, ["backstop", "insurance"])].sum()),
    }
