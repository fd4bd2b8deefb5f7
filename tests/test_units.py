from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from abm.arithmetic import floor_fraction, fraction_of, is_less_product, share_of
from abm.units import ppm, quanta, usd

LEAST, MOST = -(2**63), 2**63 - 1
quick = settings(max_examples=600, deadline=None, derandomize=True)
amounts = st.one_of(
    st.integers(LEAST, MOST),
    st.integers(-(10**6), 10**6),
    st.builds(lambda bits, off: max(LEAST, min(MOST, 2**bits + off)),
              st.integers(0, 63), st.integers(-2, 2)),
)  # fmt: skip


@st.composite
def parts(draw: st.DrawFn) -> tuple[int, int]:
    """(part, whole) with 0 <= part <= whole and whole > 0, small and huge."""
    whole = draw(st.one_of(st.integers(1, MOST), st.integers(1, 1000)))
    return draw(st.one_of(st.integers(0, whole), st.just(whole))), whole


@quick
@given(amounts, parts())
@example(LEAST, (1, 1))
@example(LEAST, (1, 3))
@example(MOST, (MOST, MOST))
@example(2**31, (2**31, 2**31 + 1))
def test_fraction_of_rounds_the_exact_fraction_towards_zero(
    amount: int, share: tuple[int, int]
) -> None:
    part, whole = share
    assert fraction_of(amount, part, whole) == math.trunc(Fraction(amount * part, whole))


@quick
@given(amounts, parts())
@example(LEAST, (1, 3))
@example(LEAST, (0, 3))
@example(-1, (1, 3))
def test_floor_fraction_rounds_the_exact_fraction_down(
    amount: int, share: tuple[int, int]
) -> None:
    part, whole = share
    assert floor_fraction(amount, part, whole) == amount * part // whole


@quick
@given(amounts, st.integers(0, 1_000_000))
@example(LEAST, 1_000_000)
@example(MOST, 999_999)
def test_share_of_floors_the_exact_share(amount: int, share: int) -> None:
    assert share_of(amount, share) == amount * share // 1_000_000


@quick
@given(*[st.one_of(st.integers(0, MOST), st.integers(0, 9))] * 4)
@example(MOST, MOST, MOST, MOST - 1)
@example(2**33, 2**33, 2**35, 2**31)
def test_products_of_128_bits_are_compared_exactly(a: int, b: int, c: int, d: int) -> None:
    assert is_less_product(a, b, c, d) == (a * b < c * d)


@quick
@given(st.integers(1, MOST), parts())
def test_a_part_and_the_rest_make_the_whole(amount: int, share: tuple[int, int]) -> None:
    part, whole = share
    rest = fraction_of(amount, whole - part, whole)
    assert 0 <= amount - fraction_of(amount, part, whole) - rest <= 1


@pytest.mark.parametrize(
    ("dollars", "amount"),
    [(1.0, 1_000_000), (-0.0000015, -2), (1e-7, 0), (5e6, 5 * 10**12)],
)
def test_dollars_become_the_nearest_whole_number_of_quanta(
    dollars: float, amount: int
) -> None:
    assert quanta(dollars) == amount


def test_usd_turns_quanta_back_into_dollars_for_numbers_and_arrays() -> None:
    assert usd(quanta(12.34)) == 12.34
    assert usd(np.array([1_500_000, -1])).tolist() == [1.5, -1e-6]
    assert ppm(2 / 3) == 666_667
