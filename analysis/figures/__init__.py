"""The figures of a batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from abm.montecarlo.store import Batch
from analysis import gallery, style
from analysis.figures.counterfactual import draw_counterfactual
from analysis.figures.deficits import draw_deficits
from analysis.figures.lorenz import draw_lorenz
from analysis.figures.one_run import draw_one_run
from analysis.figures.retention import draw_churn, draw_episodes
from analysis.figures.who_paid import draw_who_paid
from analysis.payers import Payers, read_payers

_OF_RUNS: dict[str, Callable[[Batch], Figure]] = {
    "deficits": draw_deficits,
    "one-run": draw_one_run,
    "counterfactual": draw_counterfactual,
    "churn": draw_churn,
    "episodes": draw_episodes,
}
_OF_PAYERS: dict[str, Callable[[Batch, Payers], Figure]] = {
    "who-paid": draw_who_paid,
    "lorenz": draw_lorenz,
}


def draw_all(batch: Batch, folder: str | Path) -> list[Path]:
    """Draw every figure of a batch into ``folder/figures``; return the files."""
    drawn = (draw_group(batch, names, folder) for names in gallery.groups(batch))
    return [path for paths in drawn for path in paths]


def draw_group(batch: Batch, names: tuple[str, ...], folder: str | Path) -> list[Path]:
    """Draw the figures of these names into ``folder/figures``; return the files."""
    payers = read_payers(batch) if _OF_PAYERS.keys() & set(names) else None
    drawn = []
    for name in names:
        if payers is not None and name in _OF_PAYERS:
            figure = _OF_PAYERS[name](batch, payers)
        else:
            figure = _OF_RUNS[name](batch)
        drawn.append(style.save(figure, Path(folder) / "figures" / f"{name}.png"))
    return drawn
