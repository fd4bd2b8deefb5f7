"""The figures of a batch."""

from __future__ import annotations

from pathlib import Path

from abm.montecarlo.store import Batch
from analysis import style
from analysis.figures.counterfactual import draw_counterfactual
from analysis.figures.deficits import draw_deficits
from analysis.figures.lorenz import draw_lorenz
from analysis.figures.one_run import draw_one_run
from analysis.figures.retention import draw_churn, draw_episodes
from analysis.figures.who_paid import draw_who_paid
from analysis.payers import read_payers


def draw_all(batch: Batch, folder: str | Path) -> list[Path]:
    """Draw every figure of a batch into ``folder/figures``; return the files."""
    payers = read_payers(batch)
    figures = {
        "deficits": draw_deficits(batch),
        "one-run": draw_one_run(batch),
        "who-paid": draw_who_paid(batch, payers),
        "lorenz": draw_lorenz(batch, payers),
        "counterfactual": draw_counterfactual(batch),
    }
    if int(batch.scenario.get("episodes", {}).get("count", 1)) > 1:
        figures |= {"churn": draw_churn(batch), "episodes": draw_episodes(batch)}
    place = Path(folder) / "figures"
    return [style.save(figure, place / f"{name}.png") for name, figure in figures.items()]
