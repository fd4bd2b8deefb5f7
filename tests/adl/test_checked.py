"""What a user's part answers: refused by name if it must not be booked."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest

from abm import world as w
from abm.adl import checked
from abm.adl.allocation import Allocation
from abm.adl.compose import PRESETS, compose
from abm.adl.eligibility import accounts, holders, positions
from abm.adl.record import Call, Payers
from abm.adl.settlement import cash, charge, contracts
from abm.adl.settlement.base import Entries, Rounded
from abm.adl.settlement.lots import Contracts
from abm.adl.settlement.money import Cash
from abm.adl.wave import PolicyError, gather
from tests.adl.test_policy import _book

WHAT = {
    "contracts": (positions(profit="any"), contracts(price="mark")),
    "cash": (accounts(), cash()),
    "charge": (holders(), charge()),
    "one-sided charge": (holders(side="opposite"), charge(side="opposite")),
}


def _policy(**parts):
    return replace(compose("mine", PRESETS["pro-rata"]), **parts)


def _refused(policy, part):
    """What the policy fails with, by name; the ledger is as it was."""
    world = _book(850.0)
    wave = gather(world, 5, everywhere=policy.looks_everywhere)
    before = w.copy(world)
    with pytest.raises(PolicyError, match=rf"'mine', {part}, wave 5: ") as error:
        policy.answer(world, wave)
    for name in ("accounts", "positions"):
        one, other = (getattr(each.ledger, name) for each in (world, before))
        assert np.array_equal(one, other)
    return str(error.value)


def _twice(payers):
    return Payers(*(np.concatenate([column, column]) for column in payers))


def _with(**columns):
    return lambda payers: payers._replace(
        **{name: change(payers) for name, change in columns.items()}
    )


PAYERS = [
    ("contracts", _with(capacity=lambda p: p.capacity + 1), "than a position has lots"),
    ("contracts", _with(group=lambda p: p.group ^ 1), "another market or side"),
    ("contracts", _twice, "a row twice"),
    ("cash", _with(capacity=lambda p: p.capacity + 10**10), "than an account has"),
    ("cash", _with(group=lambda p: p.group + 1), "group other than 0"),
    ("cash", _twice, "a row twice"),
    ("charge", _with(capacity=lambda p: p.capacity + 1), "than an account has"),
    ("charge", _with(group=lambda p: p.group + 1), "another market or side"),
    ("one-sided charge", _with(group=lambda p: p.group ^ 1), "another market or side"),
    ("cash", _with(worth=lambda p: -p.worth), "negative worth"),
    ("cash", _with(worth=lambda p: p.worth * 0 + 2**62), "more worth than"),
    ("cash", _with(tier=lambda p: p.row[:1]), "of one length"),
    ("cash", _with(tier=lambda p: p.row * 0 - 1), "tiers that are whole"),
    ("cash", _with(tier=lambda p: p.row * 0.5), "tiers that are whole"),
    ("cash", _with(weight=lambda p: np.ones(1)), "of one length"),
    ("cash", _with(weight=lambda p: p.row * 0.0), "more than 0"),
    ("cash", _with(weight=lambda p: p.row * np.nan), "finite"),
    ("cash", _with(weight=lambda p: np.full(len(p.row), np.inf)), "finite"),
    ("cash", _with(weight=lambda p: p.row * 1j), "numbers"),
    ("cash", _with(row=lambda p: p.row.tolist()), "arrays in Payers"),
    ("cash", _with(row=lambda p: p.row[:, None]), "of one length"),
    ("cash", _with(capacity=lambda p: p.capacity.astype(object)), "whole numbers"),
    ("cash", _with(capacity=lambda p: p.capacity > 0), "whole numbers"),
    ("cash", _with(capacity=lambda p: p.capacity.astype("u8") + np.uint64(2**63)), "neg"),
    ("cash", lambda p: tuple(p), "must give Payers"),
    ("cash", lambda p: None, "must give Payers"),
]


@pytest.mark.parametrize(("medium", "change", "words"), PAYERS)
def test_payers_are_candidates_each_with_no_more_than_it_has(medium, change, words):
    built_in, paid_in = WHAT[medium]
    policy = _policy(settlement=paid_in, eligibility=built_in)
    world = _book(850.0)
    # What the change is made to is fine.
    assert policy.answer(world, gather(world, 5, policy.looks_everywhere)).decision.acted
    mine = lambda wave, worst, past: change(built_in(wave, worst, past))  # noqa: E731
    assert words in _refused(replace(policy, eligibility=mine), "eligibility")


def test_an_account_is_asked_for_cash_only_once():
    rows = gather(_book(850.0), 0, everywhere=True).candidates[[0, 0]]
    wave = replace(gather(_book(850.0), 0, everywhere=True), candidates=rows)
    two = np.arange(2)
    payers = Payers(two, two * 0, two * 0 + 1, two * 0)
    with pytest.raises(checked.RefusedError, match="an account twice"):
        checked.payers(wave, cash(), payers)
    half = int(rows["equity"][0]) // 2 + 1
    group = 2 * rows["market"]
    over = Payers(two, group, two * 0 + half, two * 0)
    with pytest.raises(checked.RefusedError, match="in all its positions"):
        checked.payers(wave, charge(), over)


def test_profit_beyond_equity_may_be_asked_for_as_the_paper_does():
    world = _book(850.0)
    wave = gather(world, 0, everywhere=True)
    wave.candidates["equity"] = 10
    policy = _policy(eligibility=accounts(capacity="profit"))
    capacity = policy.decide(wave).payers.capacity
    assert capacity.min() > 10


# --- writing to what was given ----------------------------------------------------------


def _writes_capacity(capacity, score, budget):
    capacity[:] = 10**12
    return capacity


def _writes_payers(wave, payers, past):
    payers.capacity[:] = 10**12
    return 1.0


def _writes_wave(wave, past):
    wave.deficit[:] = 1
    return True


def _writes_candidates(wave, payers):
    wave.candidates["equity"][:] = 10**12
    return payers.capacity * 1.0


def _writes_worst(wave, worst, past):
    worst[:] = 0
    return accounts()(wave, worst, past)


def _writes_tiers(wave, payers):
    payers.capacity[0] += 1
    return [payers.capacity]


class WritesNeed(Cash):
    def need(self, wave, theta):
        wave.deficit[:] = 1
        return super().need(wave, theta)


WRITERS = {
    "allocation": {"allocation": Allocation(_writes_capacity)},
    "severity": {"severity": _writes_payers},
    "trigger": {"trigger": _writes_wave},
    "allocation score": {
        "allocation": Allocation(lambda c, s, b: c * 0, _writes_candidates)
    },
    "eligibility": {"eligibility": _writes_worst},
    "seniority": {"seniority": _writes_tiers},
    "settlement": {"settlement": WritesNeed("largest-remainder", 1)},
}


@pytest.mark.parametrize("part", WRITERS)
def test_a_part_cannot_write_to_what_it_is_given(part):
    assert "read-only" in _refused(_policy(**WRITERS[part]), part)


def test_the_past_cannot_be_rewritten():
    world = _book(850.0)
    wave = gather(world, 0, everywhere=True)
    half = replace(compose("mine", PRESETS["pro-rata"]), severity=lambda *_: 0.5)
    past = [Call(wave, half.answer(world, wave), 1, 1, 0)]

    def rewrites(wave, payers, past):
        assert len(past) == len(past[:]) == 1
        past[-1].outcome.decision.amounts[:] = 0
        return 1.0

    later = gather(world, 1, everywhere=True)
    with pytest.raises(PolicyError, match=r"'mine', severity, wave 1: .*read-only"):
        replace(half, severity=rewrites).decide(later, past)


def test_arrays_that_a_part_keeps_are_not_those_that_are_booked():
    kept = []

    def keeps(wave, worst, past):
        kept.append(accounts()(wave, worst, past))
        return kept[-1]

    def writes_later(capacity, score, budget):
        kept[-1].capacity[:] = 10**12
        return np.minimum(capacity, budget // len(capacity))

    world = _book(850.0)
    policy = _policy(eligibility=keeps, allocation=Allocation(writes_later))
    decision = policy.answer(world, gather(world, 0, everywhere=True)).decision
    assert decision.payers.capacity.max() < 10**12
    w.check(world)


# --- nonsense ---------------------------------------------------------------------------


def _exits(*args):
    sys.exit(3)


class BaseExceptionOfMine(BaseException):
    def __str__(self):
        raise RuntimeError("no words")


def _raises(*args):
    raise BaseExceptionOfMine


NONSENSE = {
    "trigger": [
        (lambda *_, answer=answer: answer, "must be True or False")
        for answer in (None, "yes", np.nan, 1, np.array([True, False]), np.array(True))
    ],
    "severity": [
        (lambda *_, answer=answer: answer, "must be a share from 0 to 1")
        for answer in (
            None, "1", np.nan, np.array([0.5]), np.ones(2), 1 + 0j, True, 1.1, -0.1, 10**400
        )
    ],
    "eligibility": [(lambda *_: [], "must give Payers")],
    "seniority": [
        (change, words)
        for change, words in (
            (lambda wave, p: [], "at least one"),
            (lambda wave, p: None, "a list of arrays"),
            (lambda wave, p: [p.capacity * np.nan], "not a number"),
            (lambda wave, p: [-p.capacity], "negative"),
            (lambda wave, p: [p.capacity * 0 + 2**62] * 4, "more than a payer's"),
            (lambda wave, p: [p.capacity * 1e19], "beyond any"),
            (lambda wave, p: [p.capacity.astype("u8") * 0 + 2**63], "beyond any"),
            (lambda wave, p: [p.capacity, p.capacity], "more than a payer's"),
            (lambda wave, p: [p.capacity[:, None]], "shape"),
            (lambda wave, p: [p.capacity / 7], "fraction"),
            (lambda wave, p: [p.capacity.astype(object)], "not a number"),
            (lambda wave, p: [list("abc")], "not a number"),
        )
    ],
    "allocation score": [
        (lambda wave, p: ["a"] * len(p.row), "must be numbers"),
        (lambda wave, p: p.row * 1j, "must be numbers"),
        (lambda wave, p: p.row.astype(object), "must be numbers"),
        (lambda wave, p: None, "scores"),
        (lambda wave, p: p.row[:1], "scores"),
        (lambda wave, p: np.zeros((len(p.row), 0)), "at least one column"),
        (lambda wave, p: p.row * np.nan, "NaN"),
    ],
    "allocation": [
        (lambda c, s, b: c * 1j, "not a number"),
        (lambda c, s, b: c.astype(object), "not a number"),
        (lambda c, s, b: c > 0, "not a number"),
        (lambda c, s, b: "abc", "amounts"),
        (lambda c, s, b: None, "amounts"),
        (lambda c, s, b: c * 0 + 1e300, "beyond any"),
        (lambda c, s, b: [c[:1], c], "raised ValueError"),
    ],
}  # fmt: skip
for answers in NONSENSE.values():
    answers += [(_exits, "called exit(3)"), (_raises, "raised BaseExceptionOfMine")]


def _having(part, function):
    if part == "allocation":
        return {"allocation": Allocation(function)}
    if part == "allocation score":
        return {"allocation": Allocation(lambda c, s, b: c * 0, function)}
    return {part: function}


@pytest.mark.parametrize(
    ("part", "i"), [(part, i) for part, a in NONSENSE.items() for i in range(len(a))]
)
def test_nonsense_is_an_error_of_the_policy_that_names_the_part(part, i):
    function, words = NONSENSE[part][i]
    assert words in _refused(_policy(**_having(part, function)), part)


def test_the_user_may_always_stop_the_program():
    def stops(*args):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _policy(trigger=stops).decide(gather(_book(850.0), 0, everywhere=True))


def _settled(kind, **methods):
    """A settlement of a user's, with some methods of its own."""
    made = type("Mine", (kind,), {"__module__": __name__, **methods})
    args = ("largest-remainder", 1) if kind is Cash else ("mark", 0, "largest-remainder")
    return made(*args)


