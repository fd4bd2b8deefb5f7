from __future__ import annotations

import html
import inspect
import itertools
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abm.api import Results
from abm.cli.fund import fund as command
from abm.montecarlo import store
from abm.montecarlo.store import COLUMNS, Batch, StoreError
from analysis import fund, notation, style
from analysis.figures import draw_deficits
from analysis.measures import Told
from analysis.report import cost, dominance, markets, overview, solvency, writing
from analysis.report.asked import Lazy
from analysis.report.drawing import DARK, inline
from analysis.report.section import Missing, Section
from analysis.report.writing import write_comparison, write_report
from tests.analysis.batches import (
    crowd_batch,
    failed,
    finished,
    haircut,
    make_batch,
    wave,
)
from tests.analysis.pages import PageReader
from tests.command import adl

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)

ANSWERED = (
    "in-short", "trilemma", "deficits", "covered", "time-to-cover", "fund",
    "worst-haircut", "who-paid", "lorenz", "against", "drivers", "departures", "one-run",
    "measures", "facts",
)  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Batch, Path]:
    folder = tmp_path_factory.mktemp("report")
    batch = crowd_batch(folder)
    rows = batch.frame("runs")
    stream = np.random.default_rng(2)
    rows["waves"] = 3
    rows["time_to_cover_s"] = np.where(rows["residual_usd"] > 0, np.nan, 10.0)
    rows["accounts_left"] = rows["adl_accounts"] // 2
    rows["fees_usd"] = stream.uniform(50.0, 150.0, len(rows))
    rows["liquidated_usd"] = 2.0 * rows["deficit_usd"]
    tables = ("waves", "haircuts", "liquidations", "paths", "audit")
    more = {name: batch.table(name).to_pylist() for name in tables}
    batch = make_batch(folder, batch.policies, 30, runs=_rows(rows), **more)
    return batch, write_report(batch, folder / "out" / ".." / "page.html", quiet=True)


def _rows(frame: pd.DataFrame) -> list[dict[str, object]]:
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(k): v for k, v in row.items() if v is not None} for row in rows]


@pytest.fixture(scope="module")
def page(written: tuple[Batch, Path]) -> PageReader:
    return PageReader(written[1].read_text("utf-8"))


def test_every_question_that_can_be_answered_is(page: PageReader):
    assert set(ANSWERED) <= set(page.texts)
    assert page.tags.count("svg") >= 12
    assert all(len(label) > 20 for label in page.labels)


def test_what_is_missing_is_named_with_the_reason(page: PageReader):
    facts = page.texts["facts"]
    assert "Does the damage compound from crash to crash? (the scenario has a" in facts
    assert "What did ADL cost against a world without it? (no run was forked" in facts


def test_identifiers_are_unique_and_references_lead_somewhere(
    written: tuple[Batch, Path], page: PageReader
):
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if link.startswith("#"):
            assert link[1:] in page.ids, link
        else:
            assert (written[1].parent / link).is_file(), link


def test_nothing_comes_from_outside(written: tuple[Batch, Path], page: PageReader):
    text = written[1].read_text("utf-8")
    assert not re.search(r"https?:|//\w|@import|<script|<link|<img", text)
    for reference in re.findall(r"url\((.*?)\)", text):
        assert reference.startswith("#"), reference
        assert reference[1:] in page.ids


def test_every_colour_of_a_figure_has_one_for_dark_mode(written: tuple[Batch, Path]):
    text = written[1].read_text("utf-8")
    for drawing in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        assert set(re.findall(r"#[0-9a-f]{6}\b", drawing)) == set()
        for name in re.findall(r"var\(--(\w+)\)", drawing):
            assert text.count(f"--{name}:") == 2
    assert "#222222" in DARK


def test_tables_are_beside_the_page(written: tuple[Batch, Path]):
    batch, path = written
    tables = path.with_name("page-tables")
    names = {file.stem for file in tables.glob("*.csv")}
    assert {"runs", "waves", "deficits", "trilemma", "differences-residual-usd"} <= names
    runs = pd.read_csv(tables / "runs.csv")
    np.testing.assert_allclose(runs["deficit_usd"], batch.frame("runs")["deficit_usd"])


