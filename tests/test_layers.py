"""Imports point one way: a module knows only those on its own floor and below."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent

FLOORS = (
    ("compiled", "units", "arithmetic", "draws", "world"),
    ("faults", "toml_out"),
    ("loading", "fields"),
    (
        "checks",
        "rules",
        "prices",
        "extent",
        "lasting",
        "markets",
        "population",
        "scenario",
        "enlarge",
        "study",
        "design",
        "sweep",
        "search",
        "calibration",
        "contest",
        "crowd",
    ),
    ("market", "traders", "venue"),
    ("genesis", "step", "account", "episodes"),
    ("adl",),
    ("engine", "company", "onlookers"),
    ("measures",),
    ("desk",),
    ("model",),
    ("gaming",),
    ("playground", "warm"),
    ("montecarlo",),
    ("exposure", "theory"),
    ("api",),
    ("cli",),
)
"""Rooms of `abm`, the ground floor first."""

# The story of a step calls everybody, and the policies' floor lies beside the market's:
# what ADL decides is a matter of the wave and the ledger alone.
FORBIDDEN = {"adl": {"market", "traders", "step", "genesis", "scenario"}}

LAZY = {"__init__"}
"""Modules that name others of any floor without loading them."""


@functools.cache
def modules(package: str) -> list[tuple[str, Path]]:
    paths = sorted((ROOT / package).rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return [(n.removesuffix(".__init__"), p) for n, p in zip(names, paths, strict=True)]


@functools.cache
def imports(path: Path, *, when_loaded: bool = False) -> list[str]:
    """Dotted names that a module imports, anywhere in it or only when it is loaded."""
    return list(_imports(path, when_loaded))


def _imports(path: Path, when_loaded: bool) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if when_loaded else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports should be absolute"
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@functools.cache
def room(module: str) -> str:
    """``abm.venue.ledger`` belongs to the room ``venue``, unless it has a floor itself."""
    parts = module.split(".")
    own = ".".join(parts[1:3])
    if any(own in rooms for rooms in FLOORS):
        return own
    return parts[1] if len(parts) > 1 else "__init__"


def floor(name: str) -> int:
    found = [i for i, rooms in enumerate(FLOORS) if name in rooms]
    assert found, f"abm.{name} has no floor: give it one in {Path(__file__).name}"
    return found[0]


@functools.cache
def known_rooms() -> set[str]:
    return {room(name) for name, _ in modules("abm")} - {"__init__"}


def imported_rooms(path: Path) -> set[str]:
    named = {room(name) for name in imports(path) if name.startswith("abm.")}
    return named & known_rooms()


def test_every_module_of_abm_has_a_floor():
    for name, _ in modules("abm"):
        assert room(name) in LAZY or floor(room(name)) >= 0


def test_modules_import_only_from_their_own_floor_and_below():
    for name, path in modules("abm"):
        if room(name) in LAZY:
            continue
        for other in imported_rooms(path):
            assert floor(other) <= floor(room(name)), f"{name} imports abm.{other}"


def test_adl_never_looks_at_the_market():
    for name, path in modules("abm"):
        for other in imported_rooms(path):
            assert other not in FORBIDDEN.get(room(name), ()), f"{name} imports abm.{other}"


def test_only_the_ways_in_know_the_analysis():
    for name, path in modules("abm"):
        if any(other.split(".")[0] == "analysis" for other in imports(path)):
            assert room(name) in ("cli", "api", "__init__"), f"{name} imports analysis"


def test_analysis_knows_nothing_of_abm_but_the_store():
    for name, path in modules("analysis"):
        for other in imports(path):
            if other.split(".")[0] == "abm":
                assert other.startswith("abm.montecarlo.store"), f"{name} imports {other}"


def test_analysis_loads_without_the_simulation():
    code = (
        "import sys, analysis.comparison, analysis.timeline, analysis.figures, "
        "analysis.ablation; "
        "sys.exit(any(name in sys.modules for name in ('numba', 'mesa', 'abm.world')))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    )


def test_a_run_is_begun_without_what_only_figures_and_few_policies_need():
    code = (
        "import sys, abm.adl.compose, abm.gaming.strategies, abm.montecarlo.runner, "
        "abm.warm, abm.cli.drawing, analysis.gallery, analysis.comparison; "
        "sys.exit(any(name in sys.modules for name in "
        "('matplotlib', 'seaborn', 'scipy.stats', 'scipy.optimize', 'mesa')))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
    )


def test_nothing_imports_itself_in_a_circle_when_loaded():
    names = {name for name, _ in modules("abm")} | {name for name, _ in modules("analysis")}
    graph = {
        name: {
            other
            for other in imports(path, when_loaded=True)
            if other in names and other != name
        }
        for package in ("abm", "analysis")
        for name, path in modules(package)
    }
    while graph:
        leaves = {name for name, others in graph.items() if not others & graph.keys()}
        assert leaves, f"these import each other: {sorted(graph)}"
        graph = {name: others for name, others in graph.items() if name not in leaves}
