"""Numbers as people read them: units, three digits, and a dash for what is undefined."""

from __future__ import annotations

import math
from collections.abc import Callable

UNDEFINED = "-"

_SUFFIXES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "K"))


def amount(value: float) -> str:
    """An amount with three digits and a suffix: ``1.23M``, ``45.6K``, ``789``, ``0``."""
    if not math.isfinite(value):
        return UNDEFINED
    if 0.0 < value < 0.005:
        return "<0.01"
    sign, size = ("-" if value < 0 else ""), abs(value)
    for scale, suffix in _SUFFIXES:
        # 999.5 and more would round to 1000, which is written with the next suffix.
        if size >= 0.9995 * scale:
            return f"{sign}{_three_digits(size / scale)}{suffix}"
    return "0" if size == 0 else f"{sign}{_three_digits(size)}"


def _three_digits(size: float) -> str:
    if size >= 99.95:
        return f"{size:.0f}"
    if size >= 9.995:
        return f"{size:.1f}"
    return f"{size:.2f}"


def usd(value: float) -> str:
    """US dollars: ``$1.23M``, ``-$45.6K``."""
    text = amount(value)
    if text == UNDEFINED:
        return text
    if text.startswith("<"):
        return f"<${text[1:]}"
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"


def count(value: float) -> str:
    """A number of things: ``12``, ``3.4``, ``1,234``."""
    if not math.isfinite(value):
        return UNDEFINED
    whole = abs(value) >= 99.95 or value == round(value)
    return f"{value:,.0f}" if whole else f"{value:.1f}"


def share(value: float) -> str:
    """A share in per cent: ``12.3%``, ``0.45%``, ``100%`` only for the whole."""
    if not math.isfinite(value):
        return UNDEFINED
    percent = 100.0 * value
    if percent in (0.0, 100.0):
        return f"{percent:.0f}%"
    if 99.95 <= percent < 100.0:
        return ">99.9%"
    if 0.0 < percent < 0.005:
        return "<0.01%"
    digits = 2 if abs(percent) < 0.995 else 1 if abs(percent) < 99.95 else 0
    return f"{percent:.{digits}f}%"


def signed(text: str) -> str:
    """A number's text with its sign: a plus unless it has a minus, is zero or undefined."""
    is_zero = not any(digit in text for digit in "123456789")
    return text if is_zero or text.startswith("-") else f"+{text}"


def span(low: str, high: str) -> str:
    """An interval of two numbers' texts: ``1.2M to 3.4M``; undefined if either is."""
    if UNDEFINED in (low, high):
        return UNDEFINED
    low, high = low.replace("$", ""), high.replace("$", "")
    return low if low == high else f"{low} to {high}"


def clock(seconds: float) -> str:
    """Time since the start: ``2:05``, ``1:02:05``, with tenths if it has any."""
    if not math.isfinite(seconds):
        return UNDEFINED
    tenths = round(seconds * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    tail = f"{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")
    return f"{hours}:{minutes:02d}:{tail}" if hours else f"{minutes}:{tail}"


def duration(seconds: float) -> str:
    """A length of time: ``45 s``, ``5 min``, ``2 h``, ``1 d``."""
    for scale, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * scale or seconds == scale:
            return f"{seconds / scale:.3g} {name}"
    return f"{seconds:.3g} s"


def seconds(value: float) -> str:
    """A length of time, or a dash: ``45 s``, ``5 min``."""
    return duration(value) if math.isfinite(value) else UNDEFINED


def number(value: float) -> str:
    """A plain number with three digits: ``0.0123``, ``1.23``, ``164,000``, ``<0.0001``."""
    if not math.isfinite(value):
        return UNDEFINED
    size = abs(value)
    if 0.0 < size < 0.0001:
        return "<0.0001" if value > 0 else ">-0.0001"
    rounded = float(f"{value:.3g}")
    if abs(rounded) < 1000.0:
        return f"{value:.3g}"
    return f"{rounded:,.0f}" if size < 1e9 else amount(value)


def points(value: float) -> str:
    """A difference of shares in percentage points."""
    if not math.isfinite(value):
        return UNDEFINED
    if 0.0 < abs(value) < 0.00005:
        return "<0.01 points"
    digits = 2 if abs(value) < 0.00995 else 1
    return f"{100 * value:.{digits}f} points" if value else "0 points"


def writer(unit: str) -> Callable[[float], str]:
    """How values of a unit are written: usd, share, count, seconds or number."""
    return _WRITERS[unit]


def apart_writer(unit: str) -> Callable[[float], str]:
    """How differences between values of a unit are written."""
    return points if unit == "share" else _WRITERS[unit]


_WRITERS: dict[str, Callable[[float], str]] = {
    "usd": usd,
    "share": share,
    "count": count,
    "seconds": seconds,
    "number": number,
}


def policy(name: str) -> str:
    """A policy as sentences name it: `none` is easily read as a word."""
    return "none (no ADL)" if name == "none" else name


def listing(items: list[str]) -> str:
    """A list in words: ``a``, ``a and b``, ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"