def test_readings_say_what_the_tables_say(written: tuple[Batch, Path], page: PageReader):
    batch, path = written
    means = batch.frame("runs").groupby("policy").mean(numeric_only=True)
    tables = path.with_name("page-tables")
    told = pd.read_csv(tables / "in-short.csv").set_index(["measure", "policy"])
    for column in ("residual_usd", "largest_equity_share", "adl_accounts"):
        for policy in batch.policies:
            value = told.loc[(column, policy), "value"]
            assert value == pytest.approx(means.loc[policy, column])
    left = notation.usd(means.loc["none", "residual_usd"])
    # Doing nothing is not best where haircuts are compared.
    assert set(told.xs("none", level="policy")["stand"].iloc[2:].dropna()) == set()
    short = page.texts["in-short"]
    # Cash and contracts leave nothing, so the others' distance is the mean of `none`.
    assert "Residual: what was still missing at the end of a run." in short
    assert "The mean is lowest under contracts: $0, and the same under cash." in short
    assert f"It is clearly more under none (no ADL) by {left}" in short


def test_the_regime_is_told_from_deficits_and_fees(page: PageReader):
    assert "lies in the structural-deficit regime" in page.texts["trilemma"]
    assert "is best in all three" in page.texts["trilemma"]


def test_names_of_tables_are_set_as_code(page: PageReader):
    assert "diamonds; adl fund takes" in " ".join(page.texts["fund"].split())
    assert "`" not in "".join(page.texts.values())


def test_reasons_are_told_from_how_rules_settle_and_how_often_they_ask(tmp_path: Path):
    rows: dict[str, list[dict[str, object]]] = {"runs": [], "waves": [], "haircuts": []}
    for run in range(8):
        for name, accounts, touched, deficit, given in (
            ("queue", 2, 3, 1.0, (1.0, 1.0, 9.0)),
            ("share", 2, 7, 9.0, (2.0, 3.0, 4.0)),
        ):
            left = float(name == "queue" and run > 0)
            more = {"adl_accounts": accounts, "haircut_usd": given[0]}
            more |= {
                "accounts_left": given[0],
                "vault_end_usd": deficit,
                "residual_usd": left,
            }
            more |= {"largest_haircut_share": deficit / 20.0, "retained_value_usd": deficit}
            more |= {"largest_equity_share": deficit / 20.0, "expected_churn": 1.0}
            rows["runs"].append(finished(run, name, deficit + run, **more))
            more = {"touched": touched, "feasible": run > 2}
            more |= {"residual_quanta": int(run not in (2, 7))}
            rows["waves"].append(wave(run, name, 0, 1.0, 2.0, **more))
            rows["haircuts"] += [
                haircut(run, name, i, paid, 10.0) for i, paid in enumerate(given)
            ]
    made = make_batch(tmp_path, ["queue", "share"], 8, **rows)
    settle = {"queue": {"settlement": {"rule": "contracts", "price": "index"},
                        "allocation": {"rule": "queue", "score": "profit"}},
              "share": {"settlement": "cash", "allocation": "pro-rata"}}  # fmt: skip
    scenario = made.scenario | {"retention": {"beta": 5.0, "horizon_days": 730.0}}
    more = {"policy_tables": settle, "scenario": scenario}
    store.write_manifest(tmp_path, made.manifest | more)
    batch = Told(Batch(tmp_path))
    told = " ".join(overview.in_short(batch, Lazy(batch)).reading)
    assert "a run's deficit is $8.00 more under the cash rules" in told
    assert "a queue (queue) closes or takes all that it can of one" in told
    assert "First comes who has most of unrealised profit (queue)." in told
    assert "and begins with $0, ends with $9.00 there, by prices that" in told
    assert "in 3.50 waves a run to each that they hit, call by call (1.50 waves" in told
    assert "7 runs ended short under queue; in 1 those whom the rule may ask had" in told
    assert "in 4 all was closed that the last wave asked for, and the price" in told
    assert "in 2 the hole came after the last call. A position" in told
    assert "the price of closing, which is the index (queue)" in told
    assert "The median account hit gave 10.0% under queue and 30.0% under share" in told
    assert "Of those hit left 50.0% under queue and 100% under share; 2 under" in told


