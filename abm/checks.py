"""What the parts of a scenario ask of each other.

Each function yields the faults of one concern, with keys relative to the part it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from abm import extent
from abm.faults import Fault, Key, nearest
from abm.units import INT64_MAX, PPM, QUANTA_PER_USD

if TYPE_CHECKING:
    from abm.rules import Policy, Rung, Venue
    from abm.scenario import Market, Outputs, Run, Scenario, Time

ALL_MARKETS = "all"
"""What a shock calls all markets at once, so that no market can be called so."""
HOUSE_KINDS = ("backstop", "insurance", "maker", "user")
"""Kinds of account that every venue has; see `abm.world`."""

_FEWEST_TICKS, _MOST_TICKS = 20, 2**24
_LEAST_POSITIONS = 2
_SHARES_TOLERANCE = 1e-6


def of_time(time: Time) -> Iterator[Fault]:
    """A step of whole milliseconds, and at least one of them."""
    if abs(time.step_s * 1000 - round(time.step_s * 1000)) > 1e-9:
        yield Fault(("step_s",), "must be a whole number of milliseconds", time.step_s)
    if time.duration_s < time.step_s:
        message = f"must be at least step_s = {time.step_s:g}"
        yield Fault(("duration_s",), message, time.duration_s)


def of_market(market: Market) -> Iterator[Fault]:
    """Units that are exact, a price that fits the grid, tiers that make sense."""
    unit = market.tick_usd * market.lot * QUANTA_PER_USD
    if round(unit) < 1 or abs(unit - round(unit)) > 1e-6 * unit:
        wish = "must make tick_usd * lot a whole number of micro-dollars"
        yield Fault(("lot",), f"{wish}, not {unit:.6g}", market.lot)
    ticks = market.start_usd / market.tick_usd
    if not _FEWEST_TICKS <= ticks <= _MOST_TICKS:
        wish = f"must be {_FEWEST_TICKS} to {_MOST_TICKS} ticks of tick_usd"
        yield Fault(("start_usd",), f"{wish}, not {ticks:.6g}", market.start_usd)
    elif market.lot * market.start_usd > market.depth_usd:
        wish = f"must be worth at most depth_usd = {market.depth_usd:g}"
        yield Fault(("lot",), f"{wish}, not {market.lot * market.start_usd:g}", market.lot)
    yield from _of_tiers(market)


def _of_tiers(market: Market) -> Iterator[Fault]:
    floor, leverage = 0.0, math.inf
    for i, tier in enumerate(market.tiers):
        if i == 0 and tier.notional_usd != 0.0:
            message = "must be 0 in the first tier"
            yield Fault(("tiers", 0, "notional_usd"), message, tier.notional_usd)
        elif i > 0 and tier.notional_usd <= floor:
            message = f"must be greater than the tier before's {floor:g}"
            yield Fault(("tiers", i, "notional_usd"), message, tier.notional_usd)
        if tier.max_leverage > leverage:
            message = f"must be at most the tier before's {leverage:g}"
            yield Fault(("tiers", i, "max_leverage"), message, tier.max_leverage)
        floor, leverage = tier.notional_usd, tier.max_leverage
    rate = market.maintenance_share / market.tiers[0].max_leverage
    if round(rate * PPM) < 1:
        message = (
            f"must leave a maintenance margin of 1 ppm of notional or more, not {rate:g}"
        )
        yield Fault(("maintenance_share",), message, market.maintenance_share)


def of_rung(rung: Rung) -> Iterator[Fault]:
    """Only keys that the rung heeds; a backstop that can be reached."""
    for name in sorted(rung.model_fields_set - rung.heeded):
        message = f"does nothing on this {rung.rung} rung, must be left out"
        yield Fault((name,), message, getattr(rung, name))
    if rung.rung == "backstop" and rung.below == 0.0:
        yield Fault(("below",), "must be greater than 0 on a backstop rung", rung.below)


def of_venue(venue: Venue) -> Iterator[Fault]:
    """Fees that are not negative in sum; a ladder that ends."""
    if venue.maker_fee_bps + venue.taker_fee_bps < 0.0:
        message = f"must be at least -{venue.taker_fee_bps:g}, the taker's fee"
        yield Fault(("maker_fee_bps",), message, venue.maker_fee_bps)
    if isinstance(venue.ladder, str):
        return
    last = len(venue.ladder) - 1
    for i, rung in enumerate(venue.ladder):
        if i == last and rung.rung != "wave":
            yield Fault(("ladder", i, "rung"), 'must be "wave" on the last rung', rung.rung)
        elif i < last and rung.rung == "wave":
            yield Fault(("ladder", i, "rung"), '"wave" must be the last rung', rung.rung)
        if rung.rung == "backstop" and venue.vault_usd == 0.0:
            message = "needs a vault: venue.vault_usd must be greater than 0"
            yield Fault(("ladder", i, "rung"), message, rung.rung)


def of_run(run: Run) -> Iterator[Fault]:
    """A stopping rule looks at policies that are run, and at two if at a difference."""
    if run.stop is None:
        return
    for key in ("policy", "less"):
        name = getattr(run.stop, key)
        if name is not None and name not in run.policies:
            known = ", ".join(run.policies)
            yield Fault(("stop", key), f"must be one of run.policies ({known})", name)
    if run.stop.less is not None and run.stop.less == (run.stop.policy or run.policies[0]):
        yield Fault(("stop", "less"), "must be another policy than run.stop.policy")


def of_outputs(outputs: Outputs) -> Iterator[Fault]:
    """Horizons that rise."""
    horizons = outputs.horizons_s
    for i in range(1, len(horizons)):
        if horizons[i] <= horizons[i - 1]:
            message = f"must be greater than the one before it, {horizons[i - 1]:g}"
            yield Fault(("horizons_s", i), message, horizons[i])


def of_policy(policy: Policy) -> Iterator[Fault]:
    """All six answers or a preset to take them from; only numbers that are numbers."""
    for name in type(policy).model_fields:
        part = getattr(policy, name)
        if part is not None:
            yield from _of_free_value(part, (name,))
        elif policy.preset is None and name != "preset":
            yield Fault((name,), "is missing: must be given unless there is a preset")


def _of_free_value(value: Any, key: Key) -> Iterator[Fault]:
    """Nothing but finite numbers, text, booleans, lists and tables."""
    if isinstance(value, Mapping):
        for name, below in value.items():
            yield from _of_free_value(below, (*key, name))
    elif isinstance(value, list):
        for i, below in enumerate(value):
            yield from _of_free_value(below, (*key, i))
    elif isinstance(value, float) and not math.isfinite(value):
        yield Fault(key, "must be a finite number", value)
    elif isinstance(value, int) and abs(value) > INT64_MAX:
        yield Fault(key, "must be a number of at most 64 bits", value)
    elif not isinstance(value, (bool, int, float, str)):
        yield Fault(key, "must be a number, text, true or false, a list or a table", value)


def of_scenario(scenario: Scenario, built_in: Sequence[str]) -> Iterator[Fault]:
    """All that spans several parts.

    Parameters
    ----------
    built_in : sequence of str
        Names of the policies that need no definition.
    """
    yield from _of_clocks(scenario)
    yield from _of_fees(scenario)
    yield from _of_names(scenario)
    yield from _of_shocks(scenario)
    yield from _of_crowd(scenario)
    yield from _of_policies(scenario, built_in)
    yield from extent.faults(scenario)


def _of_clocks(scenario: Scenario) -> Iterator[Fault]:
    step = scenario.time.step_s
    interval = scenario.venue.funding_interval_s
    if interval < step:
        message = f"must be at least time.step_s = {step:g}"
        yield Fault(("venue", "funding_interval_s"), message, interval)


def _of_fees(scenario: Scenario) -> Iterator[Fault]:
    """The fund and the vault do not get more than all fees of calm days."""
    left = 1.0 - scenario.venue.fees_to_insurance
    given = scenario.episodes.fees_to_vault
    if given > left:
        message = f"must be at most {left:g}, 1 less venue.fees_to_insurance"
        yield Fault(("episodes", "fees_to_vault"), message, given)


def _of_names(scenario: Scenario) -> Iterator[Fault]:
    """Markets that can be told apart, and that somebody trades."""
    if ALL_MARKETS in scenario.markets:
        message = f'must have another name: "{ALL_MARKETS}" stands for every market'
        yield Fault(("markets", ALL_MARKETS), message)
    tail = scenario.market_tail
    for rank in range(1, tail.count + 1):
        if tail.name(rank) in scenario.markets:
            message = f"names a market {tail.name(rank)}, which is in [markets] already"
            yield Fault(("market_tail", "prefix"), message, tail.prefix)
            break
    template = scenario.tail_template
    worth = template.lot * template.start_usd
    if tail.count and worth > tail.least_depth_usd:
        message = f"must be at least {worth:g}, the worth of a lot"
        yield Fault(("market_tail", "least_depth_usd"), message, tail.least_depth_usd)
    if not tail.count and all(m.weight == 0.0 for m in scenario.markets.values()):
        first = next(iter(scenario.markets))
        message = "must be greater than 0 in at least one market"
        yield Fault(("markets", first, "weight"), message, 0.0)
    for name in HOUSE_KINDS:
        if name in scenario.kinds:
            message = "must have another name: the venue's own accounts are called so"
            yield Fault(("kinds", name), message)


def _of_shocks(scenario: Scenario) -> Iterator[Fault]:
    names = {ALL_MARKETS: None, **dict.fromkeys(scenario.market_names())}
    duration = scenario.time.duration_s
    for i, shock in enumerate(scenario.shocks):
        if shock.market not in names:
            message = f'must be "{ALL_MARKETS}" or a market; {nearest(shock.market, names)}'
            yield Fault(("shocks", i, "market"), message, shock.market)
        if shock.start_s >= duration:
            message = f"must be less than time.duration_s = {duration:g}"
            yield Fault(("shocks", i, "start_s"), message, shock.start_s)


def _of_crowd(scenario: Scenario) -> Iterator[Fault]:
    """Kinds that make up everybody; positions that accounts and markets can have."""
    total = sum(kind.share for kind in scenario.kinds.values())
    if abs(total - 1.0) > _SHARES_TOLERANCE:
        yield Fault(("kinds",), f"the shares of all kinds must sum to 1, not {total:.6g}")
    for name, kind in scenario.kinds.items():
        if kind.top_up_share + kind.cut_share > 1.0:
            message = f"must be at most {1.0 - kind.top_up_share:g}, 1 less top_up_share"
            yield Fault(("kinds", name, "cut_share"), message, kind.cut_share)
    population, count = scenario.population, len(scenario.market_names())
    most = population.accounts * count
    key, given = ("population", "positions"), population.positions
    if given > most:
        yield Fault(key, f"must be at most accounts * markets = {most}", given)
    elif given < _LEAST_POSITIONS * count:
        message = (
            f"must be at least {_LEAST_POSITIONS} a market, {_LEAST_POSITIONS * count}"
        )
        yield Fault(key, message, given)
    median = population.equity_median_usd
    if median > population.equity_cap_usd:
        message = f"must be at most equity_cap_usd = {population.equity_cap_usd:g}"
        yield Fault(("population", "equity_median_usd"), message, median)


def _of_policies(scenario: Scenario, built_in: Sequence[str]) -> Iterator[Fault]:
    known = [*built_in, *scenario.policies]
    for name, policy in scenario.policies.items():
        if name in built_in:
            message = "must have another name: a built-in policy is called so"
            yield Fault(("policies", name), message)
        if policy.preset is not None and policy.preset not in built_in:
            message = f"must be a built-in policy; {nearest(policy.preset, built_in)}"
            yield Fault(("policies", name, "preset"), message, policy.preset)
    for i, name in enumerate(scenario.run.policies):
        if name not in known:
            message = (
                f"must be a built-in policy or one of [policies]; {nearest(name, known)}"
            )
            yield Fault(("run", "policies", i), message, name)
        elif name in scenario.run.policies[:i]:
            yield Fault(("run", "policies", i), "must be listed only once", name)
    name = scenario.outputs.counterfactual
    if name not in known:
        message = f"must be a built-in policy or one of [policies]; {nearest(name, known)}"
        yield Fault(("outputs", "counterfactual"), message, name)


_GROUPS = ("others", "makers", "honest")
"""What the tables of players call those without a strategy, and the baseline."""


def of_gaming(scenario: Scenario, built_in: Sequence[str]) -> Iterator[Fault]:
    """Strategies that are there, adopted by no more than all, in a single episode.

    Parameters
    ----------
    built_in : sequence of str
        Names of the strategies that need no table.
    """
    gaming, known = scenario.gaming, [*built_in, *scenario.strategies]
    for name, table in scenario.strategies.items():
        key = ("strategies", name)
        if name in _GROUPS:
            yield Fault(key, f"must have another name than {', '.join(_GROUPS)}")
        yield from _of_free_value(table, key)
        if "rule" not in table and name not in built_in:
            yield Fault((*key, "rule"), "is missing: must name a strategy or FILE.py:NAME")
    for name in gaming.play:
        if name not in known:
            message = (
                f"must be a strategy, built in or of [strategies]; {nearest(name, known)}"
            )
            yield Fault(("gaming", "play", name), message)
    total = sum(gaming.play.values())
    if total > 1.0 + _SHARES_TOLERANCE:
        message = f"the shares of all strategies must sum to 1 at most, not {total:.6g}"
        yield Fault(("gaming", "play"), message)
    for i, kind in enumerate(gaming.kinds):
        if kind not in scenario.kinds:
            message = f"must be one of [kinds]; {nearest(kind, scenario.kinds)}"
            yield Fault(("gaming", "kinds", i), message, kind)
    if gaming.play and scenario.episodes.count > 1:
        message = "must be 1 while strategies play: they last for one episode"
        yield Fault(("episodes", "count"), message, scenario.episodes.count)
