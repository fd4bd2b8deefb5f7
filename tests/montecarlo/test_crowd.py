"""Spread, adversary and commitment on the smallest world: whole, resumed, refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from abm import crowd
from abm.montecarlo.adversary import candidate_at, resume_attack, run_attack
from abm.montecarlo.commitment import run_commitment
from abm.montecarlo.spread import mixes_of, run_spread
from abm.montecarlo.store import Batch, StoreError
from abm.scenario import ScenarioError
from analysis.gaming import attacks, commitments, spreading

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"
HOW = {"workers": 1, "quiet": True}
SHORT = (
    "time.step_s=2.0",
    "time.duration_s=150",
    "population.accounts=80",
    "population.positions=70",
)


def _question(what: str, *more: str, **table: object) -> crowd.Question:
    return crowd.load(MINIMAL, what, (*SHORT, *more), table)


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    question = _question(
        "attack", strategies=["split"], policy="pro-rata", adopters=0.3, population=5,
        generations=1, runs=2, report_runs=5,
    )  # fmt: skip
    return run_attack(question, tmp_path_factory.mktemp("runs") / "attack", **HOW)


def test_an_attack_reports_on_fresh_seeds_what_it_found_on_others(attacked: Path):
    found = attacks.open_attack(attacked)
    assert 3 <= len(found.tried) <= 5
    assert found.policy == "pro-rata"
    seeds = set(Batch(attacked / "report/best").frame("runs")["seed"])
    assert seeds == set(found.fresh)
    assert not seeds & set(found.seeds)
    assert found.best["gain"] == found.tried["gain"].max()
    assert "candidates were tried against pro-rata on 2 seeds" in attacks.render(found)


def test_an_attack_that_lost_its_end_is_gone_on_with_to_the_same(
    attacked: Path, tmp_path: Path
):
    place = tmp_path / "again"
    shutil.copytree(attacked, place)
    before = json.loads((place / "tried.json").read_text())
    (place / "tried.json").unlink()
    shutil.rmtree(place / before["tried"][-1]["folder"])
    shutil.rmtree(place / "report")
    resume_attack(place, **HOW)
    assert json.loads((place / "tried.json").read_text()) == before


def test_an_attack_that_was_changed_is_not_gone_on_with(attacked: Path, tmp_path: Path):
    place = tmp_path / "again"
    place.mkdir()
    index = json.loads((attacked / "attack.json").read_text())
    index["attack"]["runs"] = 3
    (place / "attack.json").write_text(json.dumps(index))
    with pytest.raises(StoreError, match="was changed"):
        resume_attack(place, **HOW)


def test_weights_become_shares_and_small_ones_play_nothing():
    over = {
        "play.split": {"low": 0.0, "high": 1.0},
        "play.extract": {"low": 0.0, "high": 1.0},
    }
    question = _question("attack", adopters=0.2, over=over)
    names = ["split", "extract"]
    mixed = candidate_at(question, question.table.over, names, np.array([0.5, 0.5]))
    assert mixed.play == {"split": 0.1, "extract": 0.1}
    lone = candidate_at(question, question.table.over, names, np.array([1.0, 0.01]))
    assert lone.play == {"split": 0.2}
    none = candidate_at(question, question.table.over, names, np.zeros(2))
    assert none.play == {"split": 0.2}


def test_a_spread_is_told_by_both_ways(tmp_path: Path):
    question = _question(
        "spread", strategies=["split"], policy="hyperliquid", shares=[0.2, 0.7],
        runs=5, chains=2, steps=4, step_runs=1,
    )  # fmt: skip
    folder = run_spread(question, tmp_path / "spread", **HOW)
    found = spreading.open_spread(folder)
    assert found.groups == ["others", "split"]
    np.testing.assert_allclose(found.mixes.sum(axis=1), 1.0)
    assert found.payoffs.shape == (5, 2, 2)
    text = spreading.render(found)
    assert "replicator dynamics" in text or "goes round" in text
    assert "Stochastic approximation, 2 chains" in text
    with pytest.raises(StoreError, match="exists already"):
        run_spread(question, folder, **HOW)


def test_mixes_hold_every_strategy_alone_in_pairs_and_all_alike():
    found = mixes_of(3, (0.3, 0.6))
    assert len(found) == 2 * (3 + 3 + 1)
    assert all(mix.sum() in (pytest.approx(0.3), pytest.approx(0.6)) for mix in found)
    assert len(mixes_of(1, (0.3,))) == 1


def test_a_commitment_answers_with_the_loss_under_the_best_response(tmp_path: Path):
    question = _question(
        "commit", 'policies.mine={preset="pro-rata"}', strategies=["split"], adopters=0.3,
        over={"policies.mine.allocation": ["pro-rata", "levelling"]}, candidates=2,
        runs=2, report_runs=5,
    )  # fmt: skip
    folder = run_commitment(question, tmp_path / "commit", **HOW)
    found = commitments.open_commitment(folder)
    assert len(found.tried) == 2
    assert found.naive["naive_loss_usd"] == found.tried["naive_loss_usd"].min()
    assert found.chosen["loss_usd"] == found.tried["loss_usd"].min()
    for one in (found.naive, found.chosen):
        gain = one["gains"]["split"]
        assert one["answer"] == ("split" if gain > 0 else "")
    assert "2 settings were compared on 2 seeds" in commitments.render(found)


@pytest.mark.parametrize(
    ("run", "what", "table", "names"),
    [
        (run_spread, "spread", {"strategies": ["nap"]}, "nap"),
        (run_attack, "attack", {}, "attack.over"),
        (run_attack, "attack", {"strategies": ["nap"]}, "nap"),
        (run_commitment, "commit", {"strategies": ["nap"]}, "nap"),
        (run_commitment, "commit", {"strategies": ["split"]}, "commit.over"),
        (run_commitment, "commit", {"loss": ["accounts_left"]}, "accounts_left"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_written(
    tmp_path: Path, run, what: str, table: dict[str, object], names: str
):
    with pytest.raises((ScenarioError, StoreError), match=names):
        run(_question(what, **table), tmp_path / "out", **HOW)
    assert not (tmp_path / "out").exists()
