"""Exact integer arithmetic for compiled code, safe wherever a product exceeds 64 bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from abm.compiled import inlined_kernel, inner, kernel

_LOW_32 = np.uint64(0xFFFFFFFF)
_SMALL = 1 << 31


@inlined_kernel
def share_of(amount: int, parts: int) -> int:
    """`amount * parts / 1e6` rounded towards minus infinity, without overflow.

    Exact for any int64 `amount` and `0 <= parts <= 1e6`.
    """
    whole = amount // 1_000_000
    return whole * parts + (amount - whole * 1_000_000) * parts // 1_000_000


@inner
def _long_division(high: Any, low: Any, divisor: Any) -> Any:
    """Quotient of a 128-bit number by a divisor of at most 63 bits, bit by bit."""
    remainder = high
    quotient = np.uint64(0)
    for shift in range(63, -1, -1):
        bit = (low >> np.uint64(shift)) & np.uint64(1)
        remainder = (remainder << np.uint64(1)) | bit
        if remainder >= divisor:
            remainder -= divisor
            quotient |= np.uint64(1) << np.uint64(shift)
    return quotient


@inner
def _wide_product(a: Any, b: Any) -> Any:
    """The 128-bit product of two uint64 as (upper, lower) halves."""
    a_low, a_high = a & _LOW_32, a >> np.uint64(32)
    b_low, b_high = b & _LOW_32, b >> np.uint64(32)
    low = a_low * b_low
    middle = a_high * b_low + (low >> np.uint64(32))
    cross = a_low * b_high + (middle & _LOW_32)
    high = a_high * b_high + (middle >> np.uint64(32)) + (cross >> np.uint64(32))
    return high, (cross << np.uint64(32)) | (low & _LOW_32)


@kernel
def fraction_of(amount: int, part: int, whole: int) -> int:
    """`amount * part / whole` rounded towards zero, exact for all int64.

    Parameters
    ----------
    amount : int
        What is divided; its sign is kept.
    part, whole : int
        `0 <= part <= whole`, `whole > 0`.
    """
    if part == whole:
        return amount
    size = abs(amount)
    if 0 <= size < _SMALL and part < _SMALL:
        share: Any = size * part // whole
    else:
        high, low = _wide_product(np.uint64(size), np.uint64(part))
        if high == 0:
            share = np.int64(low // np.uint64(whole))
        else:
            share = np.int64(_long_division(high, low, np.uint64(whole)))
    return share if amount >= 0 else -share


@inlined_kernel
def floor_fraction(amount: int, part: int, whole: int) -> int:
    """Like :func:`fraction_of`, rounded towards minus infinity."""
    share = fraction_of(amount, part, whole)
    # The products may wrap around; their difference is below `whole`, so it shows.
    if amount < 0 and share * whole != amount * part:
        return share - 1
    return share


@inlined_kernel
def is_less_product(a: int, b: int, c: int, d: int) -> bool:
    """True if ``a * b < c * d``, exact for all int64 that are not negative."""
    high, low = _wide_product(np.uint64(a), np.uint64(b))
    other_high, other_low = _wide_product(np.uint64(c), np.uint64(d))
    return bool(high < other_high or (high == other_high and low < other_low))
