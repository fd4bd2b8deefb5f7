"""Batches made by hand, without a simulation, for the tests of what they mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from abm.montecarlo import store
from abm.montecarlo.encoding import Encoder
from abm.montecarlo.store import Batch

Rows = Sequence[Mapping[str, Any]]


def make_batch(
    folder: Path,
    policies: Sequence[str],
    runs: int,
    /,
    *,
    duration_s: float = 60.0,
    paths_of_first_runs: int = 1,
    **tables: Rows,
) -> Batch:
    """Write tables given as rows; columns that a row does not name are null."""
    folder.mkdir(parents=True, exist_ok=True)
    block = {
        name: pa.Table.from_pylist([dict(row) for row in tables.get(name, ())], schema)
        for name, schema in store.SCHEMAS.items()
    }
    files = Encoder()
    files.add(block)
    store.write_block(folder, 0, files.finish())
    manifest = {
        "name": "made",
        "version": "0",
        "scenario": {
            "name": "made",
            "time": {"duration_s": duration_s, "step_s": 1.0},
            "kinds": {"passive": {}, "whale": {}},
            "outputs": {
                "paths_of_first_runs": paths_of_first_runs,
                "audit_of_first_runs": paths_of_first_runs,
                "counterfactual_of_first_runs": runs,
            },
        },
        "policies": list(policies),
        "first_seed": 7,
        "runs": runs,
        "block": runs,
        "blocks": {"0": {"runs": [0, runs], "failed": 0}},
    }
    store.write_manifest(folder, manifest)
    return Batch(folder)


def finished(run: int, policy: str, deficit: float, **more: Any) -> dict[str, Any]:
    """A row of a run that finished; everything that is not said is zero."""
    zeros = {
        name: 0
        for name, kind in store.COLUMNS["runs"]
        if kind in ("int64", "float64") and name != "time_to_cover_s"
    }
    row: dict[str, Any] = {**zeros, "run": run, "policy": policy, "seed": 7 + run}
    return {**row, "failed": False, "deficit_usd": deficit, **more}


def failed(run: int, policy: str) -> dict[str, Any]:
    """A row of a run whose policy was refused."""
    why = f"policy '{policy}', allocation, wave 0: not finite"
    return {"run": run, "policy": policy, "seed": 7 + run, "failed": True, "error": why}


def haircut(
    run: int,
    policy: str,
    account: int,
    amount: float,
    capacity: float,
    *,
    closed: float = 0.0,
    time_s: float = 20.0,
    equity: float = 5_000.0,
    kind: str = "passive",
) -> dict[str, Any]:
    """A row of somebody who paid."""
    return {
        "run": run,
        "policy": policy,
        "wave": 0,
        "time_s": time_s,
        "account": account,
        "kind": kind,
        "capacity_usd": capacity,
        "amount_usd": amount,
        "share": amount / capacity,
        "closed_usd": closed,
        "equity_usd": equity,
    }


def audited(
    run: int, policy: str, profits: Mapping[int, float], kind: str = "passive"
) -> dict[str, Any]:
    """A row of a call that could have asked some accounts for their profits in cash."""
    n = len(profits)
    capacity = [round(profit * 1e6) for profit in profits.values()]
    columns = ("market", "lots", "cost", "elsewhere_profit")
    return {
        "run": run,
        "policy": policy,
        "time_s": 20.0,
        "mark": [100],
        "unit": [1],
        "candidates_account": list(profits),
        "candidates_kind": [kind] * n,
        **{f"candidates_{name}": [0] * n for name in columns},
        "candidates_cash": [round(5_000e6)] * n,
        "payers_row": list(range(n)),
        "payers_capacity": capacity,
    }


def path_rows(
    run: int, policy: str, seconds: int, markets: int = 1
) -> list[dict[str, Any]]:
    """Prices that fall by 1% a step, depth that halves after second 20, a sinking vault."""
    return [
        {
            "run": run,
            "policy": policy,
            "time_s": float(t),
            "market": f"M{i}",
            "index_usd": 100.0 - t,
            "mark_usd": 100.0 - t,
            "bid_depth_usd": 500.0 if t < 20 else 250.0,
            "ask_depth_usd": 500.0 if t < 20 else 250.0,
            "open_interest_usd": 1_000.0 * (i + 1),
            "liquidated_usd": 0.0,
            "vault_usd": 300.0 - 10.0 * t,
            "insurance_usd": 0.0,
        }
        for t in range(seconds)
        for i in range(markets)
    ]


def liquidation(
    run: int, policy: str, time_s: float, rung: str, usd: float
) -> dict[str, Any]:
    """A row of a liquidation event in the first market."""
    return {
        "run": run,
        "policy": policy,
        "time_s": time_s,
        "account": 9,
        "kind": "passive",
        "market": "M0",
        "rung": rung,
        "lots": -1,
        "notional_usd": usd,
    }


def wave(
    run: int, policy: str, number: int, start: float, end: float, **more: Any
) -> dict[str, Any]:
    """A row of a wave."""
    row = {"run": run, "policy": policy, "wave": number, "start_s": start, "end_s": end}
    zeros = {"deficit_usd": 0.0, "covered_usd": 0.0, "touched": 0, "adl_notional_usd": 0.0}
    return {**row, **zeros, **more}


def crowd_batch(
    folder: Path,
    policies: Sequence[str] = ("contracts", "cash", "none"),
    runs: int = 30,
    markets: int = 2,
    waves: int = 3,
) -> Batch:
    """A batch of random numbers with everything in it, drawn from a fixed seed.

    Policies named ``contracts...`` close contracts, those named ``none`` take nothing.
    """
    stream = np.random.default_rng(1)
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in store.SCHEMAS}
    for run in range(runs):
        size = float(stream.lognormal(10.0, 1.0))
        profits = stream.pareto(1.0, 25) * 100.0 + 1.0
        for policy in policies:
            _add_run(tables, run, policy, size, profits, waves)
            if run == 0:
                tables["paths"] += path_rows(0, policy, 60, markets)
    return make_batch(folder, policies, runs, **tables)


def _add_run(
    tables: dict[str, list[dict[str, Any]]],
    run: int,
    policy: str,
    size: float,
    profits: np.ndarray,
    waves: int,
) -> None:
    pays = policy != "none"
    by_contracts = policy.startswith("contracts")
    hit = profits[:8] if by_contracts else profits
    closed = float(hit.sum()) * 10.0 * by_contracts
    for account, profit in enumerate(hit if pays else ()):
        kind = "whale" if account % 5 == 0 else "passive"
        row = haircut(run, policy, account, 0.3 * profit, profit, kind=kind)
        row |= {"closed_usd": 10.0 * profit * by_contracts, "equity_usd": 50.0 * profit}
        tables["haircuts"].append(row)
    if run < 2 and policy == "cash":
        tables["audit"].append(audited(run, policy, dict(enumerate(profits))))
    for number in range(waves):
        more = {"deficit_usd": size / waves, "touched": len(hit) * pays}
        start = 20.0 + 5.0 * number
        tables["waves"].append(wave(run, policy, number, start, start + number, **more))
    tables["liquidations"].append(liquidation(run, policy, 15.0, "book", 2.0 * size))
    tables["liquidations"].append(liquidation(run, policy, 18.0, "backstop", 4.0 * size))
    tables["runs"].append(
        finished(
            run,
            policy,
            size,
            covered_usd=size * pays,
            residual_usd=size * (not pays),
            adl_accounts=len(hit) * pays,
            calls=waves,
            haircut_usd=0.3 * float(hit.sum()) * pays,
            largest_haircut_share=0.3 * pays,
            largest_equity_share=0.2 * pays,
            adl_notional_usd=closed,
        )
    )
