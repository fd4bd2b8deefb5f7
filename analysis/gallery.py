"""The figures of a batch in groups, each of which can be drawn in a process of its own.

This loads no plotting: that is for the process that draws.
"""

from __future__ import annotations

from pathlib import Path

from abm.montecarlo.store import Batch


def groups(batch: Batch) -> list[tuple[str, ...]]:
    """Names of a batch's figures; those of a group share what they read."""
    found = [("deficits",), ("one-run",), ("who-paid", "lorenz"), ("counterfactual",)]
    if int(batch.scenario.get("episodes", {}).get("count", 1)) > 1:
        found.append(("churn", "episodes"))
    return found


def draw(batch: Path, names: tuple[str, ...]) -> list[Path]:
    """Draw a group of figures of the batch in a folder; return the files."""
    from analysis.figures import draw_group

    return draw_group(Batch(batch), names, batch)
