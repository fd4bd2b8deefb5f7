"""When does ADL act? A trigger answers yes or no for a wave."""

from __future__ import annotations

from collections.abc import Callable

from abm.adl.wave import Wave

Trigger = Callable[[Wave], bool]


def venue_short(wave: Wave) -> bool:
    """Whenever any account, the vault or the fund has negative equity."""
    return wave.total_deficit > 0


def never(wave: Wave) -> bool:
    """Not at all: the shortfall stays where it is."""
    return False


TRIGGERS: dict[str, Trigger] = {"venue-short": venue_short, "never": never}
