"""What stylised facts are measured from: prices, books, liquidations, and own orders.

Runs are watched as they are. Impact is not read from what traders happened to do, since
they choose when to trade: at one moment of each run the world is forked, an account from
outside trades in the fork, and the price is held against that of the fork in which it does
not. Both share all random draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from abm import enlarge, step, units
from abm import world as w
from abm.adl.policy import Policy
from abm.engine import Engine, policy_of
from abm.extent import GRID_HEADROOM
from abm.genesis import new_world
from abm.market.book import BUY, MARKET, SELL, depth
from abm.scenario import Market, Scenario, ScenarioError
from abm.traders.habits import ask
from abm.venue.liquidation import UNWIND
from abm.world import Array

SIZES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Sizes of orders, in a market's calm depth within 1%."""

DISTANCES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
"""Distances from the middle at which depth is added up, as shares of it."""

LEVERAGE_LIMITS = (0.25, 0.5, 1.0)
"""Leverage limits as multiples of the scenario's."""

_MOST_ROWS = 9000
_SNAPSHOTS = 12
_LONGEST_METAORDER_S = 600.0
_OUTSIDER_USD = 1e9


class Observed(NamedTuple):
    """Tables of some runs; money in USD, times in seconds, prices in ticks.

    * `paths`: `run`, `market`, `time_s`, `middle` (NaN where a side is empty), `mark`,
      `spread` (share of the middle), `depth_usd` (within 1%, both sides), `volume_usd` and
      `liquidated_usd` since the last row.
    * `profile`: `run`, `market`, `side`, `distance`, `depth_usd` up to it, mean over
      moments of the run.
    * `impact`: `run`, `market`, `form` (order or metaorder), `size`, `side`, `impact` (the
      log-move of the middle in the order's direction once it is filled) and `later` (the
      same once a metaorder of that length would be over).
    * `liquidations`: `run`, `market`, `time_s`, `usd`.
    """

    paths: pd.DataFrame
    profile: pd.DataFrame
    impact: pd.DataFrame
    liquidations: pd.DataFrame


def observe(
    scenario: Scenario, markets: Sequence[str] = (), quiet: bool = False
) -> Observed:
    """Watch every run of a scenario under its first policy, and trade in forks of it.

    Parameters
    ----------
    markets : sequence of str
        Which markets to tell of; all if empty.

    Raises
    ------
    ScenarioError
        If there is no such market.
    """
    names = _chosen(scenario, markets)
    policy = policy_of(scenario, scenario.run.policies[0])
    found = []
    for run in tqdm(range(scenario.run.runs), unit="run", disable=True if quiet else None):
        engine = _begun(scenario, policy, run)
        impact = _impacts(engine, scenario)
        profile = _run_through(engine, scenario)
        record = engine.finish()
        parts = (
            _paths(np.concatenate(record.paths), scenario),
            profile,
            impact,
            _liquidations(np.concatenate(record.liquidations)),
        )
        found.append([_named(part, run, scenario, names) for part in parts])
    return Observed(
        *(pd.concat(parts, ignore_index=True) for parts in zip(*found, strict=True))
    )


def observe_paths(
    scenario: Scenario, markets: Sequence[str] = (), quiet: bool = False
) -> pd.DataFrame:
    """The `paths` of :class:`Observed` alone."""
    names = _chosen(scenario, markets)
    policy = policy_of(scenario, scenario.run.policies[0])
    found = []
    for run in tqdm(range(scenario.run.runs), unit="run", disable=True if quiet else None):
        engine = _begun(scenario, policy, run)
        engine.run_to(scenario.time.steps)
        paths = _paths(np.concatenate(engine.finish().paths), scenario)
        found.append(_named(paths, run, scenario, names))
    return pd.concat(found, ignore_index=True)