def test_who_hits_nobody_does_not_compete_where_hits_are_counted(tmp_path: Path):
    hits = {"queue": 5, "share": 9, "none": 0}
    rows = [
        finished(run, name, 1.0 + run, adl_accounts=hit, accounts_left=float(hit))
        for run in range(8)
        for name, hit in hits.items()
    ]
    told = Told(make_batch(tmp_path, list(hits), 8, runs=rows))
    for column in ("adl_accounts", "accounts_left"):
        stand = told.summary.xs(column, level="measure")["stand"]
        assert stand.to_dict() == {"queue": "best", "share": "worse", "none": ""}


def test_facts_name_the_seeds(page: PageReader):
    assert "7 to 36" in page.texts["facts"]


@pytest.mark.parametrize("kind", ["failed", "calm", "empty", "one"])
def test_batches_with_little_to_show_have_a_report_that_says_so(tmp_path: Path, kind: str):
    rows = {
        "failed": [failed(0, "mine"), failed(1, "mine")],
        "calm": [finished(0, "mine", 0.0), finished(1, "mine", 0.0)],
        "empty": [],
        "one": [finished(0, "mine", 5.0, residual_usd=5.0)],
    }[kind]
    batch = make_batch(tmp_path, ["mine"], 2, runs=rows)
    page = PageReader(write_report(batch, quiet=True).read_text("utf-8"))
    assert "Questions that this batch cannot answer" in page.texts["facts"]
    if kind in ("failed", "empty"):
        assert "No run finished" in page.texts["in-short"]


def test_names_from_a_scenario_are_no_markup(tmp_path: Path):
    name = "a<b>&\"c'"
    batch = make_batch(
        tmp_path, [name], 6, runs=[finished(i, name, i + 1.0) for i in range(6)]
    )
    page = PageReader(write_report(batch, quiet=True).read_text("utf-8"))
    assert name in page.texts["in-short"]


def test_equal_figures_give_equal_drawings(written: tuple[Batch, Path]):
    with style.cards():
        drawings = [inline(draw_deficits(written[0]), "x", "y") for _ in range(2)]
    assert drawings[0] == drawings[1]


def test_a_report_over_a_folder_is_refused(tmp_path: Path):
    batch = make_batch(tmp_path / "run", ["x"], 1, runs=[finished(0, "x", 1.0)])
    with pytest.raises(StoreError, match="is a folder"):
        write_report(batch, tmp_path)


# --- counterfactuals --------------------------------------------------------------------


def horizons(tmp_path: Path) -> Told:
    """Losses of run r: r at once, -r after 5 s; the fork says 10 more, give or take."""
    rows = []
    for run, number, at in itertools.product(range(8), (0, 1), (0.0, 5.0)):
        row = {name: 0.0 for name, kind in COLUMNS["horizons"] if kind == "float64"}
        row |= {"run": run, "policy": "p", "wave": number, "horizon_s": at}
        row |= {"haircut_usd": float(run), "net_usd": float(run if at == 0 else -run)}
        row |= {"path_net_usd": 100.0 * number, "gap_net_usd": 10.0 + run % 2}
        rows.append(row | {"true_net_usd": 110.0 * number + run % 2})
    runs = [finished(run, "p", 1.0) for run in range(8)]
    return Told(make_batch(tmp_path, ["p"], 8, runs=runs, horizons=rows))


def test_losses_at_later_prices_add_up_a_runs_waves(tmp_path: Path):
    told = horizons(tmp_path)
    found = cost.later(told, Lazy(told))
    assert isinstance(found, Section)
    net = next(t for t in found.tables if t.name == "later-net").data
    assert list(net["value"]) == [7.0, -7.0]
    # Half of 14 at once; from 7 to -7 by what prices did.
    assert "together $7.00 (" in found.reading[0]
    assert "-$14.0 (" in found.reading[0]


def test_the_gap_between_counterfactuals_is_that_of_the_whole_run(tmp_path: Path):
    told = horizons(tmp_path)
    found = cost.counterfactual(told, Lazy(told))
    assert isinstance(found, Section)
    data = found.tables[0].data.set_index("measure")
    assert data.loc["Fork less path", "value"] == 10.5
    assert data.loc["On the same path", "value"] == 100.0
    assert (
        "cost clearly more than the fixed path says under p: by $10.5" in found.reading[0]
    )


def test_a_batch_without_forks_says_so(tmp_path: Path):
    told = Told(make_batch(tmp_path, ["p"], 1, runs=[finished(0, "p", 1.0)]))
    assert isinstance(cost.counterfactual(told, Lazy(told)), Missing)


