from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from abm import contest as contests
from abm.montecarlo.contest import begin_contest, resume_contest, run_contest
from abm.montecarlo.payoffs import payoffs
from abm.montecarlo.store import Batch, StoreError
from analysis.gaming.matrix import matrix
from analysis.gaming.reading import open_contest

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"

TEXT = f"""
extends = "{MINIMAL}"
name = "tiny"
time.duration_s = 150
run.runs = 3
run.policies = ["hyperliquid", "pro-rata"]
contest.strategies = ["split", "reset-entry"]
contest.adopters = [0.3]
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> contests.Contest:
    path = tmp_path_factory.mktemp("configs") / "tiny.toml"
    path.write_text(TEXT)
    return contests.load(path)


@pytest.fixture(scope="module")
def folder(tiny: contests.Contest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "tiny"
    run_contest(tiny, place, workers=1, quiet=True)
    return place


def test_players_are_the_same_people_with_the_same_wealth_in_every_batch(folder: Path):
    contest = open_contest(folder)
    assert contest.strategies == ["split", "reset-entry"]
    for match, policy in contest.cells():
        pair = match.pair(policy)
        assert len(pair.honest) == 3
        for who in ("players", "others"):
            same = pair.change(who, "traders"), pair.change(who, "wealth_start_usd")
            assert all((one == 0).all() for one in same)


def test_payoffs_are_the_difference_of_what_is_kept(folder: Path):
    contest = open_contest(folder)
    match = contest.matches[1]
    found = payoffs(match.played, match.honest, "pro-rata", ["reset-entry"], ["split"])
    expected = match.pair("pro-rata").change("players", "kept_usd")
    np.testing.assert_allclose(found.gain_usd[:, 0], expected)
    assert found.runs == list(expected.index)
    table = matrix(contest)
    gain = table.loc[("reset-entry", 0.3, 0, "pro-rata"), "gain"]
    assert found.per_dollar[0] == pytest.approx(gain)


def test_a_contest_that_was_stopped_ends_as_one_that_was_not(
    tiny: contests.Contest, folder: Path, tmp_path: Path
):
    place = tmp_path / "tiny"
    begin_contest(tiny, place)
    stopped = resume_contest(place, workers=1, quiet=True, minutes=0.0)
    assert not any(batch.manifest["blocks"] for batch in stopped.values())
    with pytest.raises(StoreError, match="nothing of it is computed"):
        open_contest(place)
    done = resume_contest(place, workers=1, quiet=True)
    for name, batch in done.items():
        assert batch.content_hash() == Batch(folder / name).content_hash()
