"""What a good scenario comes to: extending, overriding, defaults, resolving, hashing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from abm import checks, extent, scenario
from abm.scenario import Market, Rung, Scenario, Shock, Tier, from_mapping, load
from abm.toml_out import to_toml
from abm.venue import ladders
from abm.world import HOUSE_KINDS
from tests.scenario_files import SOURCES, tree_of, walk, write

# --- extending and overriding -----------------------------------------------------------


def test_a_scenario_says_what_its_file_says() -> None:
    minimal = load(SOURCES["minimal"])
    assert minimal.name == "minimal"
    assert minimal.markets["ETH"].start_tick == 43_000
    assert minimal.markets["ETH"].unit == 100
    assert minimal.shocks[0].log_return == -0.4
    assert minimal.time.steps == 300
    assert minimal.venue.taker_fee_bps == 4.5


def test_tables_merge_key_by_key_and_the_extending_file_wins(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", SOURCES["minimal"].read_text())
    child = write(
        tmp_path,
        "child.toml",
        "extends = 'base.toml'\nname = 'child'\n[venue]\ninsurance_usd = 5\n"
        "[markets.ETH]\nmakers = 3\n",
    )
    base, extended = load(SOURCES["minimal"]), load(child)
    assert extended.name == "child"
    assert extended.venue == base.venue.model_copy(update={"insurance_usd": 5.0})
    assert extended.markets["ETH"] == base.markets["ETH"].model_copy(update={"makers": 3})
    assert extended.kinds == base.kinds


def test_lists_are_replaced_whole(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", SOURCES["big"].read_text())
    child = write(
        tmp_path,
        "child.toml",
        "extends = 'base.toml'\nshocks = [{ start_s = 1, log_return = 0.1 }]\n"
        "run.policies = ['none']\nvenue.ladder = 'binance'\n",
    )
    extended = load(child)
    assert extended.shocks == (Shock(start_s=1.0, log_return=0.1),)
    assert extended.run.policies == ("none",)
    assert extended.venue.ladder == "binance"


def test_a_file_may_extend_one_that_extends_another_in_another_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "below").mkdir()
    write(tmp_path, "root.toml", SOURCES["minimal"].read_text())
    write(tmp_path / "below", "middle.toml", "extends = '../root.toml'\nrun.runs = 3")
    top = write(tmp_path, "top.toml", "extends = 'below/middle.toml'\nrun.seed = 9")
    assert load(top).run.runs == 3
    assert load(top).run.seed == 9
    assert load(top).population.accounts == 200


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("run.runs=4", ("run", "runs"), 4),
        (" run . runs = 4 ", ("run", "runs"), 4),
        ("population.accounts=1e5", ("population", "accounts"), 100_000),
        ("venue.insurance_usd=5e6", ("venue", "insurance_usd"), 5e6),
        ("venue.insurance_usd=5_000_000", ("venue", "insurance_usd"), 5e6),
        ("venue.ladder=dydx-v4", ("venue", "ladder"), "dydx-v4"),
        ('venue.ladder="dydx-v4"', ("venue", "ladder"), "dydx-v4"),
        ("outputs.figures=false", ("outputs", "figures"), False),
        ("description=a = b # c", ("description",), "a = b # c"),
        ("run.policies=['none']", ("run", "policies"), ("none",)),
        ("shocks.1.log_return=-0.7", ("shocks", 1, "log_return"), -0.7),
        ('"run"."runs"=4', ("run", "runs"), 4),
        ("venue={vault_usd = 3.5}", ("venue", "vault_usd"), 3.5),
        ("market_tail.template.beta=3", ("market_tail", "template", "beta"), 3.0),
    ],
)
def test_an_override_changes_its_key_and_nothing_else(
    override: str, key: tuple[str | int, ...], value: Any
) -> None:
    before, after = load(SOURCES["big"]), load(SOURCES["big"], [override])
    expected: Any = before.resolved()
    holder = expected
    for part in key[:-1]:
        holder = holder[part]
    assert holder[key[-1]] != value
    holder[key[-1]] = list(value) if isinstance(value, tuple) else value
    assert after.resolved() == expected


def test_later_overrides_win() -> None:
    assert load(SOURCES["minimal"], ["run.runs=4", "run.runs=5"]).run.runs == 5


def test_overrides_leave_the_given_mapping_as_it_was() -> None:
    tree = tree_of("big")
    from_mapping(tree, ["shocks.0.start_s=1", "venue.vault_usd=1", "kinds.whale.trend=1"])
    assert tree == tree_of("big")


# --- values -----------------------------------------------------------------------------


def test_numbers_and_arrays_of_numpy_are_taken_as_pythons() -> None:
    tree = tree_of("minimal")
    tree["population"]["accounts"] = np.int64(200)
    tree["venue"]["vault_usd"] = np.float64(20_000.0)
    tree["policies"] = {
        "mine": {"preset": "none", "severity": {"shares": np.array([0.5, 1.0])}}
    }
    checked = from_mapping(tree)
    assert checked.population == load(SOURCES["minimal"]).population
    assert type(checked.venue.vault_usd) is float
    assert checked.resolved()["policies"]["mine"]["severity"] == {"shares": [0.5, 1.0]}


def test_parts_may_be_given_as_models() -> None:
    tree = tree_of("big")
    whole = from_mapping(tree)
    tree["markets"] = dict(whole.markets)
    tree["venue"] = whole.venue
    tree["shocks"] = whole.shocks
    assert from_mapping(tree) == whole
    assert from_mapping(dict(whole)) == whole


def test_whole_numbers_are_fine_for_real_ones() -> None:
    assert load(SOURCES["minimal"]).time.duration_s == 300.0
    assert type(load(SOURCES["minimal"]).time.duration_s) is float


def test_a_scenario_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load(SOURCES["minimal"]).name = "other"  # type: ignore[misc]


def test_the_tail_falls_as_a_power_of_the_rank_down_to_its_least_depth() -> None:
    big = load(SOURCES["big"])
    found = big.all_markets()
    assert list(found) == big.market_names()
    assert len(found) == 15
    assert found["ALT001"].depth_usd == 1e5
    assert found["ALT008"].depth_usd == pytest.approx(1e5 * 8**-1.6)
    assert found["ALT008"].weight == pytest.approx(2.0 * 8**-1.6)
    assert (
        load(SOURCES["big"], ["market_tail.least_depth_usd=9e4"])
        .all_markets()["ALT012"]
        .depth_usd
        == 9e4
    )
    assert found["ALT012"].beta == 2.5


# --- resolving and hashing --------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
def test_the_resolved_scenario_loaded_again_is_equal(source: str, tmp_path: Path) -> None:
    given_ = load(SOURCES[source])
    path = write(tmp_path, "resolved.toml", to_toml(given_.resolved()))
    for again in (
        from_mapping(given_.resolved()),
        from_mapping(json.loads(json.dumps(given_.resolved()))),
        load(path),
    ):
        assert again == given_
        assert again.resolved() == given_.resolved()
        assert again.sha256() == given_.sha256()


@pytest.mark.parametrize("source", SOURCES)
def test_resolving_fills_every_default_in(source: str) -> None:
    resolved = load(SOURCES[source]).resolved()

    def check(model: type[BaseModel], table: dict[str, Any]) -> None:
        optional = {
            name for name, field in model.model_fields.items() if field.default is None
        }
        assert set(table) >= set(model.model_fields) - optional

    check(Scenario, resolved)
    for section in (
        "time",
        "oracle",
        "mark",
        "makers",
        "population",
        "run",
        "outputs",
        "venue",
    ):
        check(type(getattr(load(SOURCES[source]), section)), resolved[section])
    for market in resolved["markets"].values():
        check(Market, market)


def test_a_resolved_rung_holds_what_it_heeds() -> None:
    ladder = load(SOURCES["big"]).resolved()["venue"]["ladder"]
    assert ladder[2] == {
        "rung": "backstop",
        "below": 0.6,
        "loss_cap_usd": 1e12,
        "tick_s": 6.29,
    }
    assert ladder[3] == {"rung": "insurance", "below": 0.0, "mode": "takeover"}
    assert "slippage" not in ladder[1]
    assert ladder[1]["spread"] == 1.5


@pytest.mark.parametrize("name", ladders.PRESETS)
def test_a_preset_ladder_written_in_full_is_a_valid_ladder(name: str) -> None:
    rungs = ladders.PRESETS[name]
    tree = tree_of("minimal")
    tree["venue"]["ladder"] = [rung.model_dump() for rung in rungs]
    assert from_mapping(tree).venue.ladder == rungs
    assert load(SOURCES["minimal"], [f"venue.ladder={name}"]).venue.ladder == name


def test_the_hash_is_that_of_the_resolved_scenario_as_json() -> None:
    big = load(SOURCES["big"])
    text = json.dumps(big.resolved(), separators=(",", ":"))
    assert big.sha256() == hashlib.sha256(text.encode()).hexdigest()


def test_what_a_file_leaves_to_defaults_or_says_in_another_order_hashes_the_same() -> None:
    tree = tree_of("minimal")
    said = {
        **tree,
        "outputs": {"audit_of_first_runs": 4},
        "run": {"block": 8, "runs": 8, "seed": 1},
    }
    assert from_mapping(said).sha256() == from_mapping(tree).sha256()
    assert (
        from_mapping(dict(reversed(tree.items()))).sha256() == from_mapping(tree).sha256()
    )
    answer = {"a": 1, "b": {"x": 1, "y": 2}}
    turned = {"b": {"y": 2, "x": 1}, "a": 1}
    hashes = {
        from_mapping(
            {**tree, "policies": {"mine": {"preset": "none", "severity": way}}}
        ).sha256()
        for way in (answer, turned)
    }
    assert len(hashes) == 1


def test_the_order_of_markets_and_kinds_is_part_of_the_hash() -> None:
    tree = tree_of("big")
    for section in ("markets", "kinds"):
        turned = {**tree, section: dict(reversed(tree[section].items()))}
        assert from_mapping(turned).sha256() != from_mapping(tree).sha256()


def test_any_number_that_changes_changes_the_hash_and_the_equality() -> None:
    base, tree = load(SOURCES["big"]), load(SOURCES["big"]).resolved()
    changed = 0
    for key, value in walk(tree):
        if not isinstance(value, float) or key[0] == "policies":
            continue
        copy = load(SOURCES["big"]).resolved()
        holder: Any = copy
        for part in key[:-1]:
            holder = holder[part]
        holder[key[-1]] = value * 0.999 if value else 1e-4
        try:
            other = from_mapping(copy)
        except scenario.ScenarioError:
            continue
        changed += 1
        assert other != base
        assert other.sha256() != base.sha256()
    assert changed > 150


# --- any valid scenario -----------------------------------------------------------------


def shares(count: int) -> st.SearchStrategy[list[float]]:
    weights = st.lists(st.integers(1, 1000), min_size=count, max_size=count)
    return weights.map(lambda found: [w / sum(found) for w in found])


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


NAMES = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,7}\Z").filter(
    lambda name: name not in ("all", *HOUSE_KINDS) and not name.startswith("ALT")
)
TIERS = st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True).map(
    lambda steps: [
        {"notional_usd": i * 1e5, "max_leverage": leverage}
        for i, leverage in enumerate(sorted(steps, reverse=True))
    ]
)
MARKETS = st.fixed_dictionaries(
    {
        "tick_usd": st.sampled_from([0.01, 0.1, 1.0, 0.5]),
        "lot": st.sampled_from([0.001, 0.01, 1, 0.0001]),
        "start_usd": numbers(50.0, 90_000.0),
        "tiers": TIERS,
        "depth_usd": numbers(1e5, 1e9),
    },
    optional={
        "maintenance_share": numbers(0.1, 0.9),
        "weight": numbers(1e-3, 1e3),
        "makers": st.integers(1, 64),
        "beta": numbers(-3.0, 3.0),
        "daily_volatility": numbers(0.0, 1.0),
    },
)
RUNGS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {"rung": st.just("book")},
            optional={
                "share": numbers(0.1, 1.0),
                "until": st.sampled_from(["flat", "initial"]),
            },
        ),
        st.fixed_dictionaries({"rung": st.just("backstop"), "below": numbers(0.1, 1.0)}),
        st.just({"rung": "insurance", "mode": "takeover", "below": 0.0}),
        st.just({"rung": "insurance"}),
        st.fixed_dictionaries(
            {"rung": st.just("socialise"), "up_to_usd": numbers(0.0, 1e6)}
        ),
    ),
    max_size=4,
).map(lambda rungs: [*rungs, {"rung": "wave"}])
ANSWERS = st.recursive(
    st.booleans()
    | st.integers(-(10**15), 10**15)
    | numbers(-1e300, 1e300)
    | st.text("aé\n\"'"),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=4), below),
    max_leaves=5,
)


@st.composite
def scenarios(draw: st.DrawFn) -> dict[str, Any]:
    markets = draw(st.dictionaries(NAMES, MARKETS, min_size=1, max_size=4))
    kinds = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    by_share = zip(kinds, draw(shares(len(kinds))), strict=True)
    policies = draw(
        st.dictionaries(
            NAMES.filter(lambda name: name not in scenario.BUILT_IN_POLICIES),
            st.fixed_dictionaries(
                {
                    "preset": st.sampled_from(scenario.BUILT_IN_POLICIES),
                    "severity": st.dictionaries(st.text(max_size=4), ANSWERS, max_size=3),
                },
                optional={"trigger": st.text(max_size=5)},
            ),
            max_size=3,
        )
    )
    count = draw(st.integers(0, 5))
    accounts = draw(st.integers(50, 10_000))
    return {
        "name": draw(NAMES),
        "description": draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
        "markets": markets,
        "market_tail": {"count": count, "least_depth_usd": 1e5},
        "kinds": {name: {"share": share} for name, share in by_share},
        "population": {"accounts": accounts, "positions": draw(st.integers(18, accounts))},
        "shocks": draw(
            st.lists(
                st.fixed_dictionaries(
                    {"start_s": numbers(0.0, 700.0), "log_return": numbers(-5.0, 2.0)},
                    optional={"market": st.sampled_from(["all", *markets])},
                ),
                max_size=3,
            )
        ),
        "venue": {"vault_usd": draw(numbers(1.0, 1e9)), "ladder": draw(RUNGS)},
        "policies": policies,
        "run": {
            "policies": draw(
                st.lists(
                    st.sampled_from([*scenario.BUILT_IN_POLICIES, *policies]),
                    min_size=1,
                    unique=True,
                )
            ),
            "seed": draw(st.integers(0, 2**63 - 1)),
        },
    }


@settings(max_examples=150, deadline=None)
@given(scenarios())
def test_any_valid_scenario_survives_resolving_writing_and_reading(
    tree: dict[str, Any],
) -> None:
    first = from_mapping(tree)
    text = to_toml(first.resolved())
    again = from_mapping(tomllib.loads(text))
    assert again == first
    assert again.sha256() == first.sha256()
    assert to_toml(again.resolved()) == text
    assert len(again.all_markets()) == len(tree["markets"]) + tree["market_tail"]["count"]


# --- how large it is --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sd", "exponent", "low", "high"),
    [
        (2.7, 0.76, 140_000.0, 300e6),
        (1.0, 1.0, 3_000.0, 1e6),
        (0.5, 2.5, 100.0, 1e4),
        (3.0, 1.7, 0.5, 1e5),
    ],
)
def test_mean_equity_agrees_with_numerical_integration(
    sd: float, exponent: float, low: float, high: float
) -> None:
    from scipy.integrate import quad
    from scipy.stats import norm

    population = scenario.Population(
        equity_log_sd=sd,
        equity_tail_exponent=exponent,
        equity_tail_share=0.1,
        equity_tail_from_usd=low,
        equity_cap_usd=high,
        equity_median_usd=900.0,
    )
    edge = np.log(low / 900.0) / sd
    body, _ = quad(lambda z: 900.0 * np.exp(sd * z) * norm.pdf(z), -40.0, edge, limit=500)

    def quantile(u: float) -> float:
        ceiling = 1.0 - (low / high) ** exponent
        return float(low * (1.0 - u * ceiling) ** (-1.0 / exponent))

    tail, _ = quad(lambda v: quantile(1.0 - np.exp(-v)) * np.exp(-v), 0.0, 60.0, limit=500)
    expected = 0.9 * body / norm.cdf(edge) + 0.1 * tail
    assert extent.mean_equity_usd(population) == pytest.approx(expected, rel=1e-5)


def test_no_drawn_crowd_holds_more_money_than_the_bound() -> None:
    from abm.traders import endowments
    from abm.units import QUANTA_PER_USD

    big = load(SOURCES["big"])
    bound = extent.usd_by_key(big)["population", "accounts"] / extent.GRID_HEADROOM
    markets = list(big.all_markets().values())
    value = np.array([m.start_tick * m.unit / QUANTA_PER_USD for m in markets])
    for seed in range(40):
        crowd = endowments.draw(big, seed)
        assert np.abs(crowd.lots * value[crowd.market]).sum() < bound


def test_the_estimate_of_memory_is_that_of_the_world_that_is_built() -> None:
    from abm import world
    from abm.genesis import new_world

    big = load(SOURCES["big"], ["population.accounts=20000", "population.positions=15000"])
    estimate = sum(extent.bytes_by_key(big).values())
    assert estimate == pytest.approx(world.nbytes(new_world(big, 1)), rel=0.1)


# --- the module itself ------------------------------------------------------------------


def full() -> dict[str, Any]:
    """As many markets, accounts and positions as the whole event had."""
    tree = tree_of("big")
    tree["markets"].update({f"M{i}": tree["markets"]["SOL"] for i in range(17)})
    tree["market_tail"]["count"] = 142
    tree["population"].update(accounts=437_723, positions=221_422)
    return tree


def test_the_full_scenario_loads_within_a_tenth_of_a_second(tmp_path: Path) -> None:
    path = write(tmp_path, "full.toml", to_toml(full()))
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        assert len(load(path).market_names()) == 162
        spent.append(time.perf_counter() - began)
    assert min(spent) < 0.1


def test_reading_scenarios_loads_no_compiler_and_no_arrays() -> None:
    code = "import sys, abm.scenario; print(sorted({'numba', 'numpy'} & set(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert out.stdout.decode().strip() == "[]"


def test_names_of_the_house_are_those_of_the_world() -> None:
    assert checks.HOUSE_KINDS == HOUSE_KINDS


PARTS = [
    part
    for part in vars(scenario).values()
    if isinstance(part, type) and issubclass(part, BaseModel)
]


@pytest.mark.parametrize("part", PARTS)
def test_every_key_is_described_in_a_few_words(part: type[BaseModel]) -> None:
    for name, field in part.model_fields.items():
        assert field.description, name
        assert len(field.description) < 90


@pytest.mark.parametrize("part", PARTS)
def test_no_bound_is_given_twice(part: type[BaseModel]) -> None:
    """Pydantic would silently take the type's bound, not the field's."""
    for name, field in part.model_fields.items():
        bounds = [type(bound) for bound in field.metadata]
        assert len(bounds) == len(set(bounds)), name


def test_the_parts_are_all_looked_at() -> None:
    assert {Scenario, Tier, Rung, Market} <= set(PARTS)
    assert len(PARTS) > 15
