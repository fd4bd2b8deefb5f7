from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from abm import world as w
from abm.adl.compose import PRESETS, compose
from abm.engine import Engine
from abm.world import NONE, BrokenWorldError, World
from tests.worlds import tiny_world


def run(world: World, steps: int) -> World:
    """Run without ADL; the world that came of it (arrays may have been enlarged)."""
    engine = Engine(world, compose("none", PRESETS["none"]))
    engine.run_to(steps)
    return engine.world


@pytest.fixture
def traded() -> World:
    """A tiny world after ten steps, with orders in the book."""
    world = run(tiny_world(), 10)
    assert world.book.pool["used"][0] > 10
    return world


def test_a_copy_is_equal_and_shares_no_memory(traded: World) -> None:
    twin = w.copy(traded)
    ours, theirs = w.arrays(traded), w.arrays(twin)
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert array.dtype == theirs[name].dtype
        assert array.tobytes() == theirs[name].tobytes()
        assert not any(np.shares_memory(array, other) for other in theirs.values())
    assert w.nbytes(twin) == w.nbytes(traded)


def test_a_fork_goes_its_own_way_and_back_to_the_same_end(traded: World) -> None:
    frozen = {name: array.tobytes() for name, array in w.arrays(traded).items()}
    first, second = run(w.copy(traded), 40), run(w.copy(traded), 40)
    assert all((array.tobytes() == frozen[n]) for n, array in w.arrays(traded).items())
    for array, other in zip(
        w.arrays(first).values(), w.arrays(second).values(), strict=True
    ):
        assert np.array_equal(array, other)
    assert first.book.tops["volume"][0] > traded.book.tops["volume"][0]


def test_a_world_that_was_run_is_sound(traded: World) -> None:
    w.check(traded)
    assert "t = 10.0 s, 1 markets" in w.describe(traded)


def _spoil(room: str, field: str, change: int, row: str = "0") -> Callable[[World], None]:
    """A change of one number: in row 0, a live position or a working order."""

    def damage(world: World) -> None:
        array = w.arrays(world)[room]
        which = {
            "0": 0,
            "position": _first(world.ledger.positions["account"] != NONE),
            "order": _first(world.book.orders["id"] != NONE),
        }[row]
        array[field][which] += change

    return damage


def _first(found: w.Array) -> int:
    return int(np.flatnonzero(found)[0])


def _cross(world: World) -> None:
    world.book.tops["bid"][0] = world.book.tops["ask"][0]


def _empty_an_order(world: World) -> None:
    world.book.orders["lots"][_first(world.book.orders["id"] != NONE)] = 0


def _keep_a_position_of_no_lots(world: World) -> None:
    free = world.ledger.pots["free_position"][0]
    world.ledger.positions["account"][free] = 0
    world.ledger.positions["market"][free] = 0


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_spoil("ledger.accounts", "cash", 1), "money is not conserved: -1 quanta"),
        (_spoil("ledger.pots", "fees", -7), "money is not conserved: 7 quanta"),
        (_spoil("ledger.pots", "withdrawals", -1), "money is not conserved: 1 quanta"),
        (_spoil("ledger.positions", "cost", 5, "position"), "money is not conserved: 5"),
        (_spoil("ledger.positions", "lots", 1, "position"), "lots do not sum to zero"),
        (_keep_a_position_of_no_lots, "a position of no lots"),
        (_cross, "crossed"),
        (_empty_an_order, "overfilled"),
        (_spoil("book.orders", "lots", 1, "order"), "does not hold the sum"),
        (_spoil("book.levels", "lots", 1), "does not hold the sum"),
    ],
)
def test_check_finds_each_kind_of_damage(
    traded: World, damage: Callable[[World], None], said: str
) -> None:
    damage(traded)
    with pytest.raises(BrokenWorldError, match=said):
        w.check(traded)


def test_check_finds_open_interest_that_is_off(traded: World) -> None:
    traded.ledger.open_interest[0] += 1
    with pytest.raises(BrokenWorldError, match="open interest"):
        w.check(traded)


def test_nothing_is_sized_accounts_times_markets() -> None:
    """Many accounts and many markets need no more than each alone, added up."""
    many_accounts = ("population.accounts=3000", "population.positions=3000")
    many_markets = (
        "market_tail.count=50",
        "population.positions=110",
        "market_tail.first_depth_usd=1e5",
    )
    crowded = w.arrays(tiny_world(*many_accounts))
    wide = w.arrays(tiny_world(*many_markets))
    both = w.arrays(tiny_world(*many_markets, *many_accounts))
    for name, array in both.items():
        apart = crowded[name].nbytes + wide[name].nbytes
        assert array.nbytes <= 1.05 * apart, name


def test_memory_grows_in_proportion_to_the_accounts() -> None:
    sizes = [
        w.nbytes(tiny_world(f"population.accounts={n}", f"population.positions={n}"))
        for n in (2_000, 4_000, 8_000)
    ]
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert 1.8 < second / first < 2.2
    assert first / 2_000 < 1_500
