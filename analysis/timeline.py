"""One run told as a timeline: prices, depth, liquidations, purses, waves."""

from __future__ import annotations

import math
from io import StringIO

import numpy as np
import pandas as pd
from rich import box
from rich.table import Table

from abm.montecarlo.store import Batch
from analysis import notation
from analysis.console import plain_console
from analysis.one_run import OneRun, read_run

_MOST_ROWS = 30
_MOST_MARKETS = 8
_MARKETS_SHOWN = 3
_WAVES_TOLD = 5
_WIDTH = 100
_ROUND_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600)


def timeline(batch: Batch, run: int, policy: str) -> pd.DataFrame:
    """One run in at most 30 rows of equal length.

    Returns
    -------
    DataFrame
        `time_s` is a row's end. At that time: ``price_MARKET``, the mark against the start
        as a fraction, for up to 8 markets, the largest open interest first;
        `depth`, money within 1% of the mark against the start, median over all markets;
        `vault_usd` and `insurance_usd`. These need paths, which only the first runs keep.
        Since the row before: `liquidations` and `liquidated_usd` through the book;
        `takeovers` and `taken_over_usd` by vault or insurance; `accounts_touched`,
        `paid_usd` and `adl_notional_usd`. `waves` names the waves that were under way;
        `deficit_usd` and `covered_usd` belong to the waves that began. No rows if the
        run failed.

    Raises
    ------
    StoreError
        If the batch does not hold that run under that policy.
    """
    return _rows(read_run(batch, run, policy))


def _step(duration_s: float) -> float:
    days = 86_400.0 * math.ceil(duration_s / (86_400.0 * _MOST_ROWS))
    fitting = (float(s) for s in _ROUND_STEPS if duration_s <= _MOST_ROWS * s * (1 + 1e-9))
    return next(fitting, days)


def _rows(told: OneRun) -> pd.DataFrame:
    step = _step(told.duration_s)
    count = 0 if told.failed else math.ceil(told.duration_s / step - 1e-9)
    ends = np.minimum(step * np.arange(1, count + 1), told.duration_s)
    found = pd.DataFrame({"time_s": ends})
    if told.has_paths:
        found = found.join(_states(told, ends))

    def summed(events: pd.DataFrame, column: str | None) -> np.ndarray:
        """A column added up by row, or the number of events."""
        times = events["time_s" if "time_s" in events else "start_s"].to_numpy(float)
        row = np.minimum((times / step + 1e-9).astype(np.int64), max(count - 1, 0))
        weights = events[column].to_numpy(float) if column else np.ones(len(row))
        return np.bincount(row, weights, minlength=count)[:count]

    found["liquidations"] = summed(told.liquidated, None).astype(np.int64)
    found["liquidated_usd"] = summed(told.liquidated, "notional_usd")
    found["takeovers"] = summed(told.taken_over, None).astype(np.int64)
    found["taken_over_usd"] = summed(told.taken_over, "notional_usd")
    found["waves"] = [_waves_within(told.waves, end - step, end) for end in ends]
    found["deficit_usd"] = summed(told.waves, "deficit_usd")
    found["covered_usd"] = summed(told.waves, "covered_usd")
    row = (told.haircuts["time_s"] / step + 1e-9).astype(np.int64).clip(upper=count - 1)
    touched = told.haircuts["account"].groupby(row).nunique()
    found["accounts_touched"] = touched.reindex(range(count), fill_value=0)
    found["paid_usd"] = summed(told.haircuts, "amount_usd")
    found["adl_notional_usd"] = summed(told.closed, "notional_usd")
    return found


def _states(told: OneRun, ends: np.ndarray) -> pd.DataFrame:
    """Prices, depth and purses as last recorded before each row's end."""
    times = told.prices.index.to_numpy()
    last = np.maximum(np.searchsorted(times, ends - 1e-9) - 1, 0)
    prices = told.prices.iloc[last, :_MOST_MARKETS] - 1.0
    found = {f"price_{market}": prices[market].to_numpy() for market in prices}
    found["depth"] = told.depth.median(axis=1).to_numpy()[last]
    for purse in ("vault", "insurance"):
        found[f"{purse}_usd"] = told.purses[purse].to_numpy()[last]
    return pd.DataFrame(found)


