"""Several crashes in a run: what is closed, owed, paid, who is gone, who comes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from abm import draws, episodes, genesis
from abm import world as w
from abm.engine import Engine, policy_of
from abm.episodes import next_world, openings, seed_of
from abm.measures.census import equities, take_census
from abm.montecarlo import course
from abm.scenario import ScenarioError
from abm.traders.habits import GONE, LEAVING
from tests.crashes import FIRST, crash, empty_venue, give, set_marks

USD = 10**6
POLICIES = ("hyperliquid", "pro-rata", "paradex", "profits-first", "none")


def lasting(count=4, **over):
    """Crashes of a venue whose fund is fed by fees."""
    given = {
        "episodes": {"count": count, "calm_days": 10.0, "newcomers_per_day": 2.0},
        "venue": {"vault_usd": 5000.0, "insurance_usd": 500.0, "fees_to_insurance": 0.25},
    }
    return crash(**(given | over))


def follow(scenario, policy, seed=2, paranoid=False):
    """A run's episodes, with the engine after each and the money at every boundary."""
    world = genesis.new_world(scenario, seed)
    engine = Engine(world, policy_of(scenario, policy), paranoid=paranoid, look_every=5)
    begun = course.Beginning(seed, course.moment(world), openings(scenario, seed))
    told: list[course.Episode] = []
    course.follow(engine, scenario, begun, told)
    return told, engine


# --- seeds ------------------------------------------------------------------------------


def test_the_first_episode_has_the_runs_seed_and_no_two_have_the_same():
    assert seed_of(7, 0) == 7
    seeds = [seed_of(run, episode) for run in range(20) for episode in range(20)]
    assert len(set(seeds)) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)
    # The word that numpy's own Philox gives for this key and counter.
    stream = np.random.Philox(key=[7, draws.EPISODE], counter=2 * 2**64 + 2**64 - 1)
    assert seed_of(7, 3) == int(stream.random_raw(1)[0]) >> 1


def test_how_episodes_begin_is_the_same_whenever_it_is_asked():
    scenario = lasting()
    first, again = openings(scenario, 4), openings(scenario, 4)
    other = openings(scenario, 5)
    assert len(first) == 3
    for one, two, else_ in zip(first, again, other, strict=True):
        assert one.newcomers == two.newcomers
        for a, b in zip(one.wishes, two.wishes, strict=True):
            np.testing.assert_array_equal(a, b)
        assert one.seed != else_.seed
    assert openings(crash(), 4) == []


# --- by hand ----------------------------------------------------------------------------


def _venue_of_three():
    """A winner, a loser who owes 200 USD, and a fund of 50 USD, with a mark at 80."""
    world = empty_venue({"X": {"start_usd": 100.0}}, venue={"vault_usd": 1.0})
    world.ledger.accounts["cash"] = 0
    world.ledger.pots["deposits"] = 0
    give(world, w.INSURANCE_ACCOUNT, 50.0)
    give(world, FIRST, 1000.0, (0, -10_000, 100.0))
    give(world, FIRST + 1, 1800.0, (0, 10_000, 100.0))
    set_marks(world, 80.0)
    return world


def test_positions_are_closed_at_the_mark_and_nobodys_equity_changes():
    world = _venue_of_three()
    before = equities(world.ledger, world.markets)
    assert before[FIRST] == 3000 * USD
    assert before[FIRST + 1] == -200 * USD
    episodes.close_positions(world)
    np.testing.assert_array_equal(world.ledger.accounts["cash"], before)
    assert (world.ledger.positions["account"] == w.NONE).all()
    assert int(w.money_missing(world.ledger)) == 0


def test_the_fund_owes_what_others_owed():
    world = _venue_of_three()
    episodes.close_positions(world)
    assert episodes._pass_debts_on(world.ledger) == 200 * USD
    cash = world.ledger.accounts["cash"]
    assert cash[FIRST + 1] == 0
    assert cash[w.INSURANCE_ACCOUNT] == -150 * USD
    assert int(world.ledger.pots[0]["insurance_paid"]) == 50 * USD
    assert int(w.money_missing(world.ledger)) == 0