# --- two batches ------------------------------------------------------------------------


def pair_of_batches(folder: Path) -> tuple[Batch, Batch]:
    stream = np.random.default_rng(4)
    noise = stream.normal(0.0, 5.0, 20)
    first = [
        finished(i, p, 100.0 + i) for i in range(20) for p in ("same", "more", "noise")
    ]
    change = {"same": np.zeros(20), "more": np.full(20, 50.0), "noise": noise}
    second = [
        {**row, "deficit_usd": row["deficit_usd"] + change[row["policy"]][row["run"]]}
        for row in first
    ]
    names = ["same", "more", "noise"]
    return (
        make_batch(folder / "a", names, 20, runs=first),
        make_batch(folder / "b", names, 20, runs=second, duration_s=90.0),
    )


def test_two_batches_are_held_against_each_other_by_seed(tmp_path: Path):
    out = write_comparison(*pair_of_batches(tmp_path), tmp_path / "both.html", quiet=True)
    page = PageReader(out.read_text("utf-8"))
    short = page.texts["in-short"]
    assert "Deficit in made (B): the same under same; higher under more by $50.0; " in short
    assert "cannot be told apart under noise" in short
    assert "The scenarios differ in 1 key" in short
    assert "time.duration_s" in short
    data = pd.read_csv(tmp_path / "both-tables" / "changes.csv")
    row = data[(data["policy"] == "more") & (data["measure"] == "deficit_usd")].iloc[0]
    assert (row["pairs"], row["difference"], row["low"]) == (20, 50.0, 50.0)


def test_batches_without_a_common_policy_are_refused(tmp_path: Path):
    a = make_batch(tmp_path / "a", ["x"], 1, runs=[finished(0, "x", 1.0)])
    b = make_batch(tmp_path / "b", ["y"], 1, runs=[finished(0, "y", 1.0)])
    with pytest.raises(StoreError, match="no policy in common"):
        write_comparison(a, b, quiet=True)


def test_independent_samples_are_compared_as_such():
    from analysis.report.changes import difference

    stream = np.random.default_rng(3)
    covered = 0
    for _ in range(400):
        a = pd.Series(stream.normal(0.0, 1.0, 40), range(40))
        b = pd.Series(stream.normal(1.0, 2.0, 60), range(100, 160))
        found = difference(a, b)
        assert found.runs == 0
        covered += found.low <= 1.0 <= found.high
    assert 0.90 < covered / 400 < 0.99


# --- from the command and from Python ---------------------------------------------------


def test_the_command_names_the_report_and_its_tables(tmp_path: Path):
    pair_of_batches(tmp_path)
    words = ["report", tmp_path / "a", tmp_path / "b"]
    done = adl(*words, "--out", tmp_path / "x.html", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.output)
    assert told["report"] == str(tmp_path / "x.html")
    assert str(tmp_path / "x-tables" / "changes.csv") in told["tables"]


@pytest.mark.parametrize(
    ("words", "names"),
    [(["nowhere"], "nowhere"), (["a", "nowhere"], "nowhere"), (["a", "a", "a"], "one run")],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], names: str
):
    make_batch(tmp_path / "a", ["p"], 1, runs=[finished(0, "p", 1.0)])
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    done = adl("report", *words)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert names in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("out", ["taken/x.html", "taken/deep/x.html", "y.html"])
def test_a_report_that_could_not_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
):
    make_batch(tmp_path / "a", ["p"], 1, runs=[finished(0, "p", 1.0)])
    (tmp_path / "taken").write_text("a file, and no folder")
    (tmp_path / "y-tables").write_text("the same")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(writing, "build", None)
    before = sorted(tmp_path.rglob("*"))
    done = adl("report", "a", "--out", out)
    assert done.exit_code == 2
    assert done.stderr == f"adl: {out}: cannot be written: Not a directory\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_report_is_written_over_an_old_one_and_into_new_folders(tmp_path: Path):
    results = Results(make_batch(tmp_path, ["p"], 1, runs=[finished(0, "p", 1.0)]).folder)
    first = results.report(tmp_path / "new" / "er" / "out.html").read_bytes()
    assert results.report(tmp_path / "new" / "er" / "out.html").read_bytes() == first