def _waves_within(waves: pd.DataFrame, start: float, end: float) -> str:
    """Numbers of the waves under way: ``2``, ``2-4``, or nothing."""
    here = waves.loc[(waves["start_s"] < end) & (waves["end_s"] >= start), "wave"]
    if here.empty:
        return ""
    first, last = int(here.min()), int(here.max())
    return str(first) if first == last else f"{first}-{last}"


# --- as text ----------------------------------------------------------------------------


def render_timeline(batch: Batch, run: int, policy: str) -> str:
    """The timeline as text for a terminal of 100 columns: headline, events, table.

    Raises
    ------
    StoreError
        If the batch does not hold that run under that policy.
    """
    told = read_run(batch, run, policy)
    text = StringIO()
    console = plain_console(text, _WIDTH)
    name = f"{told.scenario}, run {told.number} (seed {told.seed}), {told.policy}"
    if told.failed:
        console.print(f"{name}: failed. {told.row['error']}")
        return text.getvalue()
    console.print(f"{name}: {headline(told)}\n")
    for line in events(told):
        console.print(f"  {line}", soft_wrap=True)
    console.print()
    table = _as_table(told, _rows(told))
    if console.measure(table).maximum > _WIDTH:
        table.padding = (0, 0)
    console.print(table)
    console.print(_foot(told))
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines()) + "\n"


def headline(told: OneRun) -> str:
    """What the run came to, in one or two sentences."""
    row = told.row
    fall = ""
    if told.has_paths:
        lowest = told.prices.min()
        worst = str(lowest.idxmin())
        fall = f"{worst} fell {notation.share(1 - lowest[worst])} at worst. "
    if not row["deficit_usd"] > 0:
        return f"{fall}Nobody was short, so nobody had to pay."
    paid = ", and nobody was asked to pay"
    if row["adl_accounts"] > 0:
        covered = notation.share(row["covered_usd"] / row["deficit_usd"])
        paid = f", {covered} of it covered by {_accounts(int(row['adl_accounts']))}"
    left = "nothing was missing at the end"
    if row["residual_usd"] > 0:
        left = f"{notation.usd(row['residual_usd'])} was missing at the end"
    return f"{fall}The venue was short by {notation.usd(row['deficit_usd'])}{paid}; {left}."


def events(told: OneRun) -> list[str]:
    """The main events in words, in the order in which they happened."""
    found = [*_firsts(told), *_lows(told), *_wave_events(told)]
    wide = max((len(notation.clock(time)) for time, _ in found), default=0)
    order = sorted(found, key=lambda event: event[0])
    return [f"{notation.clock(time):>{wide}}  {words}" for time, words in order]


def _firsts(told: OneRun) -> list[tuple[float, str]]:
    found = []
    kinds = (
        ("liquidation through the book", told.liquidated),
        ("takeover by the venue", told.taken_over),
    )
    for what, rows in kinds:
        if len(rows):
            first = rows.iloc[int(np.argmin(rows["time_s"]))]
            size = f"{notation.usd(first['notional_usd'])} of {first['market']}"
            found.append((float(first["time_s"]), f"first {what}: {size}"))
    return found


def _lows(told: OneRun) -> list[tuple[float, str]]:
    """When a purse went under, and when the book was thinnest."""
    found = []
    for purse in told.purses:
        under = told.purses[purse] < 0
        if under.any():
            first = under.idxmax()
            size = notation.usd(-told.purses[purse][first])
            found.append(
                (float(first), f"the {purse} is short for the first time, by {size}")
            )
    depth = told.depth.median(axis=1).dropna()
    if len(depth):
        thin = f"depth is thinnest: {notation.share(depth.min())} of the start"
        words = thin if depth.min() > 0 else "the book is empty within 1% of the mark"
        found.append((float(depth.idxmin()), words))
    return found


