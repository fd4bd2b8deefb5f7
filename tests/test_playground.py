"""Waves from small files: published examples, bounds, and errors in one line."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import numpy as np
import pytest

from abm import playground
from abm.adl.answers import CompositionError
from abm.scenario import ScenarioError
from tests.command import adl

WAVES = Path(__file__).parent.parent / "configs" / "waves"


def ask(path, *names, overrides=()):
    book = playground.book_of(playground.load(Path(path), overrides))
    return {p.name: playground.ask(book, p) for p in playground.policies_of(book, names)[0]}


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
    found = ask(WAVES / "two-sides.csv", "ethereal")
    answer = found["ethereal"]
    fills = answer.outcome.fills
    unit = int(answer.wave.unit[0])
    assert set(fills["value"] / fills["lots"] / unit) == {380_000.0}
    assert answer.closed.sum() == 10
    assert answer.left == 0


def test_what_is_handed_over_of_the_collateral_is_set_off_against_what_a_price_cost(
    tmp_path,
):
    # Aftermath Finance docs, auto-deleveraging: closed at one's own entry price, and what
    # the bankrupt has left is shared by size. The long of 100 bought at 4,000 with 20,000
    # sells 40 at 4,100, 40 at 3,800 and 20 at 4,500, which leaves it 26,000.
    path = tmp_path / "wave.csv"
    path.write_text(
        "# mark_usd = 3600\naccount,side,quantity,entry_usd,collateral_usd\n"
        "bankrupt,long,100,4000,20000\nw1,short,40,4100,30000\n"
        "w2,short,100,3800,200000\nw3,short,20,4500,5000\n",
        encoding="utf-8",
    )
    answer = ask(path, "aftermath")["aftermath"]
    profit = np.array([0.0, 40 * 500, 40 * 200, 20 * 900])
    part = 26_000 * np.array([0.0, 0.4, 0.4, 0.2])
    assert answer.paid.tolist() == ((profit - part) * 1e6).tolist()
    assert answer.paid.sum() == answer.wave.total_deficit
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
        ("# x\naccount,score,score\na,1,2\n", ["line 2", "'score'", "twice"]),
        ("# mark_usd = 0\naccount,capacity_usd\na,1\n", ["mark_usd", "greater than 0"]),
        ("# mark_usd = 2\n# mark_usd = 3\n", ["line 2", "mark_usd is there twice"]),
        ("# mark = 3\naccount,capacity_usd\na,1\n", ["mark = 3", "unknown key"]),
        ("# accounts = 3\naccount,capacity_usd\na,1\n", ["line 1", "rows below"]),
        (
            "account,side,quantity,entry_usd,leverage\na,long,1,2,3\n",
            ["mark_usd: is missing", "--set mark_usd=3600", "`# mark_usd = 3600`"],
        ),
        (
            "# mark_usd = 3\naccount,side,quantity,entry_usd,leverage\n"
            "a,long,1,2,3\nb,long,1000000000000,2,3\n",
            ["line 4", "quantity", "at most 1e12 USD"],
        ),
        (
            "account,capacity_usd\na,600000000000\nb,600000000000\n",
            ["line 2", "at most 1e12 USD"],
        ),
        ("# mark_usd = 1e9\naccount,capacity_usd\na,1\n", ["mark_usd = ", "ticks"]),
        ("# tick_usd = 1\naccount,capacity_usd\na,1\n", ["mark_usd", "20 to 16777216"]),
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


def wave(*words):
    return adl("wave", *words)


def test_a_policy_that_does_not_suit_leaves_the_others_columns():
    file = WAVES / "five-accounts.toml"
    done = wave(file, "--policy", "paradex", "--policy", "okx", "--policy", "pro-rata")
    assert done.exit_code == 0
    notes = [line for line in done.output.splitlines() if line.startswith("note: ")]
    assert len(notes) == 2
    assert notes[0].startswith(f"note: {file}: policy paradex: cannot take severity = 0.5")
    assert notes[1].startswith(f"note: {file}: policy okx: looks at positions")
    assert "4.80  60%" in done.output
    alone = wave(file, "--policy", "paradex")
    assert alone.exit_code == 2
    assert f"{file}: policy paradex: cannot take severity" in alone.stderr


def test_keys_may_lead_a_table_and_overrides_win(tmp_path):
    path = tmp_path / "keys.csv"
    path.write_text(
        "# A wave of two\n# title = Two of us\n# severity = 0.25\n"
        "account,capacity_usd\na,1\n# severity = 2\nb,3\n"
    )
    file = playground.load(path)
    assert (file.title, file.severity, len(file.accounts)) == ("Two of us", 0.25, 2)
    assert playground.load(path, ["severity=1"]).severity == 1


def rows_of(output):
    """The rows below the accounts: label, and a cell for each policy."""
    cells = [re.split(r"  +", line) for line in output.splitlines()]
    return {first: rest for first, *rest in cells if rest}


def test_numbers_of_closings_are_all_in_contracts():
    done = wave(WAVES / "two-sides.csv", "--policy", "hyperliquid", "--policy", "binance")
    rows = rows_of(done.output)
    # Closed at the mark all of the ten, which raises nothing.
    assert rows["contracts closed"] == ["10 of 10", "10 of 10"]
    assert rows["paid, USD"] == ["0.00", "2,000.00"]
    # Of ten contracts the others (3, 4 and 6) must leave 10 - 7 to the largest; for
    # Binance the loser's 2 are there, too, so one less than that by two.
    assert rows["largest capacity"] == ["3 (3)", "3 (1)"]
    assert rows["largest share"] == ["100% (77%)", "100% (67%)"]  # 10 / 13, 10 / 15


def test_a_bound_is_shown_only_where_all_of_the_need_is_raised():
    file = WAVES / "five-accounts.toml"
    rows = rows_of(wave(file, "--policy", "capped-pro-rata").output)
    assert rows["largest share"] == ["10% (-)"]
    assert rows["largest capacity"] == ["0.80 (-)"]
    rows = rows_of(wave(file, "--policy", "pro-rata", "--set", "severity=1").output)
    assert rows["largest share"] == ["100% (-)"]


def test_where_nobody_can_pay_no_number_is_made_up(tmp_path):
    path = tmp_path / "poor.csv"
    path.write_text("account,equity_usd,collateral_usd\na,-5,0\nb,1,1\n")
    done = wave(path, "--policy", "pro-rata")
    assert done.exit_code == 0
    assert not re.search(r"inf|nan", done.output)
    assert rows_of(done.output)["largest share"] == ["-"]
    told = json.loads(wave(path, "--policy", "pro-rata", "--json").output)
    assert told["policies"][0]["bounds"]["least_largest_share"] is None


_VALUES = (
    *("0", "-1", "1e300", "nan", "inf", "-inf", '""', '"x"', "[]", "{}", "true", "1e-12"),
    *("9223372036854775808", "9" * 26, "0.1", "1e12", "-0.0", "1e-300", "1_000", "1e9"),
)
_JUNK = ("", "\0", '"', ",", "\n", "=", "[[", "é", "#", "\t", "}", "1e", "--", "\r", "nan")


def mutated(text, rng):
    """A text with one to three changes: a number, some junk, a gap or a line twice."""
    for _ in range(rng.choice([1, 1, 2, 3])):
        kind, at = rng.random(), rng.randrange(len(text) + 1)
        numbers = list(re.finditer(r"(?<![\w.])-?\d+(\.\d+)?", text))
        if kind < 0.5 and numbers:
            found = rng.choice(numbers)
            text = text[: found.start()] + rng.choice(_VALUES) + text[found.end() :]
        elif kind < 0.75:
            text = text[:at] + rng.choice(_JUNK) + text[at:]
        elif kind < 0.9:
            text = text[:at] + text[at + rng.randrange(1, 30) :]
        else:
            lines = text.split("\n")
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            text = "\n".join(lines)
    return text


def test_no_file_whatever_ends_in_a_traceback(tmp_path):
    rng = random.Random(11)
    sources = sorted(WAVES.iterdir())
    accepted = 0
    for number in range(300):
        source = sources[number % len(sources)]
        path = tmp_path / source.name
        text = mutated(source.read_text(), rng)
        path.write_bytes(text.encode())
        done = wave(path)
        accepted += done.exit_code == 0
        assert isinstance(done.exception, (SystemExit, type(None))), (text, done.exception)
        assert done.exit_code in (0, 2), text
        if done.exit_code == 2:
            assert len(done.stderr.splitlines()) == 1, text
            assert str(path) in done.stderr, text
            assert not done.stderr.rstrip().endswith("must be"), text
        else:
            table = done.stdout.partition("---")[2]
            cells = [cell for row in rows_of(table).values() for cell in row]
            assert not re.search(r"\b(nan|inf)", " ".join(cells)), text
    assert 30 < accepted < 270
