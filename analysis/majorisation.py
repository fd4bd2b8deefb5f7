"""Does one policy spread its burden more evenly than another? Majorisation, run by run.

A burden is *no heavier* than another if for every k its k most burdened accounts carry no
more together (weak submajorisation): then every increasing convex measure of pain is no
greater under it, whatever weighs on whom (Hardy, Littlewood and Polya; Marshall, Olkin
and Arnold, "Inequalities", chapter 3; arXiv 2512.01112, section 3.2). Taken as parts of
its own sum, a burden is only compared in how it is spread: that is Lorenz dominance.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from abm.montecarlo.store import Batch
from analysis import intervals

Floats = npt.NDArray[np.float64]

_TOLERANCE = 1e-9
"""Of the larger burden, by which partial sums of floats may differ and be the same."""

_VERDICTS = ("first", "second", "equal", "neither")


def majorisation(batch: Batch, *, spread_only: bool = False) -> pd.DataFrame:
    """Hold the haircuts of every two policies against each other on the same seeds.

    A burden is what each account gave in a whole run, in USD; gains count as nothing.

    Parameters
    ----------
    spread_only : bool
        Compare parts of each policy's own sum (Lorenz dominance) rather than USD.

    Returns
    -------
    DataFrame
        One row a pair: ``first`` and ``second`` are policies, ``runs`` how many finished
        under both and hit somebody under either (under both if `spread_only`). Shares of
        those runs: ``first_lighter``, ``second_lighter``, ``equal`` and ``neither``, the
        first two with the ends ``_low`` and ``_high`` of the exact 95% interval.
    """
    burdens = _burdens(batch, spread_only)
    finished = _finished(batch)
    rows = []
    for first, second in combinations(batch.policies, 2):
        found = [
            _verdict(burdens.get((first, run)), burdens.get((second, run)))
            for run in sorted(finished[first] & finished[second])
            if _is_compared(burdens, first, second, run, spread_only)
        ]
        rows.append({"first": first, "second": second} | _shares(found))
    return pd.DataFrame(rows)


def _finished(batch: Batch) -> dict[str, set[int]]:
    runs = batch.frame("runs", columns=["run", "policy", "failed"])
    done = runs[~runs["failed"].astype(bool)]
    return {name: set(done["run"][done["policy"] == name]) for name in batch.policies}


def _burdens(batch: Batch, spread_only: bool) -> dict[tuple[str, int], Floats]:
    """By policy and run, the sums that the most burdened 1, 2, ... accounts carry."""
    columns = ["policy", "run", "account", "amount_usd"]
    paid = batch.frame("haircuts", columns=columns)
    paid["amount_usd"] = paid["amount_usd"].clip(lower=0.0)
    by_account = paid.groupby(["policy", "run", "account"], sort=False)["amount_usd"].sum()
    found = {}
    for (policy, run), amounts in by_account.groupby(level=["policy", "run"]):
        carried = carried_by_most(amounts.to_numpy(float))
        if spread_only and carried[-1] > 0.0:
            carried = carried / carried[-1]
        if carried[-1] > 0.0:
            found[str(policy), int(run)] = carried
    return found


def _is_compared(
    burdens: dict[tuple[str, int], Floats], first: str, second: str, run: int, both: bool
) -> bool:
    hit = [(policy, run) in burdens for policy in (first, second)]
    return all(hit) if both else any(hit)


def _verdict(first: Floats | None, second: Floats | None) -> str:
    nobody = np.zeros(1)
    a = nobody if first is None else first
    b = nobody if second is None else second
    lighter = no_heavier(a, b), no_heavier(b, a)
    return {
        (True, True): "equal",
        (True, False): "first",
        (False, True): "second",
        (False, False): "neither",
    }[lighter]


def carried_by_most(burden: npt.ArrayLike) -> Floats:
    """What the 1, 2, ... most burdened accounts carry together, shape (accounts,)."""
    return np.asarray(np.cumsum(np.sort(np.asarray(burden, float))[::-1]))


def no_heavier(carried: Floats, other: Floats) -> bool:
    """True if a burden is weakly submajorised by another.

    Parameters
    ----------
    carried, other : array
        Of :func:`carried_by_most`; accounts that only one of them has carry nothing in
        the other.
    """
    size = max(len(carried), len(other))
    a, b = (np.pad(sums, (0, size - len(sums)), mode="edge") for sums in (carried, other))
    return bool((a <= b + _TOLERANCE * max(a[-1], b[-1])).all())


def _shares(verdicts: list[str]) -> dict[str, Any]:
    runs = len(verdicts)
    found: dict[str, Any] = {"runs": runs}
    for verdict in _VERDICTS:
        hits = verdicts.count(verdict)
        share = hits / runs if runs else np.nan
        name = f"{verdict}_lighter" if verdict in ("first", "second") else verdict
        found[name] = share
        if verdict in ("first", "second"):
            low, high = intervals.share_interval(hits, runs)
            found |= {f"{name}_low": low, f"{name}_high": high}
    return found
