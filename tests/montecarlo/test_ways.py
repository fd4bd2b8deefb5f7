"""One seed under every policy: what is held meanwhile, and what policies share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from abm.engine import policy_of
from abm.montecarlo import ways
from abm.montecarlo.plan import Plan
from tests import crashes


def test_tables_of_a_policy_are_given_away_before_the_next_one_runs(
    monkeypatch: pytest.MonkeyPatch,
):
    scenario = crashes.crash(
        run={"policies": ["hyperliquid", "pro-rata"]},
        outputs={"counterfactual_of_first_runs": 1, "audit_of_first_runs": 1},
    )
    plan, begun = Plan.of(scenario), []
    really = ways._go

    def noted(start: Any, way: Any, others: Any) -> None:
        begun.append(way.policy.name)
        really(start, way, others)

    monkeypatch.setattr(ways, "_go", noted)
    policies = [policy_of(scenario, name) for name in plan.policies]
    parts = ways.run_parts(plan, 0, policies)
    name, first = next(parts)
    assert (name, begun) == ("hyperliquid", ["hyperliquid"])
    assert first["audit"].num_rows
    # What is held against the fork comes last, and nothing else with it.
    rest = list(parts)
    assert [name for name, _ in rest] == ["pro-rata", "hyperliquid", "pro-rata"]
    assert all(set(part) == {"horizons"} for _, part in rest[1:])
    assert all(part["horizons"].num_rows for _, part in rest[1:])


# --- policies that do the same ----------------------------------------------------------


def capped(cap: float) -> dict[str, Any]:
    """Pro-rata up to a share of what each could give."""
    return {"preset": "pro-rata", "allocation": {"rule": "capped", "cap": cap}}


RULES: dict[str, Any] = {
    "plain": {"preset": "pro-rata"},
    "loose": capped(0.999),
    "tight": capped(0.1),
    "as-tight": capped(0.1),
    "tighter": capped(0.07),
    "closes": {"preset": "hyperliquid"},
    "nobody": {"preset": "none"},
}

SIZES: dict[str, Any] = {
    "plainly": {},
    "audited, appraised, nudged": {
        "outputs": {
            "counterfactual_of_first_runs": 9, "audit_of_first_runs": 9,
            "nudges_of_first_runs": 9, "moments": True,
        },
    },
    "in two episodes": {"episodes": {"count": 2}},
}  # fmt: skip

END_S = 150.0


def plan_of(rules: dict[str, Any], **over: Any) -> Plan:
    """A crash of a venue under some rules."""
    outputs = {"counterfactual_of_first_runs": 0} | over.pop("outputs", {})
    run = {"policies": list(rules)}
    return Plan.of(crashes.crash(policies=rules, run=run, outputs=outputs, **over))


def ran(plan: Plan, names: list[str], run: int) -> dict[str, dict[str, pd.DataFrame]]:
    """Tables of each policy."""
    policies = [policy_of(plan.scenario, name) for name in names]
    found = ways.run_one(plan, run, policies)
    return {
        name: {table: rows.to_pandas() for table, rows in tables.items()}
        for name, tables in zip(names, found, strict=True)
    }


def shared(found: dict[str, dict[str, pd.DataFrame]]) -> dict[str, float]:
    """Seconds that each policy shares with others."""
    return {name: float(tables["runs"]["shared_s"][0]) for name, tables in found.items()}


def assert_same_as_alone(plan: Plan, run: int, found: dict[str, Any]) -> None:
    for name, tables in found.items():
        alone = ran(plan, [name], run)[name]
        for table, rows in alone.items():
            # How much is shared is a matter of the company.
            ours, theirs = (
                each.drop(columns="shared_s", errors="ignore")
                for each in (tables[table], rows)
            )
            assert ours.equals(theirs), (name, table)


@pytest.mark.parametrize("size", SIZES)
def test_in_company_a_policy_does_what_it_does_alone(size: str):
    plan = plan_of(RULES, **SIZES[size])
    assert_same_as_alone(plan, 0, ran(plan, list(RULES), 0))


def test_policies_share_a_run_until_they_do_something_else():
    """A cap that never binds costs no market; one that binds does from then on."""
    found = ran(plan_of(RULES), list(RULES), 0)
    seconds = shared(found)
    first = float(found["plain"]["runs"]["first_wave_s"][0])
    assert seconds["loose"] == END_S
    assert first < seconds["tight"] < END_S
    # It parted with the other, and went with it to the end.
    assert seconds["as-tight"] == END_S
    assert first < seconds["tighter"] < seconds["tight"]
    assert seconds["plain"] == seconds["closes"] == seconds["nobody"] == first


FAULTY = """
import numpy as np

def share(capacity, score, budget):
    if budget > {most}:
        raise ValueError("too much for me")
    total = int(capacity.sum())
    return capacity * 0 if total == 0 else np.floor(capacity * (min(budget, total) / total))
"""


@pytest.mark.parametrize("most", [0, 2 * 10**10])
def test_who_goes_beside_a_refused_policy_goes_on_without_it(tmp_path: Path, most: int):
    file = tmp_path / "mine.py"
    file.write_text(FAULTY.format(most=most))
    mine = {"preset": "pro-rata", "allocation": f"{file}:share"}
    rules = {"mine": mine} | {f"{name}": RULES[name] for name in ("plain", "loose")}
    rules |= {"also-mine": mine}
    plan = plan_of(rules)
    found = ran(plan, list(rules), 2)
    assert "too much for me" in found["mine"]["runs"]["error"][0]
    assert "too much for me" in found["also-mine"]["runs"]["error"][0]
    assert not found["plain"]["runs"]["failed"][0]
    assert shared(found)["loose"] == END_S
    assert_same_as_alone(plan, 2, found)
