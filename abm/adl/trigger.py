"""When does ADL act? A trigger answers yes or no for a wave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from abm.adl.record import Call
from abm.adl.wave import Wave

Trigger = Callable[[Wave, Sequence[Call]], bool]
"""Called with the wave and the run's calls before it."""


def venue_short() -> Trigger:
    """Whenever any account, the vault or the fund has negative equity."""
    return lambda wave, past: wave.total_deficit > 0


def never() -> Trigger:
    """Not at all: the shortfall stays where it is."""
    return lambda wave, past: False


ANSWERS: dict[str, Callable[..., Trigger]] = {"venue-short": venue_short, "never": never}
