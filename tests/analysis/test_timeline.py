from __future__ import annotations

from pathlib import Path

import pytest

from abm.montecarlo.store import Batch, StoreError
from analysis.timeline import render_timeline, timeline
from tests.analysis.batches import (
    crowd_batch,
    failed,
    finished,
    haircut,
    liquidation,
    make_batch,
    path_rows,
    wave,
)


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    """A minute in one market: liquidations, a takeover, a wave that two accounts pay."""
    queue = "queue"
    return make_batch(
        tmp_path,
        [queue],
        3,
        duration_s=60.0,
        runs=[
            finished(0, queue, 40.0, covered_usd=30.0, residual_usd=10.0, adl_accounts=2),
            finished(1, queue, 40.0),
            failed(2, queue),
        ],
        paths=path_rows(0, queue, 60),
        liquidations=[
            liquidation(0, queue, 5.0, "book", 100.0),
            liquidation(0, queue, 5.5, "book", 50.0),
            liquidation(0, queue, 7.0, "backstop", 400.0),
            liquidation(0, queue, 8.0, "unwind", 999.0),
        ],
        waves=[
            wave(0, queue, 0, 31.0, 35.0, deficit_usd=40.0, covered_usd=30.0, touched=2)
        ],
        haircuts=[
            haircut(0, queue, 4, 10.0, 50.0, time_s=31.0),
            haircut(0, queue, 4, 5.0, 50.0, time_s=35.0),
            haircut(0, queue, 5, 15.0, 50.0, time_s=35.0),
        ],
    )


def test_rows_are_of_equal_length_and_at_most_thirty(batch: Batch):
    table = timeline(batch, 0, "queue")
    assert list(table["time_s"]) == [2.0 * i for i in range(1, 31)]


def test_events_are_added_up_in_the_row_in_which_they_happen(batch: Batch):
    table = timeline(batch, 0, "queue").set_index("time_s")
    assert table.loc[6.0, "liquidated_usd"] == 150.0
    assert table.loc[6.0, "liquidations"] == 2
    assert table.loc[8.0, "taken_over_usd"] == 400.0
    assert table["liquidated_usd"].sum() == 150.0
    assert table["takeovers"].sum() == 1


def test_a_wave_is_under_way_from_its_start_to_its_end(batch: Batch):
    table = timeline(batch, 0, "queue").set_index("time_s")
    assert table.index[table["waves"] == "0"].tolist() == [32.0, 34.0, 36.0]
    assert table.loc[32.0, "deficit_usd"] == 40.0
    assert table["deficit_usd"].sum() == 40.0
    assert table.loc[32.0, "accounts_touched"] == 1
    assert table.loc[36.0, "accounts_touched"] == 2
    assert table.loc[36.0, "paid_usd"] == 20.0


def test_prices_and_depth_are_held_against_the_start(batch: Batch):
    table = timeline(batch, 0, "queue").set_index("time_s")
    # The last record before second 10 is that of second 9: 91 against 100.
    assert table.loc[10.0, "price_M0"] == pytest.approx(-0.09)
    assert table.loc[10.0, "depth"] == pytest.approx(1.0)
    assert table.loc[40.0, "depth"] == pytest.approx(0.5)
    assert table.loc[10.0, "vault_usd"] == pytest.approx(210.0)


def test_text_tells_the_main_events_in_order(batch: Batch):
    text = render_timeline(batch, 0, "queue")
    told = (
        "0:05  first liquidation through the book: $100 of M0",
        "0:07  first takeover by the venue: $400 of M0",
        "0:20  depth is thinnest: 50.0% of the start",
        "0:31  the vault is short for the first time, by $10.0",
        "0:31  wave 0 begins: short by $40.0 for 4 s; $30.0 taken from 2 accounts",
    )
    places = [text.index(line) for line in told]
    assert places == sorted(places)
    assert "$10.0 was missing at the end" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_run_without_paths_is_told_without_prices_and_says_so(batch: Batch):
    table = timeline(batch, 1, "queue")
    assert len(table) == 30
    assert "depth" not in table
    text = render_timeline(batch, 1, "queue")
    assert "Prices, depth and purses were not kept for this run." in text


def test_a_failed_run_says_why(batch: Batch):
    assert timeline(batch, 2, "queue").empty
    assert "failed. policy 'queue', allocation, wave 0" in render_timeline(
        batch, 2, "queue"
    )


def test_a_run_that_is_not_there_is_named(batch: Batch):
    with pytest.raises(StoreError, match="holds no run 9 under policy queue"):
        timeline(batch, 9, "queue")


def test_only_the_largest_of_many_waves_are_told_one_by_one(tmp_path: Path):
    text = render_timeline(crowd_batch(tmp_path, waves=12), 0, "cash")
    assert text.count(" begins: ") == 5
    assert "the first of 7 smaller waves" in text


def test_waves_that_find_nobody_to_pay_are_told_together(tmp_path: Path):
    text = render_timeline(crowd_batch(tmp_path, waves=4), 0, "none")
    assert "the first of 4 waves that find nobody to pay" in text


def test_a_quiet_run_says_that_nobody_was_short(tmp_path: Path):
    rows = [finished(0, "queue", 0.0)]
    batch = make_batch(tmp_path, ["queue"], 1, runs=rows, paths=path_rows(0, "queue", 5))
    text = render_timeline(batch, 0, "queue")
    assert "M0 fell 4.0% at worst. Nobody was short" in text
