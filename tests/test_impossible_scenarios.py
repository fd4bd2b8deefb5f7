"""Scenarios whose every key is fine by itself, and that no market could live by."""

from __future__ import annotations

import math
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from abm.scenario import ScenarioError, load
from abm.toml_out import to_toml
from tests.scenario_files import SOURCES, only_line, tree_of

IMPOSSIBLE = {
    # What is wrong: overrides of minimal.toml, the key blamed, what would be right.
    "a market whose money is no whole number of quanta": (
        ["markets.ETH.lot=0.00000015"], "markets.ETH.lot", "whole number of micro-dollars",
    ),
    "a price of too few ticks": (
        ["markets.ETH.tick_usd=1000"], "markets.ETH.start_usd", "20 to 16777216 ticks",
    ),
    "a price of too many ticks": (
        ["markets.ETH.start_usd=1e9"], "markets.ETH.start_usd", "20 to 16777216 ticks",
    ),
    "a lot worth more than the book": (
        ["markets.ETH.lot=1000"], "markets.ETH.lot", "at most depth_usd",
    ),
    "tiers that do not begin at zero": (
        ["markets.ETH.tiers.0.notional_usd=1"],
        "markets.ETH.tiers.0.notional_usd", "must be 0",
    ),
    "tiers that do not rise": (
        ["markets.ETH.tiers.1.notional_usd=0"],
        "markets.ETH.tiers.1.notional_usd", "greater",
    ),
    "leverage that rises": (
        ["markets.ETH.tiers.1.max_leverage=26"],
        "markets.ETH.tiers.1.max_leverage", "at most",
    ),
    "no maintenance margin": (
        ["markets.ETH.maintenance_share=1e-9"], "markets.ETH.maintenance_share", "1 ppm",
    ),
    "a market called all": (
        ["markets.all={tick_usd=1,lot=1,start_usd=50,depth_usd=1e5,"
         "tiers=[{notional_usd=0,max_leverage=2}]}"],
        "markets.all", "another name",
    ),
    "a market nobody trades": (
        ["markets.ETH.weight=0"], "markets.ETH.weight", "at least one market",
    ),
    "a tail that repeats a name": (
        ["market_tail.count=2", "market_tail.prefix=ALT",
         "markets.ALT002={tick_usd=1,lot=1,start_usd=50,depth_usd=1e5,"
         "tiers=[{notional_usd=0,max_leverage=2}]}"],
        "market_tail.prefix", "ALT002",
    ),
    "a tail too shallow for a lot": (
        ["market_tail.count=2", "market_tail.least_depth_usd=1"],
        "market_tail.least_depth_usd", "worth of a lot",
    ),
    "a crash of a market that is not there": (
        ["shocks.0.market=ETC"], "shocks.0.market", "did you mean ETH",
    ),
    "a crash after the end": (["shocks.0.start_s=300"], "shocks.0.start_s", "less than"),
    "a run shorter than a step": (["time.duration_s=0.5"], "time.duration_s", "step_s"),
    "a step of no whole milliseconds": (
        ["time.step_s=0.12345"], "time.step_s", "milliseconds",
    ),
    "kinds that are not everybody": (["kinds.whale.share=0.04"], "kinds", "sum to 1"),
    "kinds that are more than everybody": (["kinds.whale.share=0.06"], "kinds", "sum to 1"),
    "a kind named like the house's": (
        ["kinds={maker={share=0}}"], "kinds.maker", "another name",
    ),
    "more than all chances to defend": (
        ["kinds.whale.top_up_share=0.95"], "kinds.whale.cut_share", "at most 0.05",
    ),
    "more positions than fit": (
        ["population.positions=201"], "population.positions", "200",
    ),
    "fewer positions than two a market": (
        ["population.positions=1"], "population.positions", "at least 2 a market",
    ),
    "a median above the cap": (
        ["population.equity_cap_usd=900"], "population.equity_median_usd", "equity_cap_usd",
    ),
    "an unknown policy": (
        ["run.policies=['pro-rate']"], "run.policies.0", "did you mean pro-rata",
    ),
    "a policy twice": (["run.policies=['none','none']"], "run.policies.1", "once"),
    "a policy of an unknown preset": (
        ["policies.mine.preset=hyperliquids"], "policies.mine.preset", "did you mean hyper",
    ),
    "a policy that says nothing": (
        ["policies.mine={}"], "policies.mine.trigger", "unless there is a preset",
    ),
    "a policy in disguise": (
        ["policies.none.preset=none"], "policies.none", "another name",
    ),
    "a policy with a number that is none": (
        ["policies.mine={preset='none',severity={share=[nan]}}"],
        "policies.mine.severity.share.0", "finite",
    ),
    "a policy with a date": (
        ["policies.mine={preset='none',severity={on=2025-10-10}}"],
        "policies.mine.severity.on", "number",
    ),
    "a ladder that does not end": (
        ["venue.ladder=[{rung='book'}]"], "venue.ladder.0.rung", 'must be "wave"',
    ),
    "a ladder that ends too soon": (
        ["venue.ladder=[{rung='wave'},{rung='wave'}]"], "venue.ladder.0.rung", "last rung",
    ),
    "no rungs": (["venue.ladder=[]"], "venue.ladder", "at least 1"),
    "an unknown rung": (
        ["venue.ladder=[{rung='boot'},{rung='wave'}]"], "venue.ladder.0.rung", '"book"',
    ),
    "an unknown ladder": (["venue.ladder=hyperfluid"], "venue.ladder", '"hyperliquid"'),
    "a backstop without a vault": (
        ["venue.vault_usd=0", "venue.ladder=[{rung='backstop'},{rung='wave'}]"],
        "venue.ladder.0.rung", "vault_usd",
    ),
    "a backstop that nobody reaches": (
        ["venue.ladder=[{rung='backstop',below=0},{rung='wave'}]"],
        "venue.ladder.0.below", "greater than 0",
    ),
    "a backstop above maintenance": (
        ["venue.ladder=[{rung='backstop',below=1.1},{rung='wave'}]"],
        "venue.ladder.0.below", "from 0 to 1",
    ),
    "a key that its rung does not heed": (
        ["venue.ladder=[{rung='book',mode='pay'},{rung='wave'}]"],
        "venue.ladder.0.mode", "left out",
    ),
    "a threshold where the fund only pays": (
        ["venue.ladder=[{rung='insurance',mode='pay',below=0.5},{rung='wave'}]"],
        "venue.ladder.0.below", "left out",
    ),
    "a rebate above the fee": (["venue.maker_fee_bps=-5"], "venue.maker_fee_bps", "-4.5"),
    "funding between steps": (
        ["venue.funding_interval_s=0.9"], "venue.funding_interval_s", "time.step_s",
    ),
    "one position that overflows": (
        ["population.equity_cap_usd=1e12"], "population.equity_cap_usd", "overflow",
    ),
    "a crowd that overflows": (
        ["population.accounts=5e6", "population.equity_cap_usd=3e10",
         "population.equity_tail_exponent=0.2"],
        "population.accounts", "overflow",
    ),
    "entries that overflow": (
        ["markets.ETH.entry_sd=2"], "population.equity_cap_usd", "overflow",
    ),
    "makers that overflow": (
        ["markets.ETH.depth_usd=1e12"], "markets.ETH.depth_usd", "overflow",
    ),
    "a vault that overflows": (
        ["venue.vault_usd=1e12", "venue.insurance_usd=1e12", "markets.ETH.depth_usd=1e11",
         "population.equity_cap_usd=1e10"], "", "overflow",
    ),
    "a grid that fills the memory": (
        ["market_tail.count=50", "market_tail.least_depth_usd=1e6",
         "population.positions=200", "markets.ETH.start_usd=1.6e6"],
        "market_tail.count", "memory",
    ),
    "a seed of too many bits": (["run.seed=9223372036854775808"], "run.seed", "less than"),
    "no runs": (["run.runs=0"], "run.runs", "from 1 to"),
    "too many runs": (["run.runs=1e9"], "run.runs", "from 1 to"),
    "half a run": (["run.runs=0.5"], "run.runs", "a whole number"),
    "a name that leaves the folder": (["name=../x"], "name", "a name of"),
    "a name of two folders": (["name=a/b"], "name", "a name of"),
    "a name of another system's folders": (["name='a\\b'"], "name", "a name of"),
    "a name with a line break": (['name="a\\nb"'], "name", "a name of"),
    "a hidden name": (["name=.hidden"], "name", "a name of"),
    "no name": (["name="], "name", "a name of"),
    "a name too long": ([f"name={'x' * 65}"], "name", "at most 64"),
    "a market with a bad name": (['markets."x y"={}'], 'markets."x y"', "a name of"),
}  # fmt: skip


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_an_impossible_scenario_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    overrides, key, right = IMPOSSIBLE[case]
    source = SOURCES["minimal"]
    with pytest.raises(ScenarioError) as error:
        load(source, overrides)
    message = only_line(error)
    assert right in message
    assert any(key in part for part in message.split(": ")[:2]), message
    # The same said in a file is blamed on the file.
    path = tmp_path / "same.toml"
    tree = merged(overrides)
    path.write_text(to_toml(tree))
    with pytest.raises(ScenarioError) as error:
        load(path)
    message = only_line(error)
    assert message.startswith(f"{path}: {key}")
    assert right in message