def with_leverage(scenario: Scenario, multiple: float) -> Scenario:
    """A scenario whose leverage limits are multiplied, those of the venue and of traders.

    Margin tiers and what each kind may begin with; no limit falls below 1.
    """
    tree = scenario.resolved()
    tables = [*tree["markets"].values(), tree["market_tail"].get("template") or {}]
    for market in tables:
        for tier in market.get("tiers", ()):
            tier["max_leverage"] = max(1.0, multiple * tier["max_leverage"])
    for kind in tree["kinds"].values():
        kind["max_leverage"] = max(1.0, multiple * kind["max_leverage"])
    return Scenario.model_validate(tree)


# --- a run ------------------------------------------------------------------------------


def _chosen(scenario: Scenario, markets: Sequence[str]) -> list[str]:
    known = scenario.market_names()
    for name in markets:
        if name not in known:
            raise ScenarioError(f"--market {name}: must be one of {', '.join(known)}")
    return list(markets) or known


def interval_ms(scenario: Scenario) -> int:
    """Time between rows of a path: a step, or more where there would be too many rows."""
    steps = max(1, -(-scenario.time.steps // _MOST_ROWS))
    return steps * scenario.time.step_ms


def _begun(scenario: Scenario, policy: Policy, run: int) -> Engine:
    world = new_world(scenario, scenario.run.seed + run)
    world.clock[0]["path_interval_ms"] = interval_ms(scenario)
    return Engine(world, policy, scenario.run.wave_gap_s, keep_whole=False)


def horizons_s(scenario: Scenario) -> tuple[float, float, float]:
    """Lengths of returns, s: finest, middle (five minutes of a day), long (an hour)."""
    finest = interval_ms(scenario) / 1000.0
    middle, long = scenario.time.duration_s / 288.0, scenario.time.duration_s / 24.0
    whole = [finest * max(1, round(length / finest)) for length in (middle, long)]
    return finest, whole[0], whole[1]


def metaorder_steps(scenario: Scenario) -> int:
    """Steps that a metaorder takes: a twelfth of the run, ten minutes at most."""
    length = min(_LONGEST_METAORDER_S, scenario.time.duration_s / 12.0)
    return max(1, round(length / scenario.time.step_s))


def _impacts(engine: Engine, scenario: Scenario) -> pd.DataFrame:
    """Run to a quarter; trade in forks of that moment, in all markets at once."""
    begin = scenario.time.steps // 4
    last = begin + metaorder_steps(scenario)
    engine.run_to(begin)
    moments = (begin + 1, last)
    alone = _middles(engine, scenario, moments, 0, 0.0, 1)
    rows = []
    for size in SIZES:
        for side in (BUY, SELL):
            for form, children in (("order", 1), ("metaorder", last - begin)):
                moved = _middles(engine, scenario, moments, side, size, children)
                away = side * np.log(moved / alone)
                first = away[0] if form == "order" else away[1]
                table = {"form": form, "size": size, "side": side}
                table |= {"market": np.arange(away.shape[1])}
                rows.append(pd.DataFrame(table | {"impact": first, "later": away[1]}))
    return pd.concat(rows, ignore_index=True)


def _middles(
    engine: Engine,
    scenario: Scenario,
    moments: tuple[int, int],
    side: int,
    size: float,
    children: int,
) -> Array:
    """Middles at two moments of a fork in which an outsider trades, shape (2, markets).

    Parameters
    ----------
    side : int
        `BUY`, `SELL`, or 0 if it does nothing.
    size : float
        In calm depths within 1%, spread evenly over `children` steps.
    """
    fork = engine.fork(engine.policy)
    cash = units.quanta(_OUTSIDER_USD)
    fork.world, account = enlarge.add_account(fork.world, w.USER, cash)
    fork.world.clock[0]["path_interval_ms"] = 0
    fork.world.clock[0]["has_agents"] = 1
    share = size / children
    lots = np.round(fork.world.markets.specs["depth_lots"] * share).astype(np.int64)
    begin, found = int(fork.world.clock[0]["step"]), []
    for moment in moments:
        while fork.run_to(moment) == step.AGENTS:
            if side and fork.world.clock[0]["step"] < begin + children:
                _send(fork, account, side, np.maximum(lots, 1))
        found.append(_middle(fork.world.book.tops))
    return np.stack(found)


def _send(engine: Engine, account: int, side: int, lots: Array) -> None:
    world = engine.world
    for market, count in enumerate(lots):
        ask(world.inbox, world.logs, account, market, side, MARKET, 0, int(count), 0, 0)


def _middle(tops: Array) -> Array:
    """Middles in ticks; NaN where a side is empty."""
    both = (tops["bid"] >= 1) & (tops["ask"] < tops["size"])
    return np.where(both, 0.5 * (tops["bid"] + tops["ask"]), np.nan)


def _run_through(engine: Engine, scenario: Scenario) -> pd.DataFrame:
    """Run to the end; on the way, add up the book at some moments."""
    begin = int(engine.world.clock[0]["step"])
    moments = np.linspace(begin, scenario.time.steps, _SNAPSHOTS + 1)[1:].astype(int)
    found = []
    for moment in moments:
        engine.run_to(int(moment))
        found.append(_profile(engine.world))
    table = pd.concat(found)
    keys = ["market", "side", "distance"]
    return table.groupby(keys)["depth_usd"].mean().reset_index()


def _profile(world: w.World) -> pd.DataFrame:
    rows = []
    for market, middle in enumerate(_middle(world.book.tops)):
        if not np.isfinite(middle):
            continue
        value = middle * world.markets.specs[market]["unit"]
        for side in (BUY, SELL):
            for distance in DISTANCES:
                limit = int(middle * (1.0 - side * distance))
                lots = depth(world.book, market, side, limit)
                rows.append((market, side, distance, units.usd(lots * value)))
    return pd.DataFrame(rows, columns=["market", "side", "distance", "depth_usd"])


# --- as tables --------------------------------------------------------------------------


def _units_usd(scenario: Scenario) -> Array:
    """USD in one tick times one lot, by market."""
    markets: list[Market] = list(scenario.all_markets().values())
    return np.array([units.usd(market.unit) for market in markets])


def _paths(rows: Array, scenario: Scenario) -> pd.DataFrame:
    markets = scenario.all_markets().values()
    # An empty side of asks stands where the grid of ticks ends.
    end = np.array([GRID_HEADROOM * market.start_tick for market in markets])
    both = (rows["bid"] >= 1) & (rows["ask"] < end[rows["market"]])
    middle = np.where(both, 0.5 * (rows["bid"] + rows["ask"]), np.nan)
    value = rows["mark"] * _units_usd(scenario)[rows["market"]]
    table = pd.DataFrame(
        {
            "market": rows["market"],
            "time_s": rows["now_ms"] / 1000.0,
            "middle": middle,
            "mark": rows["mark"],
            "spread": (rows["ask"] - rows["bid"]) / middle,
            "depth_usd": (rows["bid_depth"] + rows["ask_depth"]) * value,
        }
    )
    for name, column in (("volume_usd", "volume"), ("liquidated_usd", "liquidated_lots")):
        total = pd.Series(rows[column])
        table[name] = total.groupby(rows["market"]).diff().fillna(0.0) * value
    return table


def _liquidations(rows: Array) -> pd.DataFrame:
    rows = rows[(rows["rung"] != UNWIND) & (rows["value"] != 0)]
    return pd.DataFrame(
        {
            "market": rows["market"],
            "time_s": rows["now_ms"] / 1000.0,
            "usd": units.usd(np.abs(rows["value"])),
        }
    )


def _named(
    table: pd.DataFrame, run: int, scenario: Scenario, names: Sequence[str]
) -> pd.DataFrame:
    """With the run, and markets by name; those of other markets left out."""
    known = np.array(scenario.market_names())
    table = table.assign(run=run, market=known[table["market"].to_numpy(np.int64)])
    return table[table["market"].isin(names)]
