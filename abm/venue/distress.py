"""How far a venue is from being short, in one number that grows before it is."""

from __future__ import annotations

from abm.compiled import kernel
from abm.venue.liquidation import shortfall
from abm.venue.margin import equity_of
from abm.world import World


@kernel
def distress(world: World) -> int:
    """How much the venue is short, or less than zero: what its purses can still lose.

    Money missing at the marks less the positive equity of vault and insurance fund, in
    quanta. It grows while the purses are used up, before anything is missing.
    """
    ledger, markets = world.ledger, world.markets
    left = max(0, equity_of(ledger, markets, ledger.pots[0].backstop))
    left += max(0, equity_of(ledger, markets, ledger.pots[0].insurance))
    return shortfall(ledger, world.risk, markets) - left
