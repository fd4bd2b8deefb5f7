"""An open laboratory for auto-deleveraging on perpetual-futures venues.

The public names are few: load a scenario, simulate it, compare the policies; step a
:class:`StressModel` with agents of your own; or answer a :class:`View` with
:class:`Actions`, as a strategy does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abm.api import Results, open_run, simulate
    from abm.desk.actions import Actions
    from abm.desk.view import View
    from abm.model import StressModel, Trader
    from abm.scenario import Scenario, ScenarioError
    from abm.scenario import load as load_scenario

_WHERE = {
    "Actions": ("abm.desk.actions", "Actions"),
    "Results": ("abm.api", "Results"),
    "Scenario": ("abm.scenario", "Scenario"),
    "ScenarioError": ("abm.scenario", "ScenarioError"),
    "StressModel": ("abm.model", "StressModel"),
    "Trader": ("abm.model", "Trader"),
    "View": ("abm.desk.view", "View"),
    "load_scenario": ("abm.scenario", "load"),
    "open_run": ("abm.api", "open_run"),
    "simulate": ("abm.api", "simulate"),
}

__all__ = [
    "Actions",
    "Results",
    "Scenario",
    "ScenarioError",
    "StressModel",
    "Trader",
    "View",
    "load_scenario",
    "open_run",
    "simulate",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: numba takes a while to load."""
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    module, attribute = _WHERE[name]
    return getattr(importlib.import_module(module), attribute)
