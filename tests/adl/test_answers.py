"""Parts of a user's own: from a file, from an installed package, and refused."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from abm import genesis
from abm.adl import answers
from abm.adl.answers import ARGUMENTS, CompositionError
from abm.adl.compose import PRESETS, compose
from abm.adl.wave import PolicyError
from abm.engine import Engine
from abm.fields import Share
from tests import crashes

PARTS = """
import numpy as np
from abm.adl.record import Payers
from abm.adl.settlement.money import Cash

def trigger(wave, past):
    assert len(wave.candidates) == 0
    return wave.total_deficit > 0 and len(past) % 2 == 0

def severity(wave, payers, past, share=1.0):
    return share

def eligibility(wave, worst, past):
    rows = wave.candidates
    _, first = np.unique(rows["account"], return_index=True)
    cash = np.maximum(np.minimum(rows["cash"], rows["equity"])[first], 0)
    return Payers(first, np.zeros(len(first), np.int64), cash, cash)

def seniority(wave, payers):
    half = payers.capacity // 2
    return [half, payers.capacity - half]

def allocation(capacity, score, budget):
    return np.clip(budget - (np.cumsum(capacity) - capacity), 0, capacity)

def score(wave, payers):
    return wave.candidates["cash"][payers.row].astype(float)

class Settlement(Cash):
    def __init__(self):
        super().__init__("largest-remainder", 1)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(PARTS)


TABLES = {
    "trigger": {"trigger": "mine.py:trigger"},
    "severity": {"severity": {"rule": "mine.py:severity", "share": 0.5}},
    "eligibility": {"eligibility": "mine.py:eligibility"},
    "seniority": {"seniority": "mine.py:seniority"},
    "allocation": {"allocation": "mine.py:allocation"},
    "score": {"allocation": {"rule": "queue", "score": "mine.py:score"}},
    "settlement": {"settlement": "mine.py:Settlement"},
}


def calls_under(policy):
    scenario = crashes.crash()
    engine = Engine(genesis.new_world(scenario, 4), policy)
    engine.run_to(scenario.time.steps)
    return engine.finish().calls


@pytest.mark.parametrize("part", TABLES)
def test_any_part_may_come_from_a_file(mine, part):
    assert set(TABLES) == set(ARGUMENTS)
    calls = calls_under(compose("mine", PRESETS["pro-rata"] | TABLES[part]))
    acted = [call for call in calls if call.outcome.decision.acted]
    assert any(call.outcome.decision.amounts.any() for call in acted)
    if part == "trigger":
        assert not calls[1].outcome.decision.acted
    if part == "severity":
        assert {call.outcome.decision.theta for call in acted} == {0.5}
    if part == "score":
        score = acted[0].outcome.decision.score
        rows = acted[0].outcome.decision.payers.row
        assert np.array_equal(score, acted[0].wave.candidates["cash"][rows])


@pytest.mark.parametrize(
    ("part", "answer", "complaint"),
    [
        ("trigger", "mine.py:severity", r"must take 2 arguments \(wave, past\)"),
        ("severity", {"rule": "mine.py:severity", "part": 1}, "and part"),
        ("severity", "mine.py:nothing", "has no function nothing"),
        ("severity", "theirs.py:severity", "no file theirs.py"),
        ("allocation", {"rule": "queue", "score": "mine.py:allocation"}, "must take 2"),
    ],
)
def test_a_function_that_cannot_be_called_is_refused_when_composed(
    mine, part, answer, complaint
):
    with pytest.raises(CompositionError, match=complaint):
        compose("mine", PRESETS["pro-rata"] | {part: answer})


WRONG = {
    "eligibility": {
        "return None": "must give Payers",
        "return Payers(first, first[:1], cash, cash)": "of one length",
        "return Payers(first + 10**6, first * 0, cash, cash)": "no candidate",
        "return Payers(first, first * 0, -cash - 1, cash)": "negative capacity",
        "return Payers(first, first * 0, cash * 1.0, cash)": "whole numbers",
        "return Payers(first, first * 0 - 1, cash, cash)": "no group",
    },
    "seniority": {
        "return [payers.capacity, payers.capacity]": "more than a payer's capacity",
        "return [payers.capacity[:1]]": "must give",
        "return [-payers.capacity]": "negative",
        "return 3": "must give a list",
    },
}


@pytest.mark.parametrize(
    ("part", "line"), [(part, line) for part, lines in WRONG.items() for line in lines]
)
def test_what_a_part_answers_is_checked_before_it_is_used(mine, tmp_path, part, line):
    good = {
        "eligibility": "return Payers(first, np.zeros(len(first), np.int64), cash, cash)",
        "seniority": "return [half, payers.capacity - half]",
    }[part]
    (tmp_path / "mine.py").write_text(PARTS.replace(good, line))
    with pytest.raises(PolicyError, match=rf"'mine', {part}, wave \d+") as error:
        calls_under(compose("mine", PRESETS["pro-rata"] | TABLES[part]))
    assert WRONG[part][line] in str(error.value)


def thirds(*, share: Share = 1 / 3):
    """A third of it, or another share."""
    return lambda wave, payers, past: share