def _cash_entries(change):
    def entries(self, wave, payers, amounts, need):
        return change(Cash.entries(self, wave, payers, amounts, need))

    return entries


METHODS = [
    ({"worst": _raises}, "raised"),
    ({"worst": lambda self, wave: None}, "worst must"),
    ({"worst": lambda self, wave: np.zeros(1, np.int64)}, "worst must"),
    ({"worst": lambda self, wave: wave.candidates["value"] * 1.0}, "worst must"),
    ({"need": _exits}, "called exit"),
    ({"need": lambda self, wave, theta: 3}, "need must"),
    ({"need": lambda self, wave, theta: (np.zeros(1, int), [5])}, "need must"),
    ({"need": lambda self, wave, theta: (np.zeros(1, int), np.ones(2, int))}, "need must"),
    ({"need": lambda self, wave, theta: (np.array([99]), np.ones(1, int))}, "no group"),
    ({"need": lambda self, wave, theta: (np.zeros(1, int), -np.ones(1, int))}, "negative"),
    ({"rounded": _raises}, "raised"),
    ({"rounded": lambda self, wave, payers, members, c, a: a}, "rounded must"),
    ({"rounded": lambda self, *a: Rounded(a[-2] + 1, 0, 2**62)}, "within capacities"),
    ({"rounded": lambda self, *a: Rounded(a[-1] * np.nan, 0, 1)}, "not a number"),
    ({"rounded": lambda self, *a: Rounded(a[-1], None, 1)}, "raised TypeError"),
    ({"rounded": lambda self, *a: Rounded(a[-1], 0, 1)}, "must be from 0 to 1"),
    ({"entries": _raises}, "raised"),
    ({"entries": lambda self, *a: None}, "must give Entries"),
    ({"entries": lambda self, *a: Entries()}, "are to be booked, not"),
    ({"entries": lambda self, *a: Entries(3, 4)}, "must give arrays"),
    ({"entries": _cash_entries(lambda e: e._replace(claims="x"))}, "whole quanta"),
    ({"entries": _cash_entries(lambda e: e._replace(excess_debt=5))}, "by 5 / 0"),
    (
        {"entries": _cash_entries(lambda e: e._replace(haircuts=e.haircuts[::-1]))},
        "other than what was decided",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("methods", "words"), METHODS)
def test_a_settlement_that_answers_nonsense_is_named(methods, words):
    assert words in _refused(_policy(settlement=_settled(Cash, **methods)), "settlement")


def _fills(change):
    def entries(self, wave, payers, amounts, need):
        found = Contracts.entries(self, wave, payers, amounts, need)
        fills = found.fills.copy()
        for name, value in change.items():
            fills[name] = value(fills[name])
        return found._replace(fills=fills)

    return entries


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ({"need": lambda self, wave, theta: (np.zeros(0, int),) * 2}, "need must"),
        (
            {
                "need": lambda self, wave, theta: (
                    2 * wave.bankrupt["market"] + 1,
                    np.abs(wave.bankrupt["lots"]) + 1,
                )
            },
            "more lots than",
        ),
        ({"entries": _fills({"lots": np.negative})}, "other than what was decided"),
        ({"entries": _fills({"account": lambda a: a + 1})}, "was not asked"),
        ({"entries": _fills({"bankrupt": lambda a: a + 10**6})}, "of no account"),
    ],
)
def test_a_settlement_in_contracts_closes_what_was_decided(methods, words):
    policy = _policy(
        settlement=_settled(Contracts, **methods), eligibility=positions(profit="any")
    )
    assert words in _refused(policy, "settlement")


