"""Risk weights: closed forms against numerical integrals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from abm.adl.sharing.weights import cvar, linear, normal_shock, power, student_shock

LEVERAGE = np.array([0.5, 1.0, 2.0, 5.0, 20.0, 100.0])


def _integrated(leverage, density):
    """``leverage * E[(1 / leverage + Z)_-]`` by quadrature."""
    buffer = 1.0 / leverage
    found = integrate.quad(lambda z: -(buffer + z) * density(z), -np.inf, -buffer)
    return leverage * found[0]


def test_the_normal_shock_is_the_integral():
    expected = [_integrated(x, stats.norm(scale=0.3).pdf) for x in LEVERAGE]
    assert normal_shock(LEVERAGE, scale=0.3) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("freedom", [1.5, 3.0, 10.0])
def test_students_shock_is_the_integral(freedom):
    expected = [_integrated(x, stats.t(freedom, scale=0.1).pdf) for x in LEVERAGE]
    given = student_shock(LEVERAGE, scale=0.1, freedom=freedom)
    assert given == pytest.approx(expected, rel=1e-4)


def test_student_with_many_degrees_of_freedom_is_normal():
    many = student_shock(LEVERAGE, scale=0.3, freedom=1e7)
    assert many == pytest.approx(normal_shock(LEVERAGE, scale=0.3), rel=1e-4)


def test_no_leverage_is_no_risk():
    nothing = np.zeros(2)
    assert normal_shock(nothing, scale=0.3).tolist() == [0.0, 0.0]
    assert student_shock(nothing, scale=0.3, freedom=3.0).tolist() == [0.0, 0.0]


def test_the_models_of_loss():
    leverage = np.array([1.0, 2.0, 3.0])
    assert linear(leverage).tolist() == [1.0, 4.0, 9.0]
    assert power(leverage, exponent=2.0).tolist() == [1.0, 8.0, 27.0]
    assert cvar(leverage, threshold=2.0).tolist() == [0.0, 0.0, 3.0]


@pytest.mark.parametrize("weight", [
    linear,
    lambda x: power(x, exponent=1.5),
    lambda x: cvar(x, threshold=1.0),
    lambda x: normal_shock(x, scale=0.2),
    lambda x: student_shock(x, scale=0.2, freedom=2.5),
])  # fmt: skip
def test_the_more_levered_weigh_more(weight):
    assert (np.diff(weight(LEVERAGE)) > -1e-12).all()
    assert weight(LEVERAGE)[-1] > 10.0 * weight(LEVERAGE)[1]
