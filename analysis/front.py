"""The front that a search found, judged on seeds on which nothing was chosen."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich import box
from rich.table import Table
from scipy import stats

from abm.montecarlo.store import Batch, StoreError, read_index
from analysis import intervals, notation
from analysis.console import plain_console

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
"""Confidence that no clear difference between two policies of a front is a false one."""

ON_FRONT, UNCLEAR, DOMINATED = "on the front", "within noise", "dominated"

_WIDTH = 100
_NAME_WIDTH = 32


@dataclass(frozen=True)
class Front:
    """What a search found.

    Attributes
    ----------
    name : str
        Of the search.
    measures : list of str
        Columns of the table of runs.
    goals : list of str
        ``min`` or ``max``, one a measure.
    seeds : range
        Those of the report.
    searched : range
        Those on which candidates were tried.
    tried : DataFrame
        One row a candidate: `policy`, `round`, `family`, `values`, `on_front`,
        `reported`, and its mean measures on the search's seeds.
    found : DataFrame
        One row a reported policy, indexed by its name: `is_candidate`, `runs`, `failed`,
        `values`; for each measure its mean on the report's seeds, ``_low`` and ``_high``
        the ends of its 95% interval, ``_searched`` its mean on the search's seeds;
        `standing` and `by`.

        `standing` is ``dominated`` if `by` is as good in every objective and clearly
        better in one; ``within noise`` if the policy is clearly better than `by` in none,
        while `by` is as good in every objective or clearly better in one; otherwise
        ``on the front``. A difference is clear if a paired t-test, at a level shared by
        all pairs and objectives (Bonferroni), says so.
    """

    name: str
    measures: list[str]
    goals: list[str]
    seeds: range
    searched: range
    tried: pd.DataFrame
    found: pd.DataFrame


def open_front(folder: str | Path) -> Front:
    """Read a search's folder.

    Raises
    ------
    StoreError
        If it is no search's folder, or the search is not finished.
    """
    folder = Path(folder)
    index = read_index(folder, "search.json", "search")
    try:
        records = json.loads((folder / "candidates.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(
            f"{folder}: the search is not finished: `adl resume {folder}` goes on"
        ) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder / 'candidates.json'}: cannot be read: {error}") from None
    objectives = index["search"]["objectives"]
    measures = [one["measure"] for one in objectives]
    goals = [one["goal"] for one in objectives]
    rows = [{**record, **record.pop("means")} for record in records]
    tried = pd.DataFrame(rows).astype(dict.fromkeys(measures, float))
    return Front(
        name=index["name"],
        measures=measures,
        goals=goals,
        seeds=range(*index["report_seeds"]),
        searched=range(*index["search_seeds"]),
        tried=tried,
        found=_found(Batch(folder / "report"), tried, measures, goals),
    )


def _found(
    batch: Batch, tried: pd.DataFrame, measures: list[str], goals: list[str]
) -> pd.DataFrame:
    runs = batch.frame("runs", columns=["run", "policy", "failed", *measures])
    candidates = tried.set_index("policy")
    rows, values = {}, {}
    for policy in batch.policies:
        here = runs[runs["policy"] == policy].set_index("run")
        finished = here.loc[~here["failed"].astype(bool), measures].astype(float)
        values[policy] = finished
        row: dict[str, Any] = {
            "is_candidate": policy in candidates.index,
            "runs": len(here),
            "failed": len(here) - len(finished),
            "values": candidates["values"].get(policy, {}),
        }
        for measure in measures:
            column = finished[measure].dropna()
            row[measure] = float(column.mean()) if len(column) else np.nan
            ends = intervals.mean_interval(column)
            row[f"{measure}_low"], row[f"{measure}_high"] = ends
            row[f"{measure}_searched"] = float(candidates[measure].get(policy, np.nan))
        rows[policy] = row
    found = pd.DataFrame.from_dict(rows, orient="index")
    found.index.name = "policy"
    standing = standings(list(values.values()), goals)
    found["standing"] = [word for word, _ in standing]
    found["by"] = [None if by is None else batch.policies[by] for _, by in standing]
    return found


def standings(
    values: Sequence[pd.DataFrame], goals: Sequence[str]
) -> list[tuple[str, int | None]]:
    """Which policies are on the front, and who keeps the others off; see :class:`Front`.

    Parameters
    ----------
    values : sequence of DataFrame
        For each policy its measures, one row a run.
    goals : sequence of str
        ``min`` or ``max``, one a measure.
    """
    signs = np.array([1.0 if goal == "min" else -1.0 for goal in goals])
    n = len(values)
    runs = sorted(set().union(*(table.index for table in values)))
    losses = np.stack([table.reindex(runs).to_numpy(float) * signs for table in values])
    means = np.array([table.mean().to_numpy(float) * signs for table in values])
    level = (1.0 - LEVEL) / max(1, len(signs) * n * (n - 1) // 2)
    clear = np.zeros((n, n, len(signs)), bool)
    for i, j in itertools.combinations(range(n), 2):
        clear[i, j], clear[j, i] = _clearly_less(losses[i] - losses[j], level)
    return [_standing(i, means, clear) for i in range(n)]


def _clearly_less(apart: Floats, level: float) -> tuple[Any, Any]:
    """In which columns the mean of differences is clearly below zero, and above it."""
    apart = apart[np.isfinite(apart).all(axis=1)]
    if len(apart) < 2:
        none = np.zeros(apart.shape[1], bool)
        return none, none
    mean, spread = apart.mean(axis=0), apart.std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = mean / (spread / np.sqrt(len(apart)))
    enough = stats.t.isf(level / 2, len(apart) - 1)
    return t < -enough, t > enough


def _standing(
    i: int, means: Floats, clear: npt.NDArray[np.bool_]
) -> tuple[str, int | None]:
    if not np.isfinite(means[i]).all():
        return DOMINATED, None
    others = [j for j in range(len(means)) if j != i and np.isfinite(means[j]).all()]
    for j in others:
        if (means[j] <= means[i]).all() and clear[j, i].any():
            return DOMINATED, j
    for j in others:
        as_good = (means[j] <= means[i]).all() and (means[j] < means[i]).any()
        if not clear[i, j].any() and (as_good or clear[j, i].any()):
            return UNCLEAR, j
    return ON_FRONT, None


# --- as text ----------------------------------------------------------------------------


def render_front(front: Front) -> str:
    """The front as text for a terminal: policies are rows, the best of the first first."""
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    shown.add_column("Policy", min_width=_NAME_WIDTH, max_width=_NAME_WIDTH)
    for measure, goal in zip(front.measures, front.goals, strict=True):
        shown.add_column(f"{measure}\n({goal})", justify="right")
    shown.add_column("Standing\n")
    table = _sorted(front)
    for policy, row in table.iterrows():
        cells = [_cell(row, measure) for measure in front.measures]
        shown.add_row(_name(str(policy), row), *cells, _words(row))
    text = StringIO()
    console = plain_console(text, _WIDTH)
    runs = len(front.seeds)
    console.print(
        f"{front.name}: {len(front.tried)} candidates on seeds {front.searched.start} to "
        f"{front.searched.stop - 1}; what follows is of {runs} runs on seeds "
        f"{front.seeds.start} to {front.seeds.stop - 1}, on which nothing was chosen. "
        "Below each mean its 95% interval and, in brackets, what the search's seeds said.\n"
    )
    console.print(shown)
    console.print("\n".join(verdict(front)))
    lines = (line.rstrip() for line in text.getvalue().splitlines())
    return "\n".join(lines).rstrip()


def verdict(front: Front) -> list[str]:
    """How many candidates are on the front still, in words."""
    own = front.found[front.found["is_candidate"]]
    kept = int((own["standing"] == ON_FRONT).sum())
    noisy = int((own["standing"] == UNCLEAR).sum())
    found = [
        f"On fresh seeds {kept} of {len(own)} reported candidates are on the front, "
        f"{noisy} within noise of being dominated, {len(own) - kept - noisy} dominated."
    ]
    at_front = int(front.tried["on_front"].sum())
    if at_front > len(own):
        found.append(
            f"{at_front} were on the front of the search; reported are those furthest "
            "apart."
        )
    return found


def _sorted(front: Front) -> pd.DataFrame:
    first, goal = front.measures[0], front.goals[0]
    table = front.found.sort_values(first, ascending=goal == "min", kind="stable")
    return table.sort_values("is_candidate", ascending=False, kind="stable")


def _name(policy: str, row: pd.Series) -> str:
    return "\n".join([policy, *(_set(key, v) for key, v in row["values"].items())])


def _set(key: str, value: Any) -> str:
    text = f"{value:.3g}" if isinstance(value, float) else str(value)
    between = " = " if len(key) + len(text) < _NAME_WIDTH - 5 else "\n    = "
    return f"  {key}{between}{text}"


def _words(row: pd.Series) -> str:
    by = f"\n  by {row['by']}" if row["standing"] == DOMINATED and row["by"] else ""
    of = f"\n  of {row['by']}" if row["standing"] == UNCLEAR else ""
    failed = f"\n{int(row['failed'])} of {int(row['runs'])} failed" if row["failed"] else ""
    return f"{row['standing']}{by}{of}{failed}"


def _cell(row: pd.Series, measure: str) -> str:
    write = writer_of(measure)
    ends = notation.span(write(row[f"{measure}_low"]), write(row[f"{measure}_high"]))
    said = write(row[f"{measure}_searched"])
    below = "" if said == notation.UNDEFINED else f"\n({said})"
    return f"{write(row[measure])}\n{ends}{below}"


def writer_of(measure: str) -> Any:
    """How a measure's values are written, by the ending of its column's name."""
    if measure.endswith("_usd"):
        return notation.usd
    if measure.endswith("_share") or measure == "gini":
        return notation.share
    return notation.count


def records(front: Front) -> list[dict[str, Any]]:
    """The front for programs: one mapping a policy, None for what is undefined."""
    rows: list[dict[str, Any]] = []
    for policy, row in _sorted(front).iterrows():
        found = {"policy": policy, **row.to_dict()}
        rows.append({key: _plain(value) for key, value in found.items()})
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return value
