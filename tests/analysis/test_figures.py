from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from abm.montecarlo.store import Batch
from analysis import style
from analysis.ablation import ablation
from analysis.figures import (
    draw_all,
    draw_deficits,
    draw_lorenz,
    draw_one_run,
    draw_who_paid,
)
from analysis.figures.ablation import draw_ablation
from analysis.payers import read_payers
from tests.analysis.batches import crowd_batch, failed, finished, make_batch

MANY = ("contracts", "cash", "none", *(f"contracts-{i}" for i in range(9)))


def all_figures(batch: Batch) -> list[Figure]:
    payers = read_payers(batch)
    return [
        draw_deficits(batch),
        draw_one_run(batch),
        draw_who_paid(batch, payers),
        draw_lorenz(batch, payers),
    ]


def small_print(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def assert_can_be_read(figure: Figure) -> None:
    """A title, labels on the outer axes, small print, and nothing outside the paper."""
    assert figure.get_suptitle()
    assert "Scenario made, " in small_print(figure)
    assert "first seed 7" in small_print(figure)
    figure.draw_without_rendering()
    paper = figure.bbox
    for axes in figure.axes:
        assert axes.get_title(loc="left")
        assert axes.get_ylabel() or axes.get_yticklabels()
        assert axes.get_xlabel() or axes.get_subplotspec().get_gridspec().nrows > 1
        around = axes.get_tightbbox()
        assert around.x0 >= paper.x0 - 1
        assert around.x1 <= paper.x1 + 1
        assert around.y0 >= paper.y0 - 1
        assert around.y1 <= paper.y1 + 1


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    """Some of everything; nobody writes into its folder."""
    return crowd_batch(tmp_path_factory.mktemp("crowd"))


@pytest.fixture(scope="module")
def laid_out(crowd: Batch) -> list[Figure]:
    figures = all_figures(crowd)
    for figure in figures:
        figure.draw_without_rendering()
    return figures


def test_figures_of_some_of_everything_can_be_read(laid_out: list[Figure]):
    for figure in laid_out:
        assert_can_be_read(figure)


@pytest.mark.parametrize(
    ("policies", "runs", "markets", "waves"),
    [
        (("contracts",), 6, 1, 1),
        (("cash",), 30, 12, 40),
        (MANY, 6, 1, 2),
    ],
)
def test_figures_can_be_read(
    tmp_path: Path, policies: tuple[str, ...], runs: int, markets: int, waves: int
):
    batch = crowd_batch(tmp_path, policies, runs, markets, waves)
    for figure in all_figures(batch):
        assert_can_be_read(figure)


def test_no_legend_covers_data(laid_out: list[Figure]):
    for figure in laid_out:
        legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
        for legend in [*legends, *figure.legends]:
            box = legend.get_window_extent()
            for axes in figure.axes:
                inner = axes.get_window_extent()
                across = min(box.x1, inner.x1) - max(box.x0, inner.x0)
                down = min(box.y1, inner.y1) - max(box.y0, inner.y0)
                assert min(across, down) <= 1.0


@pytest.mark.parametrize("kind", ["failed", "calm", "empty"])
def test_batches_with_nothing_to_show_are_drawn_and_say_so(tmp_path: Path, kind: str):
    rows = {
        "failed": [failed(0, "mine"), failed(1, "mine")],
        "calm": [finished(0, "mine", 0.0), finished(1, "mine", 0.0)],
        "empty": [],
    }[kind]
    batch = make_batch(tmp_path, ["mine"], 2, runs=rows)
    for figure in all_figures(batch):
        figure.draw_without_rendering()
        said = [text.get_text() for axes in figure.axes for text in axes.texts]
        said += [axes.get_title(loc="left") for axes in figure.axes]
        assert any("no" in text.lower() for text in said)


def test_draw_all_writes_five_pictures(crowd: Batch, tmp_path: Path):
    files = draw_all(crowd, tmp_path)
    names = ["deficits.png", "one-run.png", "who-paid.png", "lorenz.png"]
    names.append("counterfactual.png")
    assert [path.name for path in files] == names
    for path in files:
        assert path.parent == tmp_path / "figures"
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 20_000


def test_equal_batches_give_equal_pictures(tmp_path: Path):
    batch = crowd_batch(tmp_path, runs=6)
    first = style.save(draw_deficits(batch), tmp_path / "a.png").read_bytes()
    second = style.save(draw_deficits(batch), tmp_path / "b.png").read_bytes()
    assert first == second


def test_drawing_leaves_the_callers_look_alone(tmp_path: Path):
    before = dict(mpl.rcParams)
    draw_deficits(crowd_batch(tmp_path, runs=6))
    assert dict(mpl.rcParams) == before


def test_a_policy_has_one_colour_in_every_figure():
    styles = style.policy_styles(MANY)
    looks = {(look["color"], str(look["linestyle"])) for look in styles.values()}
    assert len(looks) == len(MANY)
    assert style.policy_styles(MANY[:3])["none"] == styles["none"]


def test_exceedance_curve_falls_from_all_runs_to_none(tmp_path: Path):
    batch = crowd_batch(tmp_path, ("none",))
    curve = draw_deficits(batch).axes[0].get_lines()[0]
    deficits = np.sort(batch.frame("runs")["deficit_usd"])
    x, y = curve.get_data()
    np.testing.assert_allclose(x[1:], deficits)
    assert y[0] == 1.0
    assert y[15] == pytest.approx(np.mean(deficits > x[15]))


def test_one_run_tells_the_worst_of_the_runs_with_paths(laid_out: list[Figure]):
    figure = laid_out[1]
    assert figure.get_suptitle() == "What happened in run 0 under contracts?"
    assert len(figure.axes) == 4
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "Mark prices: M1 falls most, by 59.0%"


def test_one_run_without_paths_shows_what_is_known(tmp_path: Path):
    rows = [finished(0, "mine", 5.0)]
    batch = make_batch(tmp_path, ["mine"], 1, paths_of_first_runs=0, runs=rows)
    figure = draw_one_run(batch)
    assert len(figure.axes) == 1
    assert "prices and depth were not kept" in small_print(figure)


def test_policies_by_contracts_show_money_and_notional_apart(laid_out: list[Figure]):
    _, _, who_paid, lorenz = laid_out
    labels = [text.get_text() for text in who_paid.legends[0].texts]
    assert "contracts: money" in labels
    assert "contracts: notional closed" in labels
    assert "cash" in labels
    titles = [axes.get_title(loc="left") for axes in lorenz.axes]
    assert titles[0] == "Money given: Lorenz curve"
    assert titles[2] == "Notional closed by ADL: Lorenz curve"


def test_bars_of_who_paid_add_up_to_everything(tmp_path: Path):
    batch = crowd_batch(tmp_path, ("cash",))
    figure = draw_who_paid(batch, read_payers(batch))
    for axes in figure.axes:
        assert sum(bar.get_width() for bar in axes.patches) == pytest.approx(1.0)


def study(folder: Path) -> dict[str, Batch]:
    """A full model and a variant that takes 30% off every deficit."""
    found = {}
    for name, factor in (("full model", 1.0), ("milder", 0.7), ("gone", 0.0)):
        rows = [
            finished(run, policy, factor * 100.0 * (run + 1))
            for run in range(12)
            for policy in ("queue", "share")
        ]
        found[name] = make_batch(folder / name, ["queue", "share"], 12, runs=rows)
    return found


def test_ablation_is_paired_by_seed(tmp_path: Path):
    table = ablation(study(tmp_path))
    milder = table.loc[("milder", "queue")]
    assert milder["deficit"] == pytest.approx(0.7 * 650.0)
    assert milder["difference"] == pytest.approx(-0.3 * 650.0)
    assert milder["difference_low"] < milder["difference"] < milder["difference_high"] < 0
    # Every run loses the same share, so the change is known without doubt.
    assert milder["change"] == pytest.approx(-0.3)
    assert milder["change_low"] == pytest.approx(-0.3)
    assert table.loc[("gone", "share"), "change"] == pytest.approx(-1.0)
    assert np.isnan(table.loc[("full model", "queue"), "difference"])


def test_ablation_figure_can_be_read(tmp_path: Path):
    figure = draw_ablation(study(tmp_path), "Which ingredients make the deficit?")
    figure.draw_without_rendering()
    left, right = figure.axes
    assert figure.get_suptitle() == "Which ingredients make the deficit?"
    assert [label.get_text() for label in left.get_yticklabels()] == list(study(tmp_path))
    assert "USD" in left.get_xlabel()
    assert right.get_xlabel()
    assert "first seed 7" in small_print(figure)
