"""What being closed by ADL cost, once prices have moved on."""

from __future__ import annotations

from typing import NamedTuple


class Markout(NamedTuple):
    """Cost of a fill against the mark at once and against the mark later.

    Positive is a gain of what was held. `immediate` is against the mark of the moment,
    `opportunity` what the mark did afterwards, `total` both.
    """

    immediate: float
    opportunity: float
    total: float


def markout(held: float, price: float, mark: float, later: float) -> Markout:
    """``Q * (M_later - P)``, split at the mark of the moment.

    The definition of pluriholonomic/autodeleveraging-analysis.

    Parameters
    ----------
    held : float
        Signed size that was closed, as it was held.
    price, mark, later : float
        Price of the fill, mark at the fill, and mark at the horizon.
    """
    immediate, opportunity = held * (mark - price), held * (later - mark)
    return Markout(immediate, opportunity, immediate + opportunity)
