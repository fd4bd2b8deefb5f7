"""Tables of retention and of episodes: by hand, against the other tables, and as bytes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from abm import scenario as scenarios
from abm.adl.record import ADL_FILL
from abm.measures.retention import Fees, churn
from abm.montecarlo import retained
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import resume_batch, run_batch
from abm.montecarlo.store import Batch
from abm.montecarlo.verify import verify
from abm.world import NONE

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"
PLAN = (
    "run.runs=4", "run.block=2", "run.policies=['hyperliquid', 'pro-rata']",
    "time.duration_s=180", "venue.fees_to_insurance=0.2", "episodes.newcomers_per_day=1",
    "outputs.paths_of_first_runs=1", "outputs.audit_of_first_runs=1",
)  # fmt: skip


def plan(*more: str) -> Plan:
    return Plan.of(scenarios.load(MINIMAL, [*PLAN, *more]))


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def several(tmp_path_factory) -> Batch:
    folder = tmp_path_factory.mktemp("several") / "run"
    return run_batch(plan("episodes.count=3"), folder, workers=1, quiet=True)


# --- by hand ----------------------------------------------------------------------------

# Accounts 0 to 2 are the house's; trader 0 has the accounts 3 and 5, trader 1 account 4.
OWNER = np.array([NONE, NONE, NONE, 0, 1, 0])


def _haircuts(**over):
    columns = {
        "wave": np.array([0, 0, 0, 1]),
        "account": np.array([3, 5, 2, 3]),
        "amount_quanta": np.array([10, 30, 500, 25]) * 10**6,
        "capacity_usd": np.array([100.0, 100.0, 900.0, 50.0]),
        "equity_usd": np.array([200.0, 300.0, 900.0, 100.0]),
    }
    return columns | over


@pytest.mark.parametrize(
    ("base", "shares"), [("profit", [0.2, 0.5]), ("equity", [0.08, 0.25])]
)
def test_what_a_trader_lost_is_that_of_all_its_accounts(base, shares):
    hit = retained.hits(base, _haircuts(), [], OWNER)
    assert hit.wave.tolist() == [0, 1]
    assert hit.trader.tolist() == [0, 0]
    assert hit.amount.tolist() == [40 * 10**6, 25 * 10**6]
    assert hit.share == pytest.approx(shares)


def test_a_gain_is_no_haircut():
    amounts = np.array([-10, 4, 0, 0]) * 10**6
    hit = retained.hits("profit", _haircuts(amount_quanta=amounts), [], OWNER)
    assert hit.amount.tolist() == [0, 0]
    assert hit.share.tolist() == [0.0, 0.0]


def test_what_was_closed_of_positions_is_a_share_by_value():
    # In wave 0 trader 0 loses 30 of 40 lots worth 2, in two fills, and all 20 worth 1.
    rows = [(0, 3, 10, 40), (0, 3, 20, 40), (1, 5, 20, 20), (0, 2, 9, 9)]
    fills = np.zeros(len(rows), ADL_FILL)
    for i, name in enumerate(("market", "account", "lots", "held")):
        fills[name] = [row[i] for row in rows]
    wave = SimpleNamespace(number=0, mark=np.array([2, 1]), unit=np.array([1, 1]))
    call = SimpleNamespace(wave=wave, outcome=SimpleNamespace(fills=fills))
    hit = retained.hits("position", _haircuts(), [call], OWNER)
    # Wave 1 closed nothing: there the share of profit counts.
    assert hit.share == pytest.approx([(60 + 20) / (80 + 20), 0.5])


def test_nobody_hit_is_nobody_lost():
    hit = retained.hits("profit", {}, [], OWNER)
    assert [len(column) for column in hit] == [0, 0, 0, 0]


# --- against the other tables -----------------------------------------------------------


def test_groups_add_up_to_everybody_and_to_the_runs_row(several):
    groups = several.frame("retention")
    runs = several.frame("runs").set_index(["run", "policy"])
    episodes = several.frame("episodes")
    sums = groups.groupby(["run", "policy"]).sum(numeric_only=True)
    arrived = episodes.groupby(["run", "policy"])["newcomers"].sum() + 200
    assert (sums["accounts"] == arrived).all()
    assert (sums["left"] == runs["accounts_left"]).all()
    assert (sums["leaving"] == runs["accounts_leaving"]).all()
    assert (groups["hit"] <= groups["accounts"]).all()
    assert (groups["expected_churn"] <= groups["hit"] + 1e-9).all()
    retained_value = sums["lifetime_value_usd"] - sums["value_lost_usd"]
    assert runs["retained_value_usd"].to_numpy() == pytest.approx(retained_value.to_numpy())
    share = runs["retained_value_share"]
    assert share.between(0.0, 1.0).all()
    assert (share < 1.0).any()
    lifetime = Fees().lifetime
    value = groups["lifetime_value_usd"]
    assert value.to_numpy() == pytest.approx(groups["wealth_end_usd"].to_numpy() * lifetime)


def test_expected_churn_is_that_of_the_haircuts(several):
    # Every trader has one account here, and waves of cash take shares of profit.
    haircuts = several.frame("haircuts")
    haircuts = haircuts[(haircuts["policy"] == "pro-rata") & (haircuts["kind"] != "maker")]
    burden = haircuts.groupby(["run", "account"])["share"].sum()
    expected = pd.Series(churn(burden), burden.index).groupby("run").sum()
    runs = several.frame("runs").set_index(["policy", "run"]).loc["pro-rata"]
    found = runs["expected_churn"].reindex(expected.index)
    assert found.to_numpy() == pytest.approx(expected.to_numpy())
    assert expected.sum() > 1.0


def test_episodes_add_up_to_their_run(several):
    episodes = several.frame("episodes")
    runs = several.frame("runs").set_index(["run", "policy"])
    assert episodes.groupby(["run", "policy"]).size().eq(3).all()
    sums = episodes.groupby(["run", "policy"]).sum(numeric_only=True)
    assert (sums["covered_quanta"] == runs["covered_quanta"]).all()
    waves = several.frame("waves")
    counted = waves.groupby(["run", "policy"]).size().reindex(runs.index, fill_value=0)
    assert (sums["waves"] == counted).all()
    last = episodes[episodes["episode"] == 2].set_index(["run", "policy"])
    assert (last["residual_quanta"] == runs["residual_quanta"]).all()
    ends = last["insurance_end_usd"].reindex(runs.index)
    assert (ends == runs["insurance_end_usd"]).all()


def test_fees_of_calm_days_fill_the_fund_by_their_share(several):
    later = several.frame("episodes").query("episode > 0")
    assert (later["calm_fees_quanta"] > 0).all()
    # Each account's share is rounded down to whole quanta.
    missing = 0.2 * later["calm_fees_quanta"] - later["to_insurance_quanta"]
    assert missing.between(0.0, 400.0).all()


def test_times_go_on_and_waves_are_counted_on(several):
    waves = several.frame("waves")
    for _, rows in waves.groupby(["run", "policy"]):
        assert rows["wave"].tolist() == list(range(len(rows)))
        assert rows["start_s"].is_monotonic_increasing
    assert waves["start_s"].max() > 360.0
    paths = several.frame("paths")
    assert sorted(paths["time_s"].unique()) == list(range(540))


def test_policies_share_shocks_and_newcomers(several):
    episodes = several.frame("episodes")
    for column in ("seed", "newcomers", "newcomers_equity_quanta"):
        wide = episodes.pivot(index=["run", "episode"], columns="policy", values=column)
        assert (wide["hyperliquid"] == wide["pro-rata"]).all()
    assert episodes["seed"].nunique() == 12


# --- as bytes ---------------------------------------------------------------------------


def test_a_batch_begun_by_one_and_ended_by_two_workers_has_the_same_bytes(
    several, tmp_path
):
    folder = tmp_path / "late"
    batch = run_batch(plan("episodes.count=3"), folder, workers=1, quiet=True, minutes=0.0)
    assert len(batch.manifest["blocks"]) < 2
    resume_batch(folder, workers=2, quiet=True)
    assert contents(folder) == contents(several.folder)


def test_the_first_of_several_episodes_has_the_rows_of_a_run_of_one(several, tmp_path):
    alone = run_batch(plan(), tmp_path / "alone", workers=1, quiet=True)
    for table in ("haircuts", "adl_fills", "liquidations", "paths"):
        first = several.frame(table).query("time_s < 180").reset_index(drop=True)
        pd.testing.assert_frame_equal(first, alone.frame(table))
    one = alone.frame("episodes")
    assert (one["episode"] == 0).all()
    for column in ("deficit_quanta", "covered_quanta", "residual_quanta"):
        assert one[column].tolist() == alone.frame("runs")[column].tolist()
    first = several.frame("episodes").query("episode == 0").reset_index(drop=True)
    pd.testing.assert_frame_equal(first, one)


@pytest.mark.parametrize(
    ("table", "column", "row"),
    [
        ("episodes", "to_insurance_quanta", 1), ("episodes", "left", 0),
        ("episodes", "seed", 2), ("episodes", "vault_end_quanta", 0),
        ("retention", "leaving", 0), ("retention", "value_lost_usd", 1),
    ],
)  # fmt: skip
def test_verify_finds_what_was_changed(several, table, column, row):
    path = several.folder / f"{table}.parquet" / "block-000000.parquet"
    before = path.read_bytes()
    found = pq.read_table(path)
    values = found[column].to_pylist()
    values[row] += 1
    place = found.column_names.index(column)
    pq.write_table(found.set_column(place, found.field(place), [values]), path)
    findings = verify(several.folder).findings
    path.write_bytes(before)
    assert any("SHA-256" in one.message for one in findings)
    # Other tables contradict it, too.
    assert any(not one.message for one in findings)


def test_a_batch_of_several_episodes_is_sound(several):
    verdict = verify(several.folder)
    assert verdict.sound, verdict.findings
    assert verdict.runs == 2


def test_a_policy_refused_in_a_later_episode_fails_its_run_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rules = tmp_path / "late.py"
    rules.write_text(
        "import numpy as np\n"
        "calls = {'seen': 0}\n"
        "def trigger(wave, past):\n"
        "    if wave.now_s > 180:\n        raise RuntimeError('too late')\n"
        "    return True\n"
    )
    given = plan(
        "episodes.count=2", "run.runs=2", "run.policies=['mine', 'pro-rata']",
        f"policies.mine={{preset='pro-rata', trigger='{rules}:trigger'}}",
    )  # fmt: skip
    batch = run_batch(given, tmp_path / "run", workers=1, quiet=True)
    runs = batch.frame("runs").set_index(["policy", "run"])
    assert runs.loc["mine", "failed"].any()
    assert not runs.loc["pro-rata", "failed"].any()
    failed = runs.loc["mine"].query("failed").index
    episodes = batch.frame("episodes").query("policy == 'mine'")
    assert not episodes["run"].isin(failed).any()
    assert verify(batch.folder).sound
