"""What a venue chooses that sees the crowd coming, beside the naive choice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from abm.montecarlo.store import Batch, read_index
from analysis import notation
from analysis.gaming.words import basis_points, between
from analysis.intervals import Interval, mean_interval

INDEX, FOUND = "commit.json", "settings.json"


@dataclass(frozen=True)
class Commitment:
    """Settings that were compared, and both choices on fresh seeds.

    Attributes
    ----------
    tried : DataFrame
        One row a setting: `setting` in words, `naive_loss_usd` with nobody playing,
        `answer` of the crowd, `gain` of that per dollar of capacity, `loss_usd` then.
    naive, chosen : dict
        The two choices as they were recorded.
    naive_loss, chosen_loss, apart : (float, Interval)
        On fresh seeds, under the crowd's answer to each: mean losses, and what the choice
        that sees the crowd coming saves, paired by run (USD).
    blind : (float, Interval)
        The naive choice's loss on fresh seeds with nobody playing.
    distance : dict of str to str
        How far the settings lie apart, key by key.
    """

    name: str
    loss: tuple[str, ...]
    seeds: range
    fresh: range
    tried: pd.DataFrame
    naive: dict[str, Any]
    chosen: dict[str, Any]
    naive_loss: tuple[float, Interval]
    chosen_loss: tuple[float, Interval]
    apart: tuple[float, Interval]
    blind: tuple[float, Interval]
    distance: dict[str, str]


def open_commitment(folder: str | Path) -> Commitment:
    """Open a commitment's folder.

    Raises
    ------
    StoreError
        If it is none, or is not whole.
    """
    place = Path(folder)
    index = read_index(place, INDEX, "commitment")
    found = read_index(place, FOUND, "finished commitment")
    loss = tuple(index["commit"]["loss"])
    naive, chosen = found["naive"], found["chosen"]
    losses = [_losses(place, one["answer"], one["policy"], loss) for one in (naive, chosen)]
    blind = _losses(place, "", naive["policy"], loss)
    apart = (losses[0] - losses[1]).dropna()
    summed = [(one.mean(), mean_interval(one)) for one in (*losses, apart, blind)]
    tried = pd.DataFrame(
        [
            {
                "setting": in_words(one["values"]),
                "naive_loss_usd": one["naive_loss_usd"],
                "answer": one["answer"] or "nothing",
                "gain": one["gains"].get(one["answer"], 0.0),
                "loss_usd": one["loss_usd"],
            }
            for one in found["tried"]
        ]
    )
    return Commitment(
        index["name"], loss, range(*index["seeds"]), range(*index["fresh_seeds"]), tried,
        naive, chosen, *summed, _distance(naive["values"], chosen["values"]),
    )  # fmt: skip


def _losses(folder: Path, answer: str, policy: str, measures: tuple[str, ...]) -> pd.Series:
    batch = Batch(folder / "report" / (answer or "honest"))
    runs = batch.frame("runs", columns=["run", "policy", "failed", *measures])
    mine = runs[(runs["policy"] == policy) & ~runs["failed"]].set_index("run")
    return mine[list(measures)].sum(axis=1)


def in_words(values: dict[str, Any]) -> str:
    """``severity.share 0.35``, key by key."""
    return ", ".join(f"{key} {_short(value)}" for key, value in values.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _distance(naive: dict[str, Any], chosen: dict[str, Any]) -> dict[str, str]:
    keys = [*naive, *(key for key in chosen if key not in naive)]
    return {
        key: f"{_short(naive.get(key, '-'))} to {_short(chosen.get(key, '-'))}"
        for key in keys
        if naive.get(key) != chosen.get(key)
    }


def reading(found: Commitment) -> list[str]:
    """Both choices, how far apart they are, and what seeing ahead saves."""
    what = notation.listing([name.removesuffix("_usd") for name in found.loss])
    lines = [
        f"{len(found.tried)} settings were compared on {len(found.seeds)} seeds by {what} "
        f"in a run; what follows is from {len(found.fresh)} others.",
        f"With nobody playing the best setting is {in_words(found.naive['values'])}: "
        f"{_usd(found.blind)}. The crowd answers it with "
        f"{found.naive['answer'] or 'nothing'}, and it is {_usd(found.naive_loss)}.",
    ]
    if not found.distance and found.naive["policy"] == found.chosen["policy"]:
        lines.append("A venue that sees the crowd coming chooses the same.")
        return lines
    moved = notation.listing([f"{key} from {how}" for key, how in found.distance.items()])
    lines.append(
        f"A venue that sees the crowd coming moves {moved}; the crowd answers with "
        f"{found.chosen['answer'] or 'nothing'}, and it is {_usd(found.chosen_loss)}."
    )
    value, ends = found.apart
    if ends.low > 0.0:
        lines.append(f"Seeing ahead saves {_usd(found.apart)} a run.")
    elif ends.high < 0.0:
        lines.append(
            f"On fresh seeds that costs {_usd((-value, Interval(-ends.high, -ends.low)))} "
            "a run more: it was chosen for luck."
        )
    else:
        lines.append(
            f"What that saves, {_usd(found.apart)} a run, cannot be told from nothing."
        )
    return lines


def _usd(found: tuple[float, Interval]) -> str:
    value, ends = found
    return f"{notation.usd(value)} ({between(*ends, notation.usd)})"


def render(found: Commitment) -> str:
    """The reading and all settings as text for a terminal."""
    lines = [f"{found.name}: settings that see the crowd coming"]
    lines += [f"- {line}" for line in reading(found)]
    lines.append("Settings by loss under the crowd's answer:")
    for row in found.tried.sort_values("loss_usd").itertuples():
        lines.append(
            f"  {notation.usd(row.loss_usd):>8} (nobody plays: "
            f"{notation.usd(row.naive_loss_usd)})  {row.setting}; {row.answer} "
            f"{notation.signed(basis_points(row.gain))}"
        )
    return "\n".join(lines) + "\n"


def records(found: Commitment) -> dict[str, Any]:
    """The same for programs."""
    pairs = ("naive_loss", "chosen_loss", "apart", "blind")
    return {
        "naive": found.naive,
        "chosen": found.chosen,
        "distance": found.distance,
        **{name: _plain(getattr(found, name)) for name in pairs},
        "settings": found.tried.replace({np.nan: None}).to_dict("records"),
    }


def _plain(found: tuple[float, Interval]) -> list[float]:
    return [found[0], *found[1]]
