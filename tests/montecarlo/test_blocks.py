"""What a block holds while it is computed."""

from __future__ import annotations

from typing import Any

import pytest

from abm.engine import policy_of
from abm.montecarlo import blocks
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
    really = blocks._under

    def noted(policy: Any, *rest: Any) -> Any:
        begun.append(policy.name)
        return really(policy, *rest)

    monkeypatch.setattr(blocks, "_under", noted)
    policies = [policy_of(scenario, name) for name in plan.policies]
    parts = blocks.run_parts(plan, 0, policies)
    name, first = next(parts)
    assert (name, begun) == ("hyperliquid", ["hyperliquid"])
    assert first["audit"].num_rows
    # What is held against the fork comes last, and nothing else with it.
    rest = list(parts)
    assert [name for name, _ in rest] == ["pro-rata", "hyperliquid", "pro-rata"]
    assert all(set(part) == {"horizons"} for _, part in rest[1:])
    assert all(part["horizons"].num_rows for _, part in rest[1:])
