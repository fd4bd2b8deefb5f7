"""A user's strategy is tried before a batch, and told what it breaks."""

from __future__ import annotations

import pytest

from abm.gaming.strategies import STRATEGIES, build_strategy
from abm.gaming.trial import check
from tests.command import adl

HEAD = "import random\nfrom abm import Actions\ndef act(view, memory):\n    a = Actions()\n"


def _checked(tmp_path, monkeypatch, *lines):
    monkeypatch.chdir(tmp_path)
    body = "".join(f"    {line}\n" for line in (*lines, "return a"))
    (tmp_path / "mine.py").write_text(HEAD + body)
    return adl("check", "mine.py:act")


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_built_in_strategy_keeps_the_contract(name):
    report = check(build_strategy(name))
    assert report.kept, report.breaches
    assert report.looks == 15


def test_a_strategy_that_closes_what_has_gained_keeps_it(tmp_path, monkeypatch):
    done = _checked(
        tmp_path, monkeypatch,
        "held = view.positions[view.positions['profit'] > 0]",
        "a.order(held['account'], held['market'], -held['lots'], reduce_only=True)",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "keeps the contract (15 looks, 30 traders" in done.output


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("a.deposit(view.accounts['account'], view.traders)", "each for itself: does"),
        ("a.deposit(view.accounts['account'], random.getrandbits(40))", "same again: ans"),
        ("a.withdraw(view.accounts['account'], 10**15)", "can be booked: withdraw: acc"),
        ("a.deposit(0, 1)", "can be booked: deposit: account 0 is not one's own (at 0 s)"),
        ("view.names.foo", "answers: raised AttributeError"),
        ("memory['me'] = (i for i in range(3))", "memory: cannot be copied"),
    ],
)
def test_what_a_strategy_breaks_is_named_with_its_time(tmp_path, monkeypatch, line, words):
    done = _checked(tmp_path, monkeypatch, line)
    assert done.exit_code == 1, done.output
    assert words in done.output
    assert "breaks the contract" in done.output
