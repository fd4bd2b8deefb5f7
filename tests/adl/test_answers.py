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
