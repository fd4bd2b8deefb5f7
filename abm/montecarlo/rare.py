"""The probability that a venue without ADL ends up short by more than an amount."""

from __future__ import annotations

from dataclasses import dataclass

from abm import genesis
from abm.compiled import kernel
from abm.engine import Engine, policy_of
from abm.montecarlo import splitting
from abm.montecarlo.splitting import RareEvent
from abm.scenario import Scenario
from abm.units import QUANTA_PER_USD
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


@dataclass
class Path:
    """A run on its way, and the highest distress that it has had (USD)."""

    engine: Engine
    highest: float


@dataclass(frozen=True)
class Distress:
    """Runs of a scenario in which nobody is deleveraged, scored by distress in USD.

    A :class:`abm.montecarlo.splitting.Process`.
    """

    scenario: Scenario

    def start(self, seed: int) -> Path:
        """A new world."""
        world = genesis.new_world(self.scenario, seed)
        engine = Engine(world, policy_of(self.scenario, "none"))
        return Path(engine, self._now(engine))

    def fork(self, state: Path, seed: int) -> Path:
        """The same past; draws come from another seed from now on."""
        engine = state.engine.fork(state.engine.policy)
        engine.world.clock[0]["seed"] = seed
        return Path(engine, state.highest)

    def run(self, state: Path, level: float) -> bool:
        """Step until distress exceeds a level or the run ends."""
        steps = self.scenario.time.steps
        while state.highest <= level:
            done = int(state.engine.world.clock[0]["step"])
            if done == steps:
                return False
            state.engine.run_to(done + 1)
            state.highest = max(state.highest, self._now(state.engine))
        return True

    def highest(self, state: Path) -> float:
        """The highest distress so far, USD."""
        return state.highest

    def age(self, state: Path) -> float:
        """Part of the scenario's duration that has passed."""
        return float(state.engine.world.clock[0]["step"]) / self.scenario.time.steps

    @staticmethod
    def _now(engine: Engine) -> float:
        return float(distress(engine.world)) / QUANTA_PER_USD


def deficit_probability(
    scenario: Scenario, deficit_usd: float, *, effort: int = 100, replications: int = 20,
    seed: int = 1,
) -> RareEvent:  # fmt: skip
    """Probability that the venue is at some time short by more than `deficit_usd`.

    Parameters
    ----------
    scenario : Scenario
        Its policies are not asked: nobody is deleveraged. Of several episodes it is the
        first.
    deficit_usd : float
        In USD.
    effort, replications, seed
        Of :func:`abm.montecarlo.splitting.estimate`.
    """
    return splitting.estimate(
        Distress(scenario), deficit_usd, effort=effort, replications=replications, seed=seed
    )