def _half_booked(self, world, wave, entries):
    world.ledger.accounts["cash"][int(entries.haircuts["account"][0])] -= 1000


def _opens(self, world, wave, entries):
    world.ledger.positions["lots"][0] += 1


@pytest.mark.parametrize(
    ("book", "words"),
    [
        (_half_booked, "money is not conserved"),
        (_opens, "lots do not sum"),
        (_exits, "called exit"),
    ],
)
def test_a_world_that_a_settlement_left_broken_fails_by_name(book, words):
    world = _book(850.0)
    wave = gather(world, 5, everywhere=True)
    with pytest.raises(PolicyError, match=r"'mine', settlement, wave 5: ") as error:
        _policy(settlement=_settled(Cash, book=book)).answer(world, wave)
    assert words in str(error.value)


def test_a_settlement_of_ones_own_that_only_inherits_books_the_same():
    one, other = _book(850.0), _book(850.0)
    wave = gather(one, 5, everywhere=True)
    theirs = compose("mine", PRESETS["pro-rata"]).answer(one, wave)
    inherits = {"worst": lambda self, wave: Cash.worst(self, wave)}
    mine = _policy(settlement=_settled(Cash, **inherits)).answer(other, wave)
    assert np.array_equal(mine.haircuts, theirs.haircuts)
    assert np.array_equal(one.ledger.accounts, other.ledger.accounts)