def test_results_write_their_report(tmp_path: Path):
    make_batch(tmp_path, ["p"], 1, runs=[finished(0, "p", 1.0)])
    written = Results(tmp_path).report(tmp_path / "out.html")
    assert written.read_text("utf-8").startswith("<!DOCTYPE html>")


# --- as a reader sees it ----------------------------------------------------------------

MEASURING = """<!DOCTYPE html><html><body>
<iframe id="f" style="width:{width}px;height:900px"
srcdoc="{page}"></iframe><p id="said"></p><script>
window.onload = () => {{
  const d = document.getElementById("f").contentDocument;
  const wide = d.documentElement.scrollWidth;
  const tall = s => s.getBoundingClientRect().height;
  const bad = [...d.querySelectorAll("svg")].filter(s => tall(s) < 60);
  document.getElementById("said").textContent = "wide=" + wide + " bad=" + bad.length;
}};
</script></body></html>"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize("width", [400, 1200])
def test_a_browser_shows_it_without_errors_and_nothing_sticks_out(
    written: tuple[Batch, Path], tmp_path: Path, width: int
):
    text = written[1].read_text("utf-8")
    framed = tmp_path / "framed.html"
    framed.write_text(MEASURING.format(width=width, page=html.escape(text)), "utf-8")
    words = [
        str(CHROMIUM), "--headless=new", "--no-sandbox", "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}", "--enable-logging=stderr",
        "--virtual-time-budget=5000", "--dump-dom", f"file://{framed}",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=True)
    assert not re.search(r"CONSOLE.*(rror|efused|ailed)", done.stderr)
    said = re.search(r"wide=(\d+) bad=(\d+)", done.stdout)
    assert said is not None
    assert int(said[1]) <= width
    assert int(said[2]) == 0


# --- burdens as a whole, markets, funds -------------------------------------------------


def test_the_lighter_burden_is_told_run_by_run(tmp_path: Path):
    """Under `even` two accounts give 2 each, under `queue` one gives 4, in every run."""
    rows = [
        haircut(run, policy, account, amount, 100.0)
        for run in range(8)
        for policy, amounts in (("even", (2.0, 2.0)), ("queue", (4.0,)))
        for account, amount in enumerate(amounts)
    ]
    runs = [finished(run, p, 4.0) for run in range(8) for p in ("even", "queue")]
    told = Told(make_batch(tmp_path, ["even", "queue"], 8, runs=runs, haircuts=rows))
    found = dominance.lighter(told, Lazy(told))
    assert isinstance(found, Section)
    assert "lighter under even than under queue in 100% (63.1% to 100%)" in found.reading[0]
    (table,) = found.tables
    assert table.shown.loc["even", "queue"] == "100%"
    assert table.shown.loc["queue", "even"] == "0%"


def test_markets_tell_who_fell_furthest_and_was_thinnest(tmp_path: Path):
    rows = [
        {"run": run, "policy": "p", "market": market, "lowest_log_return": np.log(1 - fall),
         "lowest_log_return_60s": -0.01, "depth_ratio": depth, "deficit_usd": 1.0,
         "largest_open_interest_usd": size}
        for run in range(8)
        for market, fall, depth, size in (("A", 0.2, 0.5, 9.0), ("B", 0.4, 0.1, 5.0))
    ]  # fmt: skip
    runs = [finished(run, "p", 1.0) for run in range(8)]
    told = Told(make_batch(tmp_path, ["p"], 8, runs=runs, extremes=rows))
    found = markets.markets(told, Lazy(told))
    assert isinstance(found, Section)
    assert found.reading == [
        "In the median run B fell furthest, by 40.0%.",
        "The book was thinnest in B: 10.0% of its ordinary depth.",
    ]


def test_the_fund_is_that_of_the_command(written: tuple[Batch, Path]):
    batch, path = written
    sizes = fund.size_table(fund.needs(batch), solvency.COSTS)["size_usd"]
    told = pd.read_csv(path.with_name("page-tables") / "fund.csv")
    told = told[told["measure"] == "Fund"].set_index("policy")["value"]
    assert told.to_dict() == pytest.approx(sizes.to_dict())
    options = {
        one.name: one.default for one in inspect.signature(command).parameters.values()
    }
    assert (options["capital_cost"], options["reputation_cost"]) == solvency.COSTS
