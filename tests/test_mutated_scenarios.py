"""Whatever is wrong with a file, one line comes that names the file and the key."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from abm.scenario import Scenario, ScenarioError, from_mapping, load
from abm.toml_out import key_to_toml, to_toml
from tests.command import adl
from tests.scenario_files import SOURCES, Key, only_line, tree_of, walk

REQUIRED = {
    "name", "markets", "kinds", "tick_usd", "lot", "start_usd", "tiers", "depth_usd",
    "notional_usd", "start_s", "log_return", "rung",
}  # fmt: skip
MAY_BE_NEGATIVE = {
    "beta", "entry_mean", "jump_mean", "log_return", "trend", "leverage_equity_slope",
    "rebuild_latency_log_mean", "maker_fee_bps", "funding_interest_per_8h",
    "rebuild_notional_slope",
}  # fmt: skip


class Mutation(NamedTuple):
    """One thing wrong with one of the sources."""

    source: str
    what: str
    key: Key
    change: Callable[[Any, str | int], None]

    def __str__(self) -> str:
        return f"{self.source}-{key_to_toml(*self.key)}-{self.what}"


def set_to(value: Any) -> Callable[[Any, str | int], None]:
    def change(holder: Any, part: str | int) -> None:
        holder[part] = value

    return change


def delete(holder: Any, part: str | int) -> None:
    del holder[part]


def misspell(holder: Any, part: str | int) -> None:
    holder[f"{part}x"] = holder.pop(part)


def is_free(key: Key) -> bool:
    """True within an answer of a policy: what it may hold is the policy's business."""
    return key[0] == "policies" and len(key) > 2


def is_required(key: Key) -> bool:
    """True if a scenario cannot do without the key where it stands."""
    if key[-1] == "share":
        return key[0] == "kinds"
    if key[-1] == "max_leverage":
        return "tiers" in key
    if key[:2] == ("policies", "own"):
        return len(key) == 3
    return key[-1] in REQUIRED and not is_free(key)


def mutations_of(source: str) -> Iterator[Mutation]:
    for key, value in walk(tree_of(source)):
        last = key[-1]
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        named = key[0] in ("markets", "kinds", "policies") and len(key) == 2
        if is_required(key):
            yield Mutation(source, "missing", key, delete)
        if isinstance(last, str) and not named and not is_free(key):
            yield Mutation(source, "misspelt", key, misspell)
        if number:
            for wrong in (math.nan, math.inf, -math.inf):
                yield Mutation(source, f"{wrong}", key, set_to(wrong))
        if is_free(key):
            continue
        if number:
            for wrong in (1e300, 10**400, True, "5", "nan", [1.0], {"x": 1}, ""):
                yield Mutation(source, f"{str(wrong)[:9]!r}", key, set_to(wrong))
            if last not in MAY_BE_NEGATIVE:
                yield Mutation(source, "negative", key, set_to(-1.0 - abs(value)))
        elif isinstance(value, (bool, str)):
            for wrong in (3, [True], {"x": 1}):
                if not (key[-1] == "ladder" and wrong == [True]):
                    yield Mutation(source, f"{wrong!r}", key, set_to(wrong))
        else:
            for wrong in (3, "text", False):
                yield Mutation(source, f"{wrong!r}", key, set_to(wrong))


def mutated(mutation: Mutation) -> dict[str, Any]:
    """The source with its one thing wrong."""
    tree = tree_of(mutation.source)
    holder: Any = tree
    for part in mutation.key[:-1]:
        holder = holder[part]
    mutation.change(holder, mutation.key[-1])
    return tree


MUTATIONS = [*mutations_of("minimal"), *mutations_of("big")]
BY_KEY = {
    f"{source}-{key_to_toml(*key)}": list(mutations)
    for (source, key), mutations in groupby(MUTATIONS, lambda m: (m.source, m.key))
}


def test_there_are_hundreds_of_mutations_of_every_sort() -> None:
    assert len(MUTATIONS) > 1000
    assert len({mutation.what for mutation in MUTATIONS}) > 15


