"""Sentences made from numbers: who is best, who cannot be told apart, and by how much."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd

from analysis import notation
from analysis.intervals import Difference
from analysis.measures import Measure, Told, against, sum_up

MOST_NAMED = 4
"""Policies that a sentence names one by one at most."""


def mean(row: pd.Series, unit: str) -> str:
    """A value with its interval: ``$1.23M (1.1M to 1.4M)``."""
    write = notation.writer(unit)
    return bracketed(row["value"], row["low"], row["high"], write)


def bracketed(value: float, low: float, high: float, write: Callable[[float], str]) -> str:
    """A number with the ends of its interval in brackets, if it has any."""
    # The unit is said once: by 3.4 points (1.2 to 5.6).
    around = notation.span(write(low).removesuffix(" points"), write(high))
    around = around.removesuffix(" points")
    # A difference that is the same in every run may have ends that rounding moved.
    exact = around in (notation.UNDEFINED, write(value).replace("$", ""))
    plain = exact or low == high == value
    return write(value) if plain else f"{write(value)} ({around})"


def ranking(values: pd.DataFrame, measure: Measure, what: str = "") -> list[str]:
    """Which policy is best in a measure, which come close, and how far the others are.

    Parameters
    ----------
    values : DataFrame
        One row a run, one column a policy.
    what : str
        What is measured, as it stands in a sentence; the measure's label if not given.
    """
    values = values.dropna(axis="columns", how="all")
    name = what or f"mean {measure.label.lower()}"
    if values.empty:
        return [f"The {name} is not known under any policy."]
    means = values.mean()
    if len(means) == 1:
        only = notation.policy(str(means.index[0]))
        return [f"Under {only} the {name} is {_value(values, 0, measure)}."]
    if (means == means.iloc[0]).all():
        size = notation.writer(measure.unit)(means.iloc[0])
        return [f"The {name} is the same under all policies: {size}."]
    low = measure.better != "high"
    best = str(means.idxmin() if low else means.idxmax())
    place = list(values).index(best)
    apart = against(values, best)
    groups = _groups(apart, best)
    first = "lowest" if low else "highest"
    size = _value(values, place, measure)
    lead = f"The {name} is {first} under {notation.policy(best)}: {size}"
    if groups["same"]:
        lead += f", and the same under {names(groups['same'])}"
    found = [f"{lead}."]
    if groups["close"]:
        found.append(_close({name: apart[name] for name in groups["close"]}, measure))
    if groups["apart"]:
        clear = {name: apart[name] for name in groups["apart"]}
        found.append(_apart(clear, measure, low))
    if groups["unknown"]:
        found.append(f"Too few runs to tell it from {names(groups['unknown'])}.")
    return found


def _value(values: pd.DataFrame, place: int, measure: Measure) -> str:
    return mean(sum_up(values.iloc[:, [place]]).iloc[0], measure.unit)


def _groups(apart: dict[str, Difference], best: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"same": [], "close": [], "apart": [], "unknown": []}
    for name, one in apart.items():
        if name == best:
            continue
        if math.isnan(one.low):
            found["unknown"].append(name)
        elif one.low == one.high == 0.0:
            found["same"].append(name)
        else:
            found["apart" if one.is_clear else "close"].append(name)
    return found


def _close(apart: dict[str, Difference], measure: Measure) -> str:
    """From which policies the best cannot be told, and how far they may be apart."""
    told = f"It cannot be told apart from {names(list(apart))}: the paired interval"
    if len(apart) > MOST_NAMED:
        return f"{told}s hold zero."
    write = notation.apart_writer(measure.unit)
    said = [
        f"{write(one.mean)}, {notation.span(write(one.low), write(one.high))} over "
        f"{notation.count(one.runs)} runs"
        for one in apart.values()
    ]
    holds = "holds" if len(said) == 1 else "of each holds"
    return f"{told} of the difference ({'; '.join(said)}) {holds} zero."


def _apart(apart: dict[str, Difference], measure: Measure, low: bool) -> str:
    """How far the policies are that can be told from the best."""
    write = notation.apart_writer(measure.unit)
    how = "more" if low else "less"
    told = {}
    for name, one in apart.items():
        ends = sorted((abs(one.low), abs(one.high)))
        told[name] = bracketed(abs(one.mean), *ends, write)
    if len(apart) <= MOST_NAMED:
        parts = [f"{notation.policy(name)} by {said}" for name, said in told.items()]
        return f"It is clearly {how} under {notation.listing(parts)}."
    last = max(apart, key=lambda name: abs(apart[name].mean))
    return (
        f"It is clearly {how} under {len(apart)} others, {'most' if low else 'least'} "
        f"under {notation.policy(last)}: by {told[last]}."
    )


def among(told: Told) -> str:
    """Who competes where doing nothing would win, if anybody does nothing."""
    some = 0 < len(told.hitting) < len(told.policies)
    return ", of the policies that hit anybody," if some else ""


def names(policies: list[str]) -> str:
    """A list of policies in words, the first few if they are many."""
    said = [notation.policy(name) for name in policies]
    if len(said) <= 2 * MOST_NAMED:
        return notation.listing(said)
    return f"{', '.join(said[:MOST_NAMED])} and {len(said) - MOST_NAMED} others"
