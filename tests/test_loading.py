"""Reading files, extending and overriding them, and the words when that fails."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from abm.scenario import ScenarioError, from_mapping, load
from tests.scenario_files import SOURCES, only_line, tree_of, write

# --- files that are no scenarios --------------------------------------------------------

UNREADABLE = {
    "empty": (b"", "name: is missing"),
    "not TOML": (b"name = \n", "not valid TOML"),
    "a key twice": (b"name = 'a'\nname = 'b'\n", "not valid TOML"),
    "a table left open": (b"[markets\n", "not valid TOML"),
    "binary": (bytes(range(256)), "not UTF-8"),
    "zeros": (b"\0" * 1000, "not valid TOML"),
    "another encoding": ('name = "é"'.encode("utf-16"), "not UTF-8"),
    "latin": ('name = "é"'.encode("latin-1"), "not UTF-8"),
    "an image": (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
    "JSON": (b'{"name": "x"}', "not valid TOML"),
    "a list too deep": (b"x = " + b"[" * 5000 + b"]" * 5000, "nested"),
    "a key too deep": (b".".join([b"a"] * 5000) + b" = 1", "nested"),
    "tables too deep": (b"x = " + b"{a = " * 40 + b"1" + b"}" * 40, "nested"),
    "more digits than Python reads": (b"seed = " + b"9" * 5000, "not valid TOML"),
    "a month that is none": (b"name = 2025-13-01", "not valid TOML"),
    "only a comment": (b"# nothing\n", "name: is missing"),
    "huge": (b"#" * (17 << 20), "larger than 16 MiB"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_is_no_scenario_gives_one_line_with_its_name(
    case: str, tmp_path: Path
) -> None:
    content, right = UNREADABLE[case]
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(ScenarioError) as error:
        load(path)
    message = only_line(error)
    assert message.startswith(f"{path}: ")
    assert right in message


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "marked.toml"
    path.write_bytes(b"\xef\xbb\xbf" + SOURCES["minimal"].read_bytes())
    assert load(path) == load(SOURCES["minimal"])


@pytest.mark.parametrize(
    ("name", "right"),
    [("nowhere.toml", "no such file"), ("", "is a folder"), ("a\0b", "not the path")],
)
def test_a_path_that_is_no_file_is_named(name: str, right: str, tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=right) as error:
        load(tmp_path / name)
    assert only_line(error).startswith(str(tmp_path))


def test_a_link_that_leads_to_itself_is_named(tmp_path: Path) -> None:
    path = tmp_path / "loop.toml"
    path.symlink_to(path)
    with pytest.raises(ScenarioError, match="cannot be read") as error:
        load(path)
    assert only_line(error).startswith(str(path))


def test_a_file_name_with_a_line_break_still_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines.toml"
    path.write_text("name = 3")
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert "two\\nlines.toml" in only_line(error)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no endless file here")
def test_an_endless_file_is_refused() -> None:
    with pytest.raises(ScenarioError, match="larger than"):
        load("/dev/zero")


# --- extends ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "right"),
    [
        ("'missing.toml'", "no such file"),
        ("'.'", "is a folder"),
        ("''", "must be the path"),
        ("3", "must be the path"),
        ("['a.toml', 'b.toml']", "must be the path"),
        ("true", "must be the path"),
        ("'child.toml'", "circle"),
        ('"a\\u0000b"', "not the path of a file"),
        (f"'{'x' * 5000}'", "cannot be read"),
    ],
)
def test_extending_what_cannot_be_extended_names_the_file_and_extends(
    target: str, right: str, tmp_path: Path
) -> None:
    path = write(tmp_path, "child.toml", f"extends = {target}\nname = 'x'\n")
    with pytest.raises(ScenarioError) as error:
        load(path)
    message = only_line(error)
    assert message.startswith(f"{path}: extends = ")
    assert right in message


def test_files_that_extend_each_other_in_a_circle_are_named(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", "extends = 'b.toml'")
    write(tmp_path, "b.toml", "extends = './c.toml'")
    write(tmp_path, "c.toml", "extends = '../" + tmp_path.name + "/a.toml'")
    with pytest.raises(ScenarioError, match="circle") as error:
        load(tmp_path / "a.toml")
    assert only_line(error).startswith(str(tmp_path / "c.toml"))


def test_a_fault_is_blamed_on_the_file_that_says_it(tmp_path: Path) -> None:
    base = write(tmp_path, "base.toml", "[venue]\nvault_usd = -1\ninsurance_usd = 5\n")
    text = SOURCES["minimal"].read_text().replace("vault_usd = 20000", "insurance_usd = 7")
    child = write(tmp_path, "child.toml", f"extends = 'base.toml'\n{text}")
    with pytest.raises(ScenarioError) as error:
        load(child)
    assert only_line(error) == f"{base}: venue.vault_usd = -1: must be at least 0"


def test_the_last_file_that_says_a_value_is_blamed_for_it(tmp_path: Path) -> None:
    write(tmp_path, "base.toml", SOURCES["minimal"].read_text())
    child = write(tmp_path, "child.toml", "extends = 'base.toml'\nvenue.vault_usd = -1")
    with pytest.raises(ScenarioError) as error:
        load(child)
    assert only_line(error) == f"{child}: venue.vault_usd = -1: must be at least 0"


def test_what_is_missing_is_blamed_on_the_file_nearest_to_it(tmp_path: Path) -> None:
    base = write(tmp_path, "base.toml", SOURCES["minimal"].read_text())
    child = write(tmp_path, "child.toml", "extends = 'base.toml'\nmarkets.BTC.lot = 1")
    with pytest.raises(ScenarioError) as error:
        load(child)
    assert only_line(error).startswith(f"{child}: markets.BTC.tick_usd: is missing")
    # A list is replaced whole, so its entries are all the child's.
    child = write(tmp_path, "child.toml", "extends = 'base.toml'\nshocks = [{start_s = 1}]")
    with pytest.raises(ScenarioError) as error:
        load(child)
    assert only_line(error).startswith(f"{child}: shocks.0.log_return: is missing")
    # What the base forgot stays the base's.
    base.write_text(base.read_text().replace("lot = 0.001\n", ""))
    child = write(tmp_path, "child.toml", "extends = 'base.toml'\nvenue.vault_usd = 1")
    with pytest.raises(ScenarioError) as error:
        load(child)
    assert only_line(error).startswith(f"{base}: markets.ETH.lot: is missing")


def test_bad_toml_in_an_extended_file_names_that_file(tmp_path: Path) -> None:
    base = write(tmp_path, "base.toml", "name = = 3")
    child = write(tmp_path, "child.toml", "extends = 'base.toml'")
    with pytest.raises(ScenarioError) as error:
        load(child)
    assert only_line(error).startswith(f"{base}: not valid TOML")


# --- overrides --------------------------------------------------------------------------

NOT_OVERRIDES = [
    "", "=", "run.runs", "=4", ".=4", "run.=4", ".runs=4", "run..runs=4", "run runs=4",
    "[run]=4", "'run=4", "run.runs\n=4", "#=4", "a\nb=4", ".".join(["a"] * 99) + "=1",
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_OVERRIDES)
def test_what_is_no_override_is_told_how_to_be_one(text: str) -> None:
    with pytest.raises(ScenarioError, match="must be KEY=VALUE") as error:
        load(SOURCES["minimal"], [text])
    assert only_line(error).startswith("--set")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("venue.vault_usd=-1", "must be at least 0"),
        ("venue.vault_usd=-1 # below", "must be at least 0"),
        ("venue.vualt_usd=1", "unknown key; did you mean vault_usd?"),
        ("vault_usd=1", "unknown key; did you mean venue.vault_usd?"),
        ("tick_usd=1", "unknown key; did you mean markets.NAME.tick_usd?"),
        ("oracle.feedback=2", "must be from 0 to 1"),
        ("venue.vault_usd=nan", "must be a finite number at least 0"),
        ("venue.vault_usd=much", "must be a number at least 0"),
        ("venue.vault_usd=", "must be a number at least 0"),
        ("venue.vault_usd=1e13", "must be from 0 to 1e12"),
        ("venue.vault_usd=true", "must be a number at least 0"),
        ("markets.ETH.popularity=-1", "must be at least 0"),
        ("outputs.figures=1", "must be true or false"),
        ("description=1", "must be text"),
        ("venue=1", "must be a table"),
        ("shocks=1", "must be a list of at most 10000 entries"),
        ("mark.rule=mode", 'must be one of "median", "index", "book"'),
        ("shocks.1.start_s=1", '"1" must be an entry: 0 to 0'),
        ("shocks.first.start_s=1", '"first" must be an entry: 0 to 0'),
        ("shocks.-1.start_s=1", '"-1" must be an entry: 0 to 0'),
        ("extends=base.toml", "extends can be said in a file only"),
    ],
)
def test_a_bad_override_is_named_as_it_was_given(text: str, line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load(SOURCES["minimal"], ["run.runs=4", text, "run.seed=5"])
    assert only_line(error) == f"--set {text}: {line}"


def test_a_fault_inside_an_overriding_table_names_its_key() -> None:
    with pytest.raises(ScenarioError) as error:
        load(SOURCES["minimal"], ["run={runs = 0}"])
    assert (
        only_line(error)
        == "--set run={runs = 0}: run.runs = 0: must be from 1 to 100000000"
    )


def test_a_market_that_only_an_override_began_is_blamed_on_it() -> None:
    with pytest.raises(ScenarioError) as error:
        load(SOURCES["minimal"], ["markets.BTC.lot=1"])
    message = only_line(error)
    assert message.startswith("--set markets.BTC.lot=1: markets.BTC.tick_usd: is missing")
    assert message.endswith("(and 3 more)")


def test_a_long_override_is_shortened() -> None:
    with pytest.raises(ScenarioError) as error:
        load(SOURCES["minimal"], [f"mark.rule={'x' * 500}"])
    assert len(only_line(error)) < 140


# --- the words --------------------------------------------------------------------------


def test_the_line_has_file_key_value_and_what_would_be_right(tmp_path: Path) -> None:
    text = SOURCES["minimal"].read_text()
    path = write(tmp_path, "x.toml", text.replace("tick_usd = 0.1", "tick_usd = -1"))
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert only_line(error) == f"{path}: markets.ETH.tick_usd = -1: must be greater than 0"


def test_a_missing_key_is_described(tmp_path: Path) -> None:
    text = SOURCES["minimal"].read_text()
    path = write(tmp_path, "x.toml", text.replace("start_usd = 4300.0\n", ""))
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert only_line(error) == (
        f"{path}: markets.ETH.start_usd: is missing: "
        "must be a number greater than 0 (price at the start, USD)"
    )


def test_several_faults_are_counted_and_the_first_in_the_file_is_told(
    tmp_path: Path,
) -> None:
    text = SOURCES["minimal"].read_text()
    text = text.replace("duration_s = 300", "duration_s = 0").replace("0.6", "6")
    path = write(tmp_path, "x.toml", text.replace('name = "minimal"', ""))
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert only_line(error) == (
        f"{path}: time.duration_s = 0: must be greater than 0 and at most 2678400 "
        "(and 2 more)"
    )
    # Turned round, the other comes first.
    head, _, rest = text.partition("[time]")
    _, _, rest = rest.partition("[markets")
    path = write(tmp_path, "y.toml", f"{head}[markets{rest}\n[time]\nduration_s = 0\n")
    with pytest.raises(ScenarioError) as error:
        load(path)
    assert only_line(error).startswith(
        f"{path}: kinds.passive.share = 6: must be from 0 to 1"
    )


def test_long_values_are_shortened(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError) as error:
        from_mapping({**tree_of("minimal"), "name": "x" * 5000})
    assert len(only_line(error)) < 250


# --- mappings ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "right"),
    [
        ([], "must be a table"),
        (None, "must be a table"),
        ("name", "must be a table"),
        ({1: 2}, "a key must be text"),
        ({"name": None}, "a name of"),
        ({"name": b"x"}, "a name of"),
        ({"name": object()}, "a name of"),
        ({"extends": "base.toml"}, "unknown key"),
    ],
)
def test_a_mapping_that_is_no_scenario_gives_one_line(data: Any, right: str) -> None:
    with pytest.raises(ScenarioError, match=right) as error:
        from_mapping(data, source="here")
    assert only_line(error).startswith("here: ")


def test_a_mapping_that_holds_itself_gives_one_line() -> None:
    data: dict[str, Any] = {}
    data["name"] = data
    with pytest.raises(ScenarioError, match="nested") as error:
        from_mapping(data)
    only_line(error)
