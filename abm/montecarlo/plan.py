"""What a batch will do: its seeds, its blocks, its policies."""

from __future__ import annotations

from dataclasses import dataclass

from abm.scenario import Scenario


@dataclass(frozen=True)
class Block:
    """A number of consecutive runs that are computed and written together."""

    number: int
    runs: range


@dataclass(frozen=True)
class Plan:
    """A scenario under some policies over many seeds."""

    scenario: Scenario
    policies: tuple[str, ...]
    runs: int

    @classmethod
    def of(cls, scenario: Scenario) -> Plan:
        """The plan that a scenario's `run` table describes."""
        return cls(scenario, scenario.run.policies, scenario.run.runs)

    def seed(self, run: int) -> int:
        """The seed of a run."""
        return self.scenario.run.seed + run

    def blocks(self) -> list[Block]:
        """All blocks, in order."""
        size = self.scenario.run.block
        starts = range(0, self.runs, size)
        return [Block(i, range(s, min(s + size, self.runs))) for i, s in enumerate(starts)]