@pytest.mark.parametrize("place", BY_KEY)
def test_mutated_files_give_one_line_with_file_and_key(place: str, tmp_path: Path) -> None:
    """Every single mutation of a key does, whatever is wrong with it."""
    bad_file = tmp_path / "bad.toml"
    for mutation in BY_KEY[place]:
        bad_file.write_text(to_toml(mutated(mutation)))
        with pytest.raises(ScenarioError) as error:
            load(bad_file)
        assert_says_what_is_wrong(only_line(error), mutation, bad_file)


def assert_says_what_is_wrong(message: str, mutation: Mutation, bad_file: Path) -> None:
    key = key_to_toml(*mutation.key)
    assert message.startswith(f"{bad_file}: {key}"), (str(mutation), message)
    if mutation.what == "missing":
        assert f"{key}: is missing: must be " in message
    elif mutation.what == "misspelt":
        assert f"{key}x" in message
        assert "unknown key; did you mean" in message
    else:
        assert f"{key} = " in message, (str(mutation), message)
        assert ": must be " in message, (str(mutation), message)


def test_the_command_gives_that_line_exit_code_2_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bad_file = tmp_path / "bad.toml"
    chosen = MUTATIONS[:: len(MUTATIONS) // 250]
    assert len(chosen) >= 200
    for number, mutation in enumerate(chosen):
        bad_file.write_text(to_toml(mutated(mutation)))
        command = ("run", "check")[number % 2]
        done = adl(command, bad_file.name)
        assert done.exit_code == 2, (str(mutation), done.output)
        lines = done.stderr.splitlines()
        assert len(lines) == 1, (str(mutation), lines)
        assert lines[0].startswith(f"adl: {bad_file.name}: {key_to_toml(*mutation.key)}")
        assert not done.stdout
        assert list(tmp_path.iterdir()) == [bad_file]


# --- anything at all --------------------------------------------------------------------


def assert_loads_or_says_why(attempt: Callable[[], Scenario]) -> None:
    """One line comes, or a scenario that is the same when read from what it resolves to."""
    try:
        scenario = attempt()
    except ScenarioError as error:
        why = str(error)
    else:
        why = "nothing is wrong with it"
        assert from_mapping(scenario.resolved()) == scenario
    assert why.isprintable(), "not one clear line"


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.dates(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below),
    max_leaves=6,
)
PLACES = [key for key, _ in walk(tree_of("big"))]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(PLACES), ANYTHING)
@example(("markets",), {"\ud800": 1})
@example(("name",), [16**5000])
@example(("name",), {"x": [16**5000, None]})
@example(("policies", "own", "severity"), {"x": 16**5000})
def test_whatever_is_put_anywhere_the_scenario_loads_or_one_line_comes(
    key: Key, value: Any
) -> None:
    tree = tree_of("big")
    holder: Any = tree
    for part in key[:-1]:
        holder = holder[part]
    holder[key[-1]] = value
    assert_loads_or_says_why(lambda: from_mapping(tree))


NUMBERS = [
    key
    for key, value in walk(tree_of("big"))
    if isinstance(value, (int, float)) and not isinstance(value, bool)
]
EXTREMES = [5e-324, 1e-300, 1e-9, 0, 0.01, 1 - 2**-53, 1, 1 + 2**-52, 2, 1e9, 1e12, 2**63]


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(st.sampled_from(NUMBERS), st.sampled_from(EXTREMES), min_size=1))
def test_extreme_numbers_together_load_or_one_line_comes(
    extremes: dict[Key, float],
) -> None:
    tree = tree_of("big")
    for key, value in extremes.items():
        holder: Any = tree
        for part in key[:-1]:
            holder = holder[part]
        holder[key[-1]] = value
    assert_loads_or_says_why(lambda: from_mapping(tree))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=20), st.text(max_size=20))
@example("run", "{runs = 0x" + "f" * 5000 + "}")
@example("0" * 5000, "1")
@example("shocks." + "9" * 5000, "1")
@example("\ud800", "\ud800")
def test_whatever_is_overridden_the_scenario_loads_or_one_line_comes(
    name: str, words: str
) -> None:
    for text in (f"{name}={words}", f"venue.{name}={words}", f"name={words}"):
        assert_loads_or_says_why(partial(load, SOURCES["minimal"], [text]))


@settings(max_examples=200, deadline=None)
@given(content=st.binary(max_size=200))
def test_whatever_bytes_are_in_a_file_one_line_comes(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert str(error.value).isprintable()
