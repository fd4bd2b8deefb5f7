"""Waves from small files: published examples, bounds, and errors in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abm import playground
from abm.adl.answers import CompositionError
from abm.scenario import ScenarioError

WAVES = Path(__file__).parent.parent / "configs" / "waves"


def ask(path, *names, overrides=()):
    book = playground.book_of(playground.load(Path(path), overrides))
    return {p.name: playground.ask(book, p) for p in playground.policies_of(book, names)}


def test_the_published_example_of_five_accounts():
    # arXiv 2512.01112, section 2: e = (10, 5, 1, -3, -12), c = (2, 1, .5, 0, 0), D = 15,
    # theta = 1/2; a queue that begins with the second account, and pro-rata.
    found = ask(WAVES / "five-accounts.toml", "given-order", "pro-rata")
    queue, pro_rata = found["given-order"], found["pro-rata"]
    assert queue.wave.total_deficit == 15_000_000
    assert queue.outcome.decision.budget == 7_500_000
    assert queue.paid.tolist() == [3_500_000, 4_000_000, 0, 0, 0]
    assert queue.share.tolist() == [0.4375, 1.0, 0.0, 0.0, 0.0]
    assert pro_rata.paid.tolist() == [4_800_000, 2_400_000, 300_000, 0, 0]
    assert pro_rata.share[:3].tolist() == [0.6, 0.6, 0.6]
    assert queue.left == pro_rata.left == 7_500_000
    assert pro_rata.bounds.least_largest_share == 0.6
    assert pro_rata.bounds.least_top_1 == 3_000_000  # 7.5 less what the others have, 4.5
    assert pro_rata.bounds.least_touched == 1


def test_the_published_example_of_a_transfer_at_bankruptcy():
    # Ethereal docs: 10 bought at 4,000 with 2,000 owe 2,000 at 3,600; closed at 3,800.
    found = ask(WAVES / "two-sides.csv", "ethereal", overrides=["mark_usd=3600"])
    answer = found["ethereal"]
    fills = answer.outcome.fills
    unit = int(answer.wave.unit[0])
    assert set(fills["value"] / fills["lots"] / unit) == {380_000.0}
    assert answer.closed.sum() == 10
    assert answer.left == 0


@pytest.mark.parametrize("policy", ["pro-rata", "capped-pro-rata", "levelling"])
@pytest.mark.parametrize("severity", [0.0, 0.2, 1.0])
def test_no_policy_beats_its_bounds(policy, severity):
    answer = ask(WAVES / "five-accounts.toml", policy, overrides=[f"severity={severity}"])[
        policy
    ]
    wanted = min(answer.outcome.decision.budget, 12_500_000)
    full = int(answer.paid.sum()) == wanted
    if full and answer.bounds.feasible:
        assert answer.share.max() >= answer.bounds.least_largest_share - 1e-6
        assert np.count_nonzero(answer.paid) >= answer.bounds.least_touched
        assert answer.paid[0] >= answer.bounds.least_top_1
    assert answer.bounds.feasible == (answer.outcome.decision.budget <= 12_500_000)


def test_a_deficit_may_be_nobodys_and_capacities_be_all_that_is_known(tmp_path):
    # Crypto.com help, socialised loss: 10,000 over six profits.
    rows = [50e3, 45e3, 30e3, 30e3, 15e3, 1e3]
    lines = [f"{i},{profit}" for i, profit in enumerate(rows)]
    path = tmp_path / "profits.csv"
    path.write_text("\n".join(["account,capacity_usd", *lines]))
    answer = ask(path, "pro-rata", overrides=["deficit_usd=10000"])["pro-rata"]
    assert (answer.paid / 1e6).round(2).tolist() == [
        2923.98, 2631.58, 1754.39, 1754.39, 877.19, 58.48,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("account,equity_usd\na,x\n", ["line 2", "equity_usd", "'x'", "number"]),
        ("account,equity_usd\na,1\n", ["line 2", "needs two of"]),
        ("account,wealth\na,1\n", ["line 2", "wealth", "unknown key"]),
        ("# a\naccount,capacity_usd\n# b\na,1\n\na,2\n", ["line 6", "is there twice"]),
        ("account,capacity_usd\na,1,3\n", ["line 2", "2 cells"]),
        ("account,capacity_usd\n", ["accounts", "at least 1"]),
        ("", ["accounts", "at least 1"]),
        (
            "account,side,quantity,leverage\na,long,1,2\n",
            ["line 2", "entry_usd", "missing"],
        ),
        ("account,side,quantity,entry_usd\na,up,1,2\n", ["line 2", "side", "one of"]),
        (
            "account,side,quantity,entry_usd,leverage\na,long,0.00003,2,3\n",
            ["line 2", "quantity", "whole number of lots"],
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line_with_its_place(tmp_path, text, words):
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(ScenarioError) as error:
        playground.load(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    for word in words:
        assert word.replace("'", '"') in message or word in message


def test_policies_that_do_not_suit_the_file_are_refused():
    for name in ("hyperliquid", "drift"):
        with pytest.raises(ScenarioError, match="looks at positions"):
            ask(WAVES / "five-accounts.toml", name)
    with pytest.raises(ScenarioError, match="did you mean pro-rata"):
        ask(WAVES / "five-accounts.toml", "prorata")
    with pytest.raises(ScenarioError, match="score"):
        ask(WAVES / "two-sides.csv", "given-order")


def test_a_policy_of_ones_own_may_stand_in_the_file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'accounts = [{account = "a", capacity_usd = 4}]\n'
        "deficit_usd = 3\n"
        '[policies.mine]\npreset = "pro-rata"\nallocation = "levelling"\n'
    )
    assert "mine" in ask(path)
    path.write_text(path.read_text().replace('"levelling"', '"levelling-up"'))
    with pytest.raises(CompositionError, match="levelling-up"):
        ask(path)
