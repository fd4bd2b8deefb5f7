"""Questions to a crowd that plays: how far it goes, the worst it can do, what to do first.

Each is a table of a scenario file beside `contest`, or options of `adl game spread`,
`adl game attack` and `adl game commit`.

    [spread]
    strategies = ["split"]
    policy = "hyperliquid"

    [attack]
    policy = "pro-rata"
    [attack.over]
    "strategies.split.accounts" = [2, 4, 8]
    "play.split" = { low = 0.0, high = 1.0 }
    "play.leave-early" = { low = 0.0, high = 1.0 }

    [commit]
    strategies = ["split", "leave-early"]
    [commit.over]
    "policies.mine.severity.share" = { low = 0.05, high = 1.0 }

Keys of an attack are parameters of strategies, and weights of those in a mixture.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import Field

from abm import loading
from abm import scenario as scenarios
from abm.contest import MEASURED_SHARE, Adopters
from abm.faults import Fault
from abm.fields import Name, Part, Whole
from abm.scenario import Scenario, ScenarioError
from abm.sweep import Factor, FactorRange

MOST_RUNS = 1_000_000


class Spread(Part):
    """What the table `spread` may say."""

    strategies: tuple[Name, ...] = Field(
        (), max_length=5, description="strategies that may spread, beside playing nothing"
    )
    policy: Name | None = Field(None, description="the rule; the first of run if not given")
    shares: tuple[Adopters, ...] = Field(
        (MEASURED_SHARE, 0.1, 0.25, 0.5, 0.8), min_length=2, max_length=50,
        description="shares of players at which payoffs are simulated",
    )  # fmt: skip
    runs: Whole = Field(24, ge=5, le=MOST_RUNS, description="runs of a mix")
    chains: Whole = Field(
        4, ge=2, le=100, description="chains of the stochastic approximation"
    )
    steps: Whole = Field(16, ge=4, le=10_000, description="steps of a chain")
    step_runs: Whole = Field(4, ge=1, le=MOST_RUNS, description="runs of a step")

    def _faults(self) -> Iterable[Fault]:
        if max(self.shares) >= 1.0:
            yield Fault(
                ("shares",), "must leave somebody who plays nothing: less than 1 each"
            )


class Attack(Part):
    """What the table `attack` may say."""

    strategies: tuple[Name, ...] = Field(
        (), max_length=20, description="strategies to search, all parameters if no keys"
    )
    policy: Name | None = Field(None, description="the rule; the first of run if not given")
    adopters: Adopters = Field(MEASURED_SHARE, description="share of players in all")
    over: dict[str, Factor] = Field(
        {}, max_length=50, description="keys with their choices or ranges"
    )
    population: Whole = Field(16, ge=5, le=1000, description="candidates of a generation")
    generations: Whole = Field(4, ge=1, le=1000, description="generations")
    runs: Whole = Field(16, ge=2, le=MOST_RUNS, description="runs of a candidate")
    report_runs: Whole = Field(
        48, ge=5, le=MOST_RUNS, description="runs of what is reported, on other seeds"
    )
    seed: Whole = Field(1, ge=0, lt=2**32, description="seed of the search")

    def _faults(self) -> Iterable[Fault]:
        for key, factor in self.over.items():
            first, _, rest = key.partition(".")
            deep = bool(rest.partition(".")[2])
            if not ((first == "strategies" and deep) or (first == "play" and rest)):
                yield Fault(
                    ("over", key),
                    "must be strategies.NAME.PARAMETER or play.NAME (a weight)",
                )
            elif first == "play" and not isinstance(factor, FactorRange):
                yield Fault(("over", key), "must be a range of weights")
            elif not isinstance(factor, FactorRange) and not factor:
                yield Fault(("over", key), "must be a list of at least 1 entries")


class Commit(Part):
    """What the table `commit` may say."""

    strategies: tuple[Name, ...] = Field(
        (), max_length=100, description="what the crowd may answer; all if not given"
    )
    adopters: Adopters = Field(MEASURED_SHARE, description="share of players")
    over: dict[str, Factor] = Field(
        {}, max_length=20, description="keys of policies with their choices or ranges"
    )
    candidates: Whole = Field(12, ge=2, le=200, description="settings that are compared")
    loss: tuple[Name, ...] = Field(
        ("residual_usd", "value_lost_usd"), min_length=1, max_length=10,
        description="columns of the table of runs in USD; the venue wants their sum small",
    )  # fmt: skip
    runs: Whole = Field(16, ge=2, le=MOST_RUNS, description="runs of a setting")
    report_runs: Whole = Field(
        48, ge=5, le=MOST_RUNS, description="runs of what is reported, on other seeds"
    )
    seed: Whole = Field(1, ge=0, lt=2**32, description="seed of the placing")


class _SpreadFile(Part):
    spread: Spread = Field(Spread(), description="how far strategies spread")


class _AttackFile(Part):
    attack: Attack = Field(Attack(), description="the worst that strategies can do")


class _CommitFile(Part):
    commit: Commit = Field(Commit(), description="a policy that sees the crowd coming")


class Question(NamedTuple):
    """A scenario and what is asked of its crowd."""

    base: Scenario
    table: Any

    @property
    def seeds(self) -> range:
        """Seeds that something is chosen on."""
        return range(self.base.run.seed, self.base.run.seed + int(self.table.runs))

    @property
    def fresh_seeds(self) -> range:
        """Seeds of what is reported, on which nothing was chosen."""
        start = self.seeds.stop
        return range(start, start + int(self.table.report_runs))


_FILES: dict[str, type[Part]] = {
    "spread": _SpreadFile,
    "attack": _AttackFile,
    "commit": _CommitFile,
}


def load(
    path: str | Path,
    what: str,
    overrides: Iterable[str] = (),
    options: Mapping[str, Any] | None = None,
) -> Question:
    """Load a scenario file and one of its tables.

    Parameters
    ----------
    what : str
        ``spread``, ``attack`` or ``commit``.
    overrides : iterable of str
        Of the scenario, such as ``venue.vault_usd=1e5``.
    options : mapping, optional
        Keys of the table that replace those of the file; None is not given.

    Raises
    ------
    ScenarioError
        One line that names the file, the key and what would be right.
    """
    data = scenarios.read(path)
    tables = {name: data.pop(name, {}) for name in ("contest", *_FILES)}
    given = {k: v for k, v in (options or {}).items() if v not in (None, [], {})}
    base = scenarios.from_mapping(data, overrides, str(path))
    return of_table(base, what, {**tables[what], **given}, str(path))


def of_table(base: Scenario, what: str, table: Mapping[str, Any], source: str) -> Question:
    """A question from its table; errors as :func:`load`."""
    document = loading.given({what: table}, source)
    found = getattr(loading.check(_FILES[what], document), what)
    known = {*base.policies, *scenarios.BUILT_IN_POLICIES}
    policy = getattr(found, "policy", None)
    if policy is not None and policy not in known:
        raise ScenarioError(
            f"{source}: {what}.policy = {policy!r}: must be one of {', '.join(known)}"
        )
    return Question(base, found)
