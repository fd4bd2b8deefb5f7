"""What is written as TOML is read back equal by the standard library."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.toml_out import key_to_toml, to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT | st.dates(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_any_nested_tables_survive_being_written_and_read(table: dict[str, object]) -> None:
    assert tomllib.loads(to_toml(table)) == table


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_types_survive_and_so_does_the_order_among_values_and_among_tables(
    table: dict[str, object],
) -> None:
    read = tomllib.loads(to_toml(table))
    for kind in (True, False):
        written = [key for key, value in table.items() if isinstance(value, dict) is kind]
        assert [key for key in read if isinstance(read[key], dict) is kind] == written
    assert {key: type(value) for key, value in read.items()} == {
        key: type(value) for key, value in table.items()
    }


@pytest.mark.parametrize("value", [float("inf"), -float("inf"), 1e-300, 1e22, -0.0, 2**70])
def test_extreme_numbers_survive(value: float) -> None:
    assert repr(tomllib.loads(to_toml({"x": value}))["x"]) == repr(value)


def test_not_a_number_survives() -> None:
    read = tomllib.loads(to_toml({"x": float("nan")}))["x"]
    assert read != read


def test_dates_and_times_survive() -> None:
    table = {
        "a": datetime(2025, 10, 10, 21, 15, tzinfo=UTC),
        "b": date(2025, 10, 10),
        "c": time(21, 15, 0, 5),
    }
    assert tomllib.loads(to_toml(table)) == table


def test_a_list_of_tables_takes_a_line_for_each() -> None:
    text = to_toml({"tiers": [{"from": 0, "rate": 0.1}, {"from": 5, "rate": 0.2}]})
    assert text == (
        "tiers = [\n    { from = 0, rate = 0.1 },\n    { from = 5, rate = 0.2 },\n]\n"
    )


def test_keys_are_quoted_only_where_they_must_be() -> None:
    assert (
        key_to_toml("markets", "k.PEPE", 3, "tick-size_1")
        == 'markets."k.PEPE".3.tick-size_1'
    )


@pytest.mark.parametrize("value", [None, {1, 2}, b"bytes", object()])
def test_what_toml_has_no_form_for_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="TOML has no form"):
        to_toml({"x": [value]})
