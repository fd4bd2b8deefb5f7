from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import notation


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "$0"),
        (0.454, "$0.45"),
        (12.34, "$12.3"),
        (999.4, "$999"),
        (999.6, "$1.00K"),
        (1_234_567.0, "$1.23M"),
        (-45_600.0, "-$45.6K"),
        (3.21e9, "$3.21B"),
        (2.0e12, "$2.00T"),
        (math.nan, "-"),
        (math.inf, "-"),
    ],
)
def test_dollars_have_three_digits_and_a_suffix(value: float, text: str):
    assert notation.usd(value) == text


@given(st.floats(1e-2, 1e14))
def test_an_amount_read_back_is_within_half_a_per_cent(value: float):
    text = notation.amount(value)
    scale = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1.0)
    back = float(text.rstrip("KMBT")) * scale
    assert back == pytest.approx(value, rel=0.0051, abs=0.0051)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0%"),
        (1.0, "100%"),
        (0.9999, ">99.9%"),
        (0.123, "12.3%"),
        (0.00123, "0.12%"),
        (0.00001, "<0.01%"),
        (1.466, "147%"),
        (math.nan, "-"),
    ],
)
def test_a_share_is_whole_only_if_it_is(value: float, text: str):
    assert notation.share(value) == text


def test_an_interval_names_both_ends_once():
    assert notation.span("$1.20M", "$3.40M") == "1.20M to 3.40M"
    assert notation.span("12%", "12%") == "12%"
    assert notation.span("-", "3") == "-"


def test_a_sign_is_written_unless_nothing_is_there():
    texts = ["$1.20M", "-$1.20M", "$0", "0.0%", "-"]
    assert [notation.signed(text) for text in texts] == [
        "+$1.20M", "-$1.20M", "$0", "0.0%", "-",
    ]  # fmt: skip


def test_clocks_have_hours_only_if_needed():
    assert [notation.clock(s) for s in (0, 65, 65.5, 3725)] == [
        "0:00", "1:05", "1:05.5", "1:02:05",
    ]  # fmt: skip


def test_lists_end_in_and():
    assert notation.listing([]) == ""
    assert notation.listing(["a"]) == "a"
    assert notation.listing(["a", "b", "c"]) == "a, b and c"


def test_tables_are_text_in_a_notebook_too(monkeypatch):
    import io

    from rich import console
    from rich.table import Table

    from analysis.console import plain_console

    monkeypatch.setattr(console, "_is_jupyter", lambda: True)
    text = io.StringIO()
    plain_console(text, 40).print(Table("policy", "deficit"))
    assert "policy" in text.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.01234, "0.0123"),
        (0.0001234, "0.000123"),
        (0.00001, "<0.0001"),
        (-0.00001, ">-0.0001"),
        (-0.5, "-0.5"),
        (999.4, "999"),
        (999.6, "1,000"),
        (164_321.0, "164,000"),
        (-2_790.0, "-2,790"),
        (3.21e9, "3.21B"),
        (math.nan, "-"),
    ],
)
def test_a_plain_number_needs_no_powers_of_ten(value: float, text: str):
    assert notation.number(value) == text
