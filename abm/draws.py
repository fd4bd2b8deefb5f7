"""Random numbers that are functions of (seed, purpose, entity, counter).

The generator is Philox4x64-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers:
as easy as 1, 2, 3", SC 2011), the one behind :class:`numpy.random.Philox`, and gives the
same words. A draw depends on nothing that other entities did before, so two worlds that
share a seed share their shocks and intentions however far they have drifted apart.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from abm.compiled import inlined, inlined_kernel, kernel

# What a stream is for. A number is never reused for something else: that would tie
# two streams together.
ORACLE_MARKET = 1
ORACLE_COMMON = 2
SHOCK = 4
MAKER_SIZE = 10
MAKER_QUOTE = 11
MAKER_EXIT = 12
TRADER_ACT = 20
TRADER_WAKE = 21
TRADER_ORDER = 22
TRADER_REACTION = 23
ENDOWMENT = 30
POPULATION_SAMPLE = 31
EPISODE = 32
NEWCOMER = 33
WISH = 34
ADOPTION = 35
ADL_ORDER = 50
ADL_START = 51
SPLITTING = 40

_MULTIPLIER_0 = np.uint64(0xD2E7470EE14C6C93)
_MULTIPLIER_1 = np.uint64(0xCA5A826395121157)
_WEYL_0 = np.uint64(0x9E3779B97F4A7C15)
_WEYL_1 = np.uint64(0xBB67AE8584CAA73B)
_TO_UNIT = 1.0 / 4503599627370496.0


@intrinsic
def _high_product(_context: Any, a: Any, b: Any) -> Any:
    """Upper 64 bits of the 128-bit product of two uint64."""

    def generate(_ctx: Any, builder: Any, _sig: Any, args: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@inlined
def _round(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    high0 = _high_product(_MULTIPLIER_0, c0)
    high1 = _high_product(_MULTIPLIER_1, c2)
    return high1 ^ c1 ^ k0, _MULTIPLIER_1 * c2, high0 ^ c3 ^ k1, _MULTIPLIER_0 * c0


@kernel
def words(seed: int, purpose: int, entity: int, counter: int) -> Any:
    """Four random words, a pure function of the arguments.

    Equal to ``Philox(key=[seed, purpose], counter=c).random_raw(4)`` of numpy, where `c`
    is the block number one below ``[counter, entity, 0, 0]`` (numpy counts up first).

    Parameters
    ----------
    seed, purpose : int
        The key: which world, and what the numbers are for (a constant of this module).
    entity, counter : int
        Whose draw it is, and the how-manieth of theirs.

    Returns
    -------
    tuple of 4 uint64
    """
    c0, c1 = np.uint64(counter), np.uint64(entity)
    c2, c3 = np.uint64(0), np.uint64(0)
    k0, k1 = np.uint64(seed), np.uint64(purpose)
    for _ in range(9):
        c0, c1, c2, c3 = _round(c0, c1, c2, c3, k0, k1)
        k0 += _WEYL_0
        k1 += _WEYL_1
    return _round(c0, c1, c2, c3, k0, k1)


@inlined_kernel
def to_unit(word: Any) -> float:
    """The word's upper 52 bits as a float in the open interval (0, 1).

    One bit more and the half that keeps zero away would round the largest up to one.
    """
    return (np.float64(word >> np.uint64(12)) + 0.5) * _TO_UNIT


@kernel
def uniforms(seed: int, purpose: int, entity: int, counter: int) -> Any:
    """Four independent uniforms in (0, 1); arguments as in :func:`words`."""
    a, b, c, d = words(seed, purpose, entity, counter)
    return to_unit(a), to_unit(b), to_unit(c), to_unit(d)


@inlined_kernel
def normals_of(u: float, v: float) -> Any:
    """Two independent standard normals from two uniforms (Box and Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(u))
    return radius * math.cos(2.0 * math.pi * v), radius * math.sin(2.0 * math.pi * v)


@inlined
def student_of(u: float, v: float, degrees: float) -> float:
    """A Student-t variate of unit variance from two uniforms.

    Exact polar form of Bailey, "Polar generation of random variates with the
    t-distribution", Mathematics of Computation 62 (1994); `degrees` must exceed 2.
    """
    radius = math.sqrt(degrees * (u ** (-2.0 / degrees) - 1.0))
    return radius * math.cos(2.0 * math.pi * v) * math.sqrt((degrees - 2.0) / degrees)


@inlined
def exponential_of(u: float, mean: float) -> float:
    """An exponential variate of the given mean from one uniform."""
    return -mean * math.log(u)


@inlined
def pareto_of(u: float, exponent: float, low: float, high: float) -> float:
    """A Pareto variate on [low, high], truncated, by inversion of one uniform."""
    ceiling = 1.0 - (low / high) ** exponent
    return low * (1.0 - u * ceiling) ** (-1.0 / exponent)
