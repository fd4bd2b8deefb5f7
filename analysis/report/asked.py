"""What every question of a report is asked with, and how it is answered."""

from __future__ import annotations

from analysis.measures import Told
from analysis.payers import Payers, read_payers
from analysis.report.section import Missing, Section

Answer = Section | Missing


class Lazy:
    """Who paid, read when it is first asked for."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._payers: Payers | None = None

    def __call__(self) -> Payers:
        """Everybody who paid, and who could have."""
        if self._payers is None:
            self._payers = read_payers(self._told.batch)
        return self._payers
