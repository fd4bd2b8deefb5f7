"""Risk weights of leverage: ``lambda * g(lambda)`` for a convex loss model g.

The risk that a row of leverage lambda adds per dollar of equity, as arXiv 2512.01112
(section 7) weighs it. Arrays of leverage in, arrays of weights out.
"""

from __future__ import annotations

import numpy as np

from abm.world import Array


def linear(leverage: Array) -> Array:
    """``g = lambda``: weight ``lambda**2``."""
    return np.square(leverage)


def power(leverage: Array, *, exponent: float) -> Array:
    """``g = lambda**exponent``: weight ``lambda**(1 + exponent)``."""
    with np.errstate(over="ignore"):
        return np.minimum(np.power(leverage, 1.0 + exponent), _LARGEST)


_LARGEST = 1e280
"""A weight that any amount of money can be multiplied by."""


def cvar(leverage: Array, *, threshold: float) -> Array:
    """``g = (lambda - threshold)_+``: only leverage above a threshold is at risk."""
    return leverage * np.maximum(leverage - threshold, 0.0)


def normal_shock(leverage: Array, *, scale: float) -> Array:
    """``rho(lambda) = lambda * E[(1 / lambda + Z)_-]`` for a Normal return Z.

    The expected shortfall at the next step per dollar of equity: the weight that the
    paper calls optimal. Closed form (the value of a put under Bachelier's model).

    Parameters
    ----------
    leverage : array of float64
    scale : float
        Standard deviation of the return.
    """
    from scipy import stats  # slow to load, and few policies need it

    buffer = _buffer(leverage) / scale
    shortfall = stats.norm.pdf(buffer) - buffer * stats.norm.sf(buffer)
    return np.where(leverage > 0, leverage * scale * shortfall, 0.0)


def student_shock(leverage: Array, *, scale: float, freedom: float) -> Array:
    """As :func:`normal_shock`, for a return with Student's t distribution.

    Parameters
    ----------
    leverage : array of float64
    scale : float
        Multiplies a standard t variable.
    freedom : float
        Degrees of freedom, above 1: below, the expectation is infinite.
    """
    from scipy import stats

    buffer = _buffer(leverage) / scale
    tail = stats.t.pdf(buffer, freedom) * (freedom + buffer**2) / (freedom - 1.0)
    shortfall = tail - buffer * stats.t.sf(buffer, freedom)
    return np.where(leverage > 0, leverage * scale * np.maximum(shortfall, 0.0), 0.0)


def _buffer(leverage: Array) -> Array:
    """The return that would use up the equity; none if there is no leverage."""
    leverage = np.asarray(leverage, np.float64)
    buffer = np.full(leverage.shape, 1e18)
    np.divide(1.0, leverage, out=buffer, where=leverage > 0)
    return buffer
