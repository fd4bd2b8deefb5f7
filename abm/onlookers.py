"""Who looks on at a run, and who plays in it."""

from __future__ import annotations

from typing import Protocol

from abm.adl.policy import Policy
from abm.adl.record import Call
from abm.world import World


class Watcher(Protocol):
    """Looks at a run from outside, without changing it."""

    @property
    def due(self) -> int | None:
        """The next step after which it wants to look; None if there is none."""

    @property
    def marks_until(self) -> int:
        """The last step after which the record must have the marks; -1 for none."""

    def look(self, world: World, step: int) -> None:
        """Look at the world after a step that was due."""

    def answered(self, world: World, call: Call) -> None:
        """Look at a call that was answered in the present step."""

    def began(self, world: World) -> None:
        """Look at the world in which another episode begins."""


class Players(Protocol):
    """Acts in a run: strategies that traders play."""

    @property
    def every(self) -> int:
        """Steps between two looks; 0 if they never look."""

    @property
    def waits(self) -> bool:
        """Whether they want to know what became of their orders in this step."""

    def act(self, world: World, policy: Policy) -> World:
        """Act between the crowd's orders and the matching of a step."""

    def settle(self, world: World) -> None:
        """Look what became of the orders, after their step."""

    def called(self, world: World) -> None:
        """Look at the world in which a wave is about to be answered."""

    @property
    def reads_policy(self) -> bool:
        """Whether what they do depends on the policy."""

    def fork(self) -> Players:
        """The same past, with a future of its own."""
