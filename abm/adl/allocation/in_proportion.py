"""In proportion to something: what payers could give, hold, have won, or a weight."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from abm.adl import scores
from abm.adl.allocation.base import Allocation, Cap, not_negative, ranked
from abm.adl.answers import CompositionError
from abm.adl.eligibility import Payers
from abm.adl.sharing import payouts, proportional
from abm.adl.wave import Wave
from abm.fields import Text
from abm.world import Array


def by_proportion(
    *, by: Literal["capacity", "contracts", "equity", "profit"] = "capacity"
) -> Allocation:
    """Everyone pays in proportion: to capacity, contracts held, equity or profit.

    By capacity the largest share is as small as it can be (arXiv 2512.01112, wealth
    pro-rata; 2602.15182). What whole units leave over goes to the largest remainders; to
    give it by the number of the account, as some do, moves it by a unit. By contracts in
    lots is what Drift charges; by equity or profit is capped by capacity, in rounds.
    """
    if by == "capacity":
        return Allocation(pro_rata)
    names = {"contracts": "contracts", "equity": "wealth", "profit": "account-profit"}
    score = scores.ANSWERS[names[by]]()
    return ranked(proportional.by_weight, not_negative(score))


def by_contracts() -> Allocation:
    """Everyone pays the same on each contract held.

    Drift (drift-labs/protocol-v2 at 0ae3e3b, ``resolve_perp_bankruptcy``), Vertex; the
    contracts pro-rata of arXiv 2602.15182.
    """
    return by_proportion(by="contracts")


def pro_rata(capacity: Array, score: Array, budget: int) -> Array:
    """The same share of every capacity; the score is not looked at."""
    return proportional.pro_rata(capacity, budget)


def capped(*, cap: Cap) -> Allocation:
    """Everyone pays the same share of capacity, and nobody more than the cap.

    Water-filling, arXiv 2512.01112, "capped pro-rata". What the caps leave open is left
    to the next wave.
    """

    def share(capacity: Array, score: Array, budget: int) -> Array:
        caps = np.full(len(capacity), cap)
        return proportional.capped_pro_rata(capacity, caps, budget)

    return Allocation(share)


def last_takes_rest() -> Allocation:
    """Payouts are cut in proportion and rounded down; the last that asked takes the rest.

    Vega's settlement (vegaprotocol/vega, core/collateral/simple_distributor.go).
    """
    return Allocation(
        lambda capacity, score, budget: payouts.last_takes_rest(capacity, budget)
    )


# --- weights given by hand --------------------------------------------------------------


Weights = Annotated[
    dict[str, Annotated[float, Field(ge=0.0, le=1e15)]], Field(min_length=1)
]


def by_account(
    *,
    weights: Weights | None = None,
    file: Text | None = None,
    others: Annotated[float, Field(ge=0.0, le=1e15)] = 0.0,
) -> Allocation:
    """In proportion to weights given by account, in the table or in a CSV file.

    `weights` are ``{ ACCOUNT = WEIGHT }``, `file` has columns ``account`` and ``weight``;
    `others` is the weight of whoever is not named. Aftermath's executor passes such a
    vector over chosen counterparties (aftermath-sdk-rust at 6d7d15b, af-iperps).
    """
    if (weights is None) == (file is None):
        raise CompositionError("allocation: needs either weights or a file of them")
    given = _read_weights(file) if file is not None else _by_number(weights or {})

    def score(wave: Wave, payers: Payers) -> Array:
        accounts = wave.candidates["account"][payers.row].tolist()
        return np.array([given.get(account, others) for account in accounts], np.float64)

    return ranked(proportional.by_weight, score)


def _by_number(table: Mapping[str, float]) -> dict[int, float]:
    for name in table:
        if not name.isdecimal():
            raise CompositionError(
                f"allocation.weights.{name}: must be an account's number"
            )
    return {int(name): weight for name, weight in table.items()}


def _read_weights(file: str) -> dict[int, float]:
    """Weights of a CSV file.

    Raises
    ------
    CompositionError
        If there is no such file, or a row that is no account and weight.
    """
    try:
        with Path(file).open(encoding="utf-8", newline="") as lines:
            found = dict(_weights_in(csv.DictReader(lines), file))
    except (OSError, UnicodeDecodeError) as error:
        raise CompositionError(f"allocation.file = {file!r}: {error}") from error
    if not found:
        raise CompositionError(
            f"allocation.file = {file!r}: must have a row with an account and its weight"
        )
    return found


def _weights_in(rows: Any, file: str) -> Iterator[tuple[int, float]]:
    for row in rows:
        try:
            account, weight = int(row["account"]), float(row["weight"])
        except (KeyError, TypeError, ValueError):
            account, weight = -1, -1.0
        if account < 0 or not 0.0 <= weight <= 1e15:
            where = f"allocation.file = {file!r}: line {rows.line_num}"
            raise CompositionError(f"{where}: must be an account's number and a weight")
        yield account, weight


ANSWERS: dict[str, Callable[..., Allocation]] = {
    "pro-rata": by_proportion,
    "contracts": by_contracts,
    "capped": capped,
    "last-takes-rest": last_takes_rest,
    "weights": by_account,
}