def test_calm_days_cost_fees_of_which_the_fund_gets_its_share_to_the_quantum():
    scenario = lasting(
        retention={"turnover_per_day": 2.0, "fee_bps": 5.0},
        episodes={"count": 2, "calm_days": 10.0, "fees_to_vault": 0.1},
        venue={"vault_usd": 1.0, "fees_to_insurance": 0.25},
    )
    world = genesis.new_world(scenario, 1)
    episodes.close_positions(world)
    accounts = world.ledger.accounts
    before, fund = accounts["cash"].copy(), accounts["cash"][w.INSURANCE_ACCOUNT]
    vault, kept = accounts["cash"][w.BACKSTOP_ACCOUNT], int(world.ledger.pots[0]["fees"])
    gone = world.crowd.traders["account"][:5]
    world.crowd.traders["mood"][:5] = GONE
    total, to_insurance, to_vault = episodes._collect_fees(scenario, world)
    # 2 * 10 * 5 basis points are 1%.
    fee = [int(c) // 100 for c in before]
    theirs = [int(a) for a in world.crowd.traders["account"][5:]]
    assert total == sum(fee[a] for a in theirs)
    assert to_insurance == sum(fee[a] // 4 for a in theirs)
    assert to_vault == sum(fee[a] // 10 for a in theirs)
    assert accounts["cash"][w.INSURANCE_ACCOUNT] - fund == to_insurance
    assert accounts["cash"][w.BACKSTOP_ACCOUNT] - vault == to_vault
    assert int(world.ledger.pots[0]["fees"]) - kept == total - to_insurance - to_vault
    assert (accounts["cash"][gone] == before[gone]).all()
    assert int(w.money_missing(world.ledger)) == 0


# --- whole runs -------------------------------------------------------------------------


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("isolated", [0.0, 0.3])
def test_money_is_conserved_and_purses_go_on_over_episodes(policy, isolated):
    scenario = lasting(
        population={"isolated_share": isolated}, venue={
            "vault_usd": 500.0, "insurance_usd": 300.0, "fees_to_insurance": 0.25,
        },
    )  # fmt: skip
    told, engine = follow(scenario, policy)
    w.check(engine.world)
    assert [one.number for one in told] == [0, 1, 2, 3]
    for before, after in itertools.pairwise(told):
        calm = after.calm
        assert after.start.insurance == before.end.insurance - calm.owed + calm.to_insurance
        assert after.start.vault == max(0, before.end.vault) + calm.to_vault
        known = len(before.end.census.kind)
        assert calm.newcomers == len(after.start.census.kind) - known
        assert calm.brought == after.start.census.equity[known:].sum()
        kept, had = after.start.census, before.end.census
        # Whoever stays pays a fee; who leaves takes all that it has (but what is withheld).
        assert (kept.equity[:known] <= had.equity).all()
        taken = kept.withdrawn[:known] - had.withdrawn
        assert (taken[~had.is_leaving] == 0).all()
        paid = kept.fees[:known] - had.fees
        stays = ~kept.has_left[:known]
        assert (paid == had.equity - kept.equity[:known])[stays].all()


@pytest.mark.parametrize("policy", ["hyperliquid", "pro-rata"])
def test_nobody_who_left_returns(policy):
    scenario = lasting(kinds={"passive": {"leave_hazard": 50.0}})
    world = genesis.new_world(scenario, 6)
    engine = Engine(world, policy_of(scenario, policy))
    gone = np.zeros(0, bool)
    for number, opening in enumerate([*openings(scenario, 6), None], start=1):
        engine.run_to(scenario.time.steps * number)
        engine.finish()
        mood = engine.world.crowd.traders["mood"].copy()
        census = take_census(engine.world)
        assert (mood[: len(gone)][gone] == GONE).all()
        assert (census.equity[: len(gone)][gone] == 0).all()
        if opening is None:
            break
        gone = (mood == GONE) | (mood == LEAVING)
        fresh, calm = next_world(scenario, engine.world, opening)
        assert calm.left == (mood == LEAVING).sum()
        engine.go_on_in(fresh, scenario.episodes.calm_ms)
        positions = fresh.ledger.positions
        holders = positions["account"][positions["account"] != w.NONE]
        owner = fresh.ledger.accounts["trader"]
        assert not np.isin(owner[holders], np.flatnonzero(gone)).any()
    assert gone.sum() > 3


def test_what_is_still_missing_is_carried_and_is_no_new_deficit():
    scenario = lasting(count=2, venue={"vault_usd": 10.0})
    told, engine = follow(scenario, "none", seed=3)
    first, second = told
    assert first.residual > 0
    assert second.start.insurance == -second.calm.owed < 0
    calls = second.calls(engine.record.calls)
    assert calls[0].carried == min(-second.start.insurance, calls[0].short_before)
    assert calls[0].wave.number == first.calls(engine.record.calls)[-1].wave.number + 1
    assert calls[0].wave.now_s >= second.start.now_s


def test_all_policies_see_the_same_newcomers_wishes_and_shocks():
    scenario = lasting(oracle={"feedback": 0.0})
    starts = []
    for policy in ("pro-rata", "none"):
        told, engine = follow(scenario, policy, seed=9)
        starts.append((told, engine.world.markets.state["index"].tolist()))
    (one, index), (two, same) = starts
    assert index == same
    for a, b in zip(one[1:], two[1:], strict=True):
        assert a.seed == b.seed
        fresh = a.calm.newcomers
        assert fresh == b.calm.newcomers > 0
        brought = [e.start.census.equity[-fresh:] for e in (a, b)]
        np.testing.assert_array_equal(*brought)


def test_the_first_episode_is_a_run_of_one():
    one, alone = follow(lasting(count=1), "pro-rata")
    several, engine = follow(lasting(count=3), "pro-rata")
    calls = several[0].calls(engine.record.calls)
    assert len(calls) == len(alone.record.calls) > 0
    for a, b in zip(calls, alone.record.calls, strict=True):
        np.testing.assert_array_equal(a.outcome.haircuts, b.outcome.haircuts)
        assert a.wave.now_s == b.wave.now_s
    np.testing.assert_array_equal(one[0].end.census.equity, several[0].end.census.equity)


def test_looks_tell_calm_days_and_none_is_taken_twice():
    scenario = lasting(count=3)
    _, engine = follow(scenario, "pro-rata")
    at = np.concatenate(engine.record.standings)["at_ms"]
    assert (np.diff(at) > 0).all()
    day, duration = 86_400_000, 150_000
    expected = [
        e * (10 * day + duration) + s
        for e in range(3) for s in range(0, duration + 1, 5000)
    ]  # fmt: skip
    assert at.tolist() == expected


def test_every_step_of_every_episode_is_sound():
    scenario = lasting(count=2, population={"isolated_share": 0.2})
    told, engine = follow(scenario, "pro-rata", seed=7, paranoid=True)
    assert all(one.calls(engine.record.calls) for one in told)
    usual, _ = follow(scenario, "pro-rata", seed=7)
    for checked, one in zip(told, usual, strict=True):
        np.testing.assert_array_equal(checked.end.census.equity, one.end.census.equity)


# --- bad input --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"episodes": {"count": 0}}, "episodes.count = 0: must be"),
        ({"episodes": {"calm_days": 0}}, "episodes.calm_days = 0: must be greater than 0"),
        (
            {"episodes": {"fees_to_vault": 0.8}, "venue": {"fees_to_insurance": 0.5}},
            "episodes.fees_to_vault = 0.8: must be at most 0.5, 1 less",
        ),
        ({"retention": {"base": "joy"}}, 'retention.base = "joy": must be one of'),
        ({"episodes": {"count": 1000, "newcomers_per_day": 1e5}}, "newcomers_per_day"),
    ],
)
def test_bad_keys_are_named(over, words):
    with pytest.raises(ScenarioError, match=words.replace("(", "\\(")) as error:
        crash(**over)
    assert "\n" not in str(error.value)
