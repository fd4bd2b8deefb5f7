"""Policies put to the wave of a book: each on a copy of its own, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from abm import world as w
from abm.adl import bounds
from abm.adl.allocation import Allocation
from abm.adl.answers import CompositionError
from abm.adl.bounds import Bounds
from abm.adl.compose import PRESETS, complete, compose
from abm.adl.eligibility import Payers
from abm.adl.policy import Policy
from abm.adl.record import Decision, Outcome
from abm.adl.scores import Score
from abm.adl.settlement import Settlement
from abm.adl.sharing import queue
from abm.adl.wave import Wave, gather
from abm.engine import equipped
from abm.faults import nearest
from abm.loading import ScenarioError
from abm.playground.book import Book
from abm.playground.file import WaveFile
from abm.venue.margin import equity_of
from abm.world import Array

GIVEN_ORDER = "given-order"
"""The policy that takes all from the highest `score` of the file, then the next."""

CASH_POLICIES = ("pro-rata", "capped-pro-rata", "convex-penalty", "levelling")
"""What is asked unless said otherwise, where the file has no positions."""

CONTRACT_POLICIES = ("hyperliquid", "binance", "okx", "dydx-v4", "ethereal", "pro-rata")
"""What is asked unless said otherwise, where the file has positions."""


@dataclass(frozen=True)
class Answer:
    """What a policy did.

    Attributes
    ----------
    policy : Policy
    wave : Wave
    outcome : Outcome
    bounds : Bounds or None
        None if it did not act.
    in_contracts : bool
        Whether it closes contracts, rather than take cash.
    paid : array of int64, shape (accounts,)
        Quanta that each account lost against the mark, in cash or by its closing, less
        what it got of the bankrupt's collateral; negative if that is more.
    closed : array of float64, shape (accounts,)
        Quantity of its position that was closed.
    given, capacity : array of int64, shape (accounts,)
        What each account was made to give, and the most it could be asked for: lots where
        contracts are closed, quanta elsewhere.
    wanted : int
        What all were to give, in the same units.
    top, least_top : int
        What the accounts of largest capacity gave, the first of each group, and the least
        that they must if all that is wanted is given.
    raised_all : bool
        Whether every group gave all that was wanted of it, so that the bounds apply.
    left : int
        Quanta missing afterwards.
    """

    policy: Policy
    wave: Wave
    outcome: Outcome
    bounds: Bounds | None
    in_contracts: bool
    paid: Array
    closed: Array
    given: Array
    capacity: Array
    wanted: int
    top: int
    least_top: int
    raised_all: bool
    left: int

    @property
    def share(self) -> Array:
        """The part of capacity that each account gave, shape (accounts,)."""
        return np.asarray(self.given / np.maximum(self.capacity, 1))


# --- whom to ask ------------------------------------------------------------------------


def policies_of(
    book: Book, names: Sequence[str] = ()
) -> tuple[list[Policy], dict[str, str]]:
    """The policies to ask: those named, or a handful that suit the file.

    Returns
    -------
    policies : list of Policy
    left_out : dict of str to str
        Names of the others, and why the file does not suit them.

    Raises
    ------
    ScenarioError, CompositionError
        If there is no policy of a name, a policy of the file's own is none, or not one
        suits the file.
    """
    file = book.file
    if not names:
        usual = CONTRACT_POLICIES if file.accounts[0].has_position else CASH_POLICIES
        names = [*([GIVEN_ORDER] if _is_ordered(file) else []), *usual, *file.policies]
    policies, left_out = [], {}
    for name in dict.fromkeys(names):
        try:
            policies.append(_policy(book, name))
        except _UnsuitedError as error:
            left_out[name] = str(error)
    if not policies:
        name, why = next(iter(left_out.items()))
        raise ScenarioError(f"policy {name}: {why}")
    return policies, left_out


class _UnsuitedError(Exception):
    """A policy that there is, but not for this file."""


def _is_ordered(file: WaveFile) -> bool:
    return all(holder.score is not None for holder in file.accounts)


def _policy(book: Book, name: str) -> Policy:
    file = book.file
    try:
        table = _table(file, name)
        policy = compose(name, table)
    except CompositionError as error:
        raise CompositionError(f"policies.{name}.{error}") from None
    if file.severity is not None and name != "none":
        asked = {"rule": "fixed", "share": file.severity}
        try:
            policy = compose(name, {**table, "severity": asked})
        except CompositionError as error:
            why = f"cannot take severity = {file.severity:g} of the file: {error}"
            raise _UnsuitedError(why) from None
    media = {stage.settlement.medium for stage in policy.stages}
    if media != {"cash"} and not file.accounts[0].has_position:
        raise _UnsuitedError(
            "looks at positions, so accounts must have side, quantity and entry_usd"
        )
    if name == GIVEN_ORDER:
        return replace(policy, allocation=Allocation(queue.queue, _by_score(book)))
    return policy


def _table(file: WaveFile, name: str) -> dict[str, Any]:
    if name in file.policies:
        return complete(file.policies[name].model_dump(exclude_none=True))
    if name in PRESETS:
        return complete({"preset": name})
    known = [*file.policies, *PRESETS, GIVEN_ORDER]
    if name != GIVEN_ORDER:
        raise ScenarioError(f"--policy {name}: no such policy; {nearest(name, known)}")
    if not _is_ordered(file):
        raise ScenarioError(f"--policy {name}: every account must have a score")
    return complete({"preset": "pro-rata"})


def _by_score(book: Book) -> Score:
    score = np.array([holder.score for holder in book.file.accounts], np.float64)

    def given(wave: Wave, payers: Payers) -> Array:
        account = wave.candidates["account"][payers.row]
        return np.asarray(score[account - book.first])

    return given


# --- what they answer -------------------------------------------------------------------


def ask(book: Book, policy: Policy) -> Answer:
    """What a policy does in the wave of a book, which stays as it is.

    Raises
    ------
    PolicyError
        If a part of the policy answers what must not be booked.
    """
    world = equipped(w.copy(book.world), [policy])
    wave = gather(world, 0, policy.looks_everywhere)
    outcome = policy.answer(world, wave)
    decision, n = outcome.decision, len(book.names)
    paid, given, capacity = (np.zeros(n, np.int64) for _ in range(3))
    closed = np.zeros(n)
    fills, haircuts = outcome.fills, outcome.haircuts
    np.add.at(paid, haircuts["account"] - book.first, haircuts["amount"])
    at_mark = fills["lots"] * (wave.mark * wave.unit)[fills["market"]]
    lost = at_mark - fills["value"] - fills["collateral"]
    np.add.at(paid, fills["account"] - book.first, lost)
    np.add.at(closed, fills["account"] - book.first, np.abs(fills["lots"]) * book.file.lot)
    payer = wave.candidates["account"][decision.payers.row] - book.first
    np.add.at(given, payer, decision.amounts)
    np.add.at(capacity, payer, decision.payers.capacity)
    settlement = policy.stages[decision.stage].settlement
    acted = decision.acted
    sums = list(_sums(wave, decision, settlement)) if acted else []
    ledger, markets = world.ledger, world.markets
    return Answer(
        policy=policy,
        wave=wave,
        outcome=outcome,
        bounds=bounds.of_decision(wave, decision, settlement) if acted else None,
        in_contracts=acted and settlement.medium == "contracts",
        paid=paid,
        closed=closed,
        given=given,
        capacity=capacity,
        wanted=sum(group.wanted for group in sums),
        top=sum(group.top for group in sums),
        least_top=sum(group.least_top for group in sums),
        raised_all=acted and all(group.given >= group.wanted for group in sums),
        left=sum(max(0, -int(equity_of(ledger, markets, a))) for a in wave.short_account),
    )


class _Sums(NamedTuple):
    """What was wanted of the payers of a group and given, in units of capacity."""

    wanted: int
    given: int
    top: int
    least_top: int


def _sums(wave: Wave, decision: Decision, settlement: Settlement) -> Iterator[_Sums]:
    need_group, _ = settlement.need(wave, decision.theta)
    for group in bounds.groups_of(decision, need_group):
        capacity, amounts = group.capacity, decision.amounts[group.row]
        top = int(amounts[capacity.argmax()]) if len(amounts) else 0
        least = bounds.least_of_top(group.need, capacity, capacity, 1)
        yield _Sums(group.need, int(amounts.sum()), top, least)
