"""The whole job in one call from Python: simulate, summarise, plot."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abm import scenario as scenarios
from abm.montecarlo.store import Batch
from abm.scenario import Scenario


class Results:
    """A finished batch.

    Parameters
    ----------
    folder : str or Path
        A run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.batch = Batch(folder)

    @property
    def folder(self) -> Path:
        """Where the tables are."""
        return self.batch.folder

    def frame(self, table: str) -> Any:
        """A table as a pandas data frame: ``runs``, ``waves``, ``haircuts``, ..."""
        return self.batch.frame(table)

    def compare(self) -> Any:
        """The policies side by side, a pandas data frame with intervals."""
        from analysis.comparison import compare

        return compare(self.batch)

    def summary(self) -> str:
        """The comparison as text, with the hash of all tables as its last line."""
        from analysis.comparison import render

        return f"{render(self.compare())}\ncontent {self.batch.content_hash()}"

    def plot(self, folder: str | Path | None = None) -> list[Path]:
        """Draw the figures; return the files, in the run folder if not said otherwise."""
        from analysis.figures import draw_all

        return list(draw_all(self.batch, Path(folder) if folder else self.folder))

    def report(self, out: str | Path | None = None) -> Path:
        """Write the report as one HTML file, with every table as CSV beside it.

        Parameters
        ----------
        out : str or Path, optional
            The HTML file; ``report.html`` in the run folder if not given.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        from analysis.report.writing import write_report

        return Path(write_report(self.batch, out, quiet=True))


def simulate(
    scenario: Scenario | str | Path,
    *,
    out: str | Path | None = None,
    workers: int | None = 1,
    overrides: Sequence[str] = (),
    quiet: bool = False,
) -> Results:
    """Run a scenario's plan.

    Parameters
    ----------
    scenario : Scenario, str or Path
        A scenario or the file that holds one.
    out : str or Path, optional
        A new run folder; a temporary one if not given.
    workers : int, optional
        Processes; one a core if None. More than one needs the guard
        ``if __name__ == "__main__"`` in a script.
    overrides : sequence of str
        Such as ``["run.runs=4"]``; for scenario files only.
    quiet : bool
        Show no progress.

    Raises
    ------
    ScenarioError
        If the scenario is wrong; the message says where.
    StoreError
        If the folder exists or cannot be written.
    """
    from abm.montecarlo.plan import Plan
    from abm.montecarlo.runner import run_batch
    from abm.warm import warm_up

    if not isinstance(scenario, Scenario):
        scenario = scenarios.load(scenario, overrides)
    folder = Path(out) if out else Path(tempfile.mkdtemp(prefix="adl-")) / scenario.name
    warm_up(quiet=quiet)
    run_batch(Plan.of(scenario), folder, workers=workers, quiet=quiet)
    return Results(folder)


def open_run(folder: str | Path) -> Results:
    """The results of a batch that was run before.

    Raises
    ------
    StoreError
        If it is not a run folder.
    """
    return Results(folder)