def test_an_installed_package_offers_parts_by_name(monkeypatch):
    point = EntryPoint("thirds", f"{__name__}:thirds", "abm.severity")

    def installed(group, name=None):
        return [point] if group == "abm.severity" and name in (None, "thirds") else []

    monkeypatch.setattr(answers, "entry_points", installed)
    policy = compose("p", PRESETS["pro-rata"] | {"severity": "thirds"})
    assert policy.severity(None, None, ()) == 1 / 3
    with pytest.raises(CompositionError, match=r"severity.share = 2: must be .* 0 to 1"):
        compose("p", PRESETS["pro-rata"] | {"severity": {"rule": "thirds", "share": 2}})
    with pytest.raises(CompositionError, match="must be one of"):
        compose("p", PRESETS["pro-rata"] | {"severity": "fourths"})


def test_files_are_found_anywhere_in_a_table():
    table = {
        "severity": {"rule": "a.py:f"},
        "allocation": {"rule": "queue", "score": "b/c.py:g"},
        "settlement": "cash",
        "x": [{"y": "d.py:h"}, "e.py"],
    }
    assert answers.users_files(table) == {"a.py", "b/c.py", "d.py"}


INSIDE = {
    "hybrid": {
        "rule": "hybrid",
        "parts": [
            "mine.py:allocation",
            {"rule": "mine.py:allocation", "score": "mine.py:score"},
            {"rule": "queue", "score": "mine.py:score"},
        ],
        "weights": [1.0, 1.0, 1.0],
    },
    "buckets": {
        "rule": "buckets",
        "score": "mine.py:score",
        "edges": [1e9],
        "inside": "mine.py:allocation",
    },
    "lexicographic": {"rule": "lexicographic", "by": ["mine.py:score", "wealth"]},
}


@pytest.mark.parametrize("rule", INSIDE)
def test_a_part_of_ones_own_may_stand_inside_another(mine, rule):
    calls = calls_under(compose("mine", PRESETS["pro-rata"] | {"allocation": INSIDE[rule]}))
    assert any(call.outcome.decision.amounts.any() for call in calls)


@pytest.mark.parametrize("rule", ["hybrid", "buckets"])
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("return capacity + 1", "more than a payer's capacity"),
        ("return capacity[:-1]", "amounts"),
        ("return capacity * 1j", "not a number"),
        ("capacity[:] = 0; return capacity", "read-only"),
        ("raise SystemExit(1)", "called exit(1)"),
    ],
)
def test_a_part_inside_another_is_checked_as_well(mine, tmp_path, rule, line, words):
    good = "return np.clip(budget - (np.cumsum(capacity) - capacity), 0, capacity)"
    (tmp_path / "mine.py").write_text(PARTS.replace(good, line))
    with pytest.raises(PolicyError, match=r"'mine', allocation, wave \d+") as error:
        calls_under(compose("mine", PRESETS["pro-rata"] | {"allocation": INSIDE[rule]}))
    assert words in str(error.value)


@pytest.mark.parametrize(
    ("rule", "group"), [("hybrid", "abm.allocation"), ("buckets", "abm.score")]
)
def test_an_installed_part_may_stand_inside_another(monkeypatch, mine, rule, group):
    builder = {"abm.allocation": "front_first", "abm.score": "by_cash"}[group]
    point = EntryPoint("theirs", f"{__name__}:{builder}", group)

    def installed(group, name=None):
        return [point] if (group, name) == (point.group, "theirs") else []

    monkeypatch.setattr(answers, "entry_points", installed)
    table = {
        "hybrid": {"rule": "hybrid", "parts": ["theirs"], "weights": [1.0]},
        "buckets": {"rule": "buckets", "score": "theirs", "edges": [1e9]},
    }[rule]
    calls = calls_under(compose("mine", PRESETS["pro-rata"] | {"allocation": table}))
    assert any(call.outcome.decision.amounts.any() for call in calls)


def front_first():
    """The first pays all it can, then the next."""
    return lambda capacity, score, budget: np.clip(
        budget - (np.cumsum(capacity) - capacity), 0, capacity
    )


def by_cash():
    """What an account has in cash."""
    return lambda wave, payers: wave.candidates["cash"][payers.row] * 1.0


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("    pass", "must have a medium, one of contracts"),
        ("    medium = 'cash'", "looks_everywhere"),
        ("    medium, looks_everywhere = 'cash', True", "must have a method worst"),
        ("    def __init__(self): raise SystemExit", "called exit"),
        ("    def __init__(self): raise ValueError('no')", "raised ValueError: no"),
    ],
)
def test_a_class_that_is_no_settlement_is_refused(mine, tmp_path, body, complaint):
    (tmp_path / "mine.py").write_text(f"class Mine:\n{body}\n")
    with pytest.raises(CompositionError, match=complaint):
        compose("mine", PRESETS["pro-rata"] | {"settlement": "mine.py:Mine"})


def test_a_file_that_ends_the_program_is_refused(mine, tmp_path):
    (tmp_path / "mine.py").write_text("exit(4)\n")
    with pytest.raises(CompositionError, match=r"mine.py fails: called exit\(4\)"):
        compose("mine", PRESETS["pro-rata"] | {"trigger": "mine.py:trigger"})