def _wave_events(told: OneRun) -> list[tuple[float, str]]:
    """The start of each wave, of the largest few if there are many."""
    paid = told.waves[told.waves["touched"] > 0]
    unpaid = told.waves[told.waves["touched"] == 0]
    most = len(paid) if len(paid) <= _WAVES_TOLD + 1 else _WAVES_TOLD
    largest = paid.nlargest(most, "deficit_usd", keep="first")
    found = [(float(wave["start_s"]), _wave_words(wave)) for _, wave in largest.iterrows()]
    rest = paid.drop(largest.index)
    if len(rest):
        short = notation.usd(rest["deficit_usd"].sum())
        words = f"the first of {len(rest)} smaller waves, short by {short} in all"
        found.append((float(rest["start_s"].min()), words))
    if len(unpaid):
        many = (
            "a wave finds"
            if len(unpaid) == 1
            else f"the first of {len(unpaid)} waves that find"
        )
        short = notation.usd(unpaid["deficit_usd"].sum())
        words = f"{many} nobody to pay, short by {short} in all"
        found.append((float(unpaid["start_s"].min()), words))
    return found


def _wave_words(wave: pd.Series) -> str:
    length = wave["end_s"] - wave["start_s"]
    lasting = f" for {notation.duration(length)}" if length > 0 else ""
    words = f"wave {wave['wave']:.0f} begins: short by {notation.usd(wave['deficit_usd'])}"
    hit, covered = _accounts(int(wave["touched"])), notation.usd(wave["covered_usd"])
    if wave["adl_notional_usd"] > 0:
        closed = notation.usd(wave["adl_notional_usd"])
        # The mark may have moved past the settlement's price, so that nothing is won.
        helped = f"{covered} covered" if wave["covered_usd"] > 0 else "nothing covered"
        return f"{words}{lasting}; {closed} of {hit} closed, {helped}"
    return f"{words}{lasting}; {covered} taken from {hit}"


def _accounts(number: int) -> str:
    return "1 account" if number == 1 else f"{notation.count(number)} accounts"


def _as_table(told: OneRun, rows: pd.DataFrame) -> Table:
    shown = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )
    columns: dict[str, list[str]] = {"until": [notation.clock(t) for t in rows["time_s"]]}
    prices = [name for name in rows if name.startswith("price_")][:_MARKETS_SHOWN]
    for name in prices:
        columns[name.removeprefix("price_")] = _texts(rows[name], "percent")
    if told.has_paths:
        columns["depth"] = _texts(rows["depth"], "share")
    columns["liquidated"] = _pairs(rows["liquidated_usd"], rows["liquidations"])
    columns["taken over"] = _pairs(rows["taken_over_usd"], rows["takeovers"])
    for purse in ("vault", "insurance"):
        if told.has_paths and rows[f"{purse}_usd"].any():
            columns[purse] = [notation.amount(value) for value in rows[f"{purse}_usd"]]
    columns["wave"] = list(rows["waves"])
    columns["short"] = _texts(rows["deficit_usd"], "amount")
    columns["hit"] = _texts(rows["accounts_touched"], "count")
    if rows["adl_notional_usd"].any():
        columns["closed"] = _texts(rows["adl_notional_usd"], "amount")
    else:
        columns["paid"] = _texts(rows["paid_usd"], "amount")
    for name in columns:
        shown.add_column(name, justify="right", no_wrap=True)
    for cells in zip(*columns.values(), strict=True):
        shown.add_row(*cells)
    return shown


def _texts(values: pd.Series, how: str) -> list[str]:
    """Numbers as text; nothing where nothing happened."""
    if how == "percent":
        return ["0.0%" if abs(v) < 5e-4 else f"{100 * v:+.1f}%" for v in values]
    if how == "share":
        return [notation.share(value) for value in values]
    write = notation.amount if how == "amount" else notation.count
    return [write(value) if value else "" for value in values]


def _pairs(amounts: pd.Series, counts: pd.Series) -> list[str]:
    """``1.23M (12)``: an amount and of how many."""
    pairs = zip(amounts, counts, strict=True)
    return [f"{notation.amount(a)} ({n})" if n else "" for a, n in pairs]


def _foot(told: OneRun) -> str:
    paid = "paid is what accounts gave"
    paid = "closed is the notional closed by ADL" if len(told.closed) else paid
    words = f"Amounts in USD, number of events in brackets; short is the deficit, {paid}."
    if not told.has_paths:
        return f"{words} Prices, depth and purses were not kept for this run."
    return (
        f"{words} Prices and depth are against the start; depth is within 1% of the mark, "
        "in the median market."
    )