def merged(overrides: list[str]) -> dict[str, Any]:
    """The tree of minimal.toml with overrides laid over it, in the plainest way."""
    tree = tree_of("minimal")
    for text in overrides:
        name, _, words = text.partition("=")
        *parts, last = [part.strip('"') for part in name.split(".")]
        holder: Any = tree
        for part in parts:
            holder = (
                holder[int(part)]
                if isinstance(holder, list)
                else holder.setdefault(part, {})
            )
        try:
            value = tomllib.loads(f"v = {words}")["v"]
        except tomllib.TOMLDecodeError:
            value = words
        if isinstance(value, float) and value in (5e6, 1e9):
            value = int(value)
        if isinstance(value, dict) and isinstance(holder.get(last), dict):
            holder[last].update(value)
        else:
            holder[last] = value
    return tree


# --- bounds -----------------------------------------------------------------------------

BOUNDS = [
    # Key of big_scenario.toml, the least and the most allowed; an open end is in brackets.
    ("time.duration_s", (0.0,), 31 * 86_400.0), ("time.step_s", 0.1, 10.0),
    ("markets.BTC.half_spread_bps", (0.0,), 5e3), ("markets.BTC.makers", 1, 64),
    ("markets.BTC.daily_volatility", 0.0, 10.0), ("markets.BTC.beta", -20.0, 20.0),
    ("markets.BTC.maintenance_share", (0.0,), (1.0,)), ("markets.BTC.entry_sd", 0.0, 2.0),
    ("markets.BTC.entry_mean", -3.0, 3.0), ("markets.BTC.weight", 0.0, 1e12),
    ("markets.BTC.tiers.0.max_leverage", 1.0, 1e3), ("markets.BTC.tick_usd", (0.0,), 1e12),
    ("market_tail.count", 0, 2000), ("market_tail.exponent", (0.0,), 100.0),
    ("oracle.degrees", (2.0,), 1e6), ("oracle.factor_share", 0.0, 1.0),
    ("oracle.log_volatility_sd", 0.0, 5.0), ("oracle.excitation", 0.0, 10.0),
    ("oracle.jumps_per_day", 0.0, 8640.0), ("oracle.jump_mean", -2.0, 2.0),
    ("oracle.jump_sd", 0.0, 2.0), ("oracle.feedback", 0.0, 1.0),
    ("mark.basis_halflife_s", (0.0,), 1e12), ("makers.levels", 1, 64),
    ("makers.reach", 1e-6, (1.0,)), ("makers.depth_exponent", (0.0,), 10.0),
    ("makers.size_tail", 0.1, 100.0), ("makers.capital_of_depth", (0.0,), 1e6),
    ("makers.inventory_limit", (0.0,), 1e3), ("makers.skew", 0.0, 1e3),
    ("makers.thinning", 0.0, 10.0), ("makers.widening", 0.0, 10.0),
    ("makers.max_thinning", 1.0, 1e12), ("makers.exit_fear", 1.0, 1e12),
    ("shocks.0.log_return", -5.0, 2.0), ("shocks.0.spread", 0.0, 3.0),
    ("population.accounts", 2, 5_000_000), ("population.positions", 1, 20_000_000),
    ("population.equity_log_sd", 0.0, 10.0), ("population.leverage_log_sd", 0.0, 5.0),
    ("population.equity_tail_exponent", 0.01, 10.0),
    ("population.isolated_share", 0.0, 1.0),
    ("population.leverage_equity_slope", -2.0, 2.0),
    ("population.more_markets_share", 0.0, (1.0,)),
    ("population.equity_cap_usd", 0.01, 1e12), ("kinds.passive.turnover", 0.0, 2.0),
    ("kinds.passive.comfort", 1.0, 100.0), ("kinds.passive.share", 0.0, 1.0),
    ("venue.ladder.0.share", (0.0,), 1.0), ("venue.ladder.0.slippage", (0.0,), 1.0),
    ("venue.ladder.1.spread", 0.0, 1e3), ("venue.vault_usd", 0.0, 1e12),
    ("venue.taker_fee_bps", 0.0, 1e3), ("venue.maker_fee_bps", -100.0, 1e3),
    ("venue.liquidation_fee_bps", 0.0, 1e3), ("venue.funding_cap_per_hour", 0.0, 1.0),
    ("venue.funding_interest_per_8h", -1.0, 1.0), ("run.runs", 1, 100_000_000),
    ("run.seed", 0, 2**63 - 1), ("run.block", 1, 100_000), ("run.wave_gap_s", (0.0,), 1e12),
    ("outputs.path_interval_s", 0.1, 1e12), ("outputs.paths_of_first_runs", 0, 100_000),
    ("outputs.audit_of_first_runs", 0, 100_000_000), ("outputs.lights_every_s", 0.1, 1e12),
    ("outputs.nudges_of_first_runs", 0, 100_000_000),
]  # fmt: skip


@pytest.mark.parametrize(("key", "least", "most"), BOUNDS, ids=[key for key, *_ in BOUNDS])
def test_a_number_may_go_to_its_bounds_and_no_further(
    key: str, least: Any, most: Any
) -> None:
    for bound, way in ((least, -math.inf), (most, math.inf)):
        if isinstance(bound, tuple):
            [beyond] = bound
            inside = math.nextafter(beyond, -way)
        elif isinstance(bound, int):
            inside, beyond = bound, bound + (1 if way > 0 else -1)
        else:
            inside, beyond = bound, math.nextafter(bound, way)
        refusal = complaint(key, beyond)
        assert re.match("must be (from|at least|at most|greater than|less than) ", refusal)
        # Within bounds other keys may mind, or the whole be too large; the bound does not.
        assert complaint(key, inside) != refusal


def complaint(key: str, value: float) -> str:
    """What is said of a key alone when it has a value; empty if nothing is."""
    try:
        load(SOURCES["big"], [f"{key}={value!r}"])
    except ScenarioError as error:
        source, _, message = only_text(error).partition(f"{key}={value!r}: ")
        return message if source == "--set " else ""
    return ""


def only_text(error: ScenarioError) -> str:
    return str(error).partition(" (and ")[0]
