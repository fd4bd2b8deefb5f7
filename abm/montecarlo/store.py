"""What a run folder holds, and how it is written and read.

Every table is a folder of Parquet files, one a block, named by the block's number. A
block counts only once the manifest names it, so a file that was cut off is never read.
Money is written as exact quanta (int64) and as USD; times are seconds from the start.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from filelock import FileLock, Timeout

_KEYS: list[tuple[str, str]] = [("run", "int64"), ("policy", "string")]


def _parts(array: str, names: str) -> list[tuple[str, str]]:
    """Columns that hold an array of int64 a row."""
    return [("_".join(filter(None, (array, name))), "int64[]") for name in names.split()]


def _amounts(names: str) -> list[tuple[str, str]]:
    """Columns of amounts of money, in USD and exactly."""
    kinds = {"usd": "float64", "quanta": "int64"}
    return [(f"{name}_{u}", kind) for name in names.split() for u, kind in kinds.items()]


def _floats(names: str) -> list[tuple[str, str]]:
    """Columns of real numbers."""
    return [(name, "float64") for name in names.split()]


COLUMNS: dict[str, list[tuple[str, str]]] = {
    "runs": [
        *_KEYS,
        ("seed", "int64"),
        ("failed", "bool"),
        ("error", "string"),
        ("deficit_usd", "float64"),
        ("budget_usd", "float64"),
        ("covered_usd", "float64"),
        ("residual_usd", "float64"),
        ("recovered_usd", "float64"),
        ("deficit_quanta", "int64"),
        ("budget_quanta", "int64"),
        ("covered_quanta", "int64"),
        ("residual_quanta", "int64"),
        ("waves", "int64"),
        ("calls", "int64"),
        ("adl_notional_usd", "float64"),
        ("adl_vault_share", "float64"),
        ("adl_short_share", "float64"),
        ("adl_full_close_share", "float64"),
        ("adl_accounts", "int64"),
        ("haircut_usd", "float64"),
        ("largest_haircut_share", "float64"),
        ("largest_equity_share", "float64"),
        ("shared_s", "float64"),
        ("first_takeover_s", "float64"),
        ("first_wave_s", "float64"),
        ("time_to_cover_s", "float64"),
        ("insurance_start_usd", "float64"),
        ("insurance_end_usd", "float64"),
        ("vault_start_usd", "float64"),
        ("vault_end_usd", "float64"),
        ("liquidated_usd", "float64"),
        ("taken_over_usd", "float64"),
        ("socialised_usd", "float64"),
        ("fees_usd", "float64"),
        ("accounts_left", "int64"),
        ("accounts_rebuilt", "int64"),
        ("accounts_leaving", "int64"),
        *_floats("expected_churn lifetime_value_usd value_lost_usd value_left_usd"),
        *_floats("retained_value_usd retained_value_share"),
        *_floats("solvency_recovery_s revenue_recovery_s"),
        *_floats("breach_share unmet_share"),
        ("uncoverable_waves", "int64"),
        *_floats("ptsr pmr ptsr_top pmr_top ptsr_residual pmr_residual"),
        *_floats("ptsr_residual_top pmr_residual_top rd_nse"),
        *_floats("gini order_inversions rank_stability optional_share"),
        *_floats("top_1_share top_10_share top_percent_share"),
        *_floats("least_top_1_share least_top_10_share least_top_percent_share"),
        *_floats("needed_usd tracking_regret_usd fairness_regret_usd regret_usd"),
        *_floats("predict_spearman predict_kendall predict_brier predict_coverage"),
        *_floats("jump_largest_usd jump_moved jump_per_usd jump_typical_per_usd"),
    ],
    "waves": [
        *_KEYS,
        ("wave", "int64"),
        ("start_s", "float64"),
        ("end_s", "float64"),
        ("calls", "int64"),
        ("deficit_usd", "float64"),
        ("budget_usd", "float64"),
        ("capacity_usd", "float64"),
        ("covered_usd", "float64"),
        ("residual_usd", "float64"),
        ("deficit_quanta", "int64"),
        ("covered_quanta", "int64"),
        ("residual_quanta", "int64"),
        ("severity", "float64"),
        ("acted", "int64"),
        ("withdrawal_cut", "float64"),
        ("touched", "int64"),
        ("eligible", "int64"),
        ("feasible", "bool"),
        ("within_half", "bool"),
        ("uncovered", "int64"),
        ("least_largest_share", "float64"),
        ("least_touched", "int64"),
        ("least_top_1_usd", "float64"),
        ("least_top_10_usd", "float64"),
        ("least_top_percent_usd", "float64"),
        ("granularity_usd", "float64"),
        ("adl_notional_usd", "float64"),
        *_floats("largest_loss_usd time_to_cover_s asked_usd"),
        *_floats("winners_profit_usd winners_equity_usd"),
        ("coverable", "bool"),
        ("solvent", "bool"),
        *_floats("largest_survivor_usd top_survivor_usd"),
        *_floats("ptsr pmr ptsr_top pmr_top ptsr_residual pmr_residual"),
        *_floats("ptsr_residual_top pmr_residual_top rd_nse"),
        ("eligible_accounts", "int64"),
        *_floats("largest_share largest_equity_share largest_asked_share"),
        *_floats("gini order_inversions rank_stability"),
        *_floats("given_usd forced_usd optional_share"),
        *_floats("top_1_usd top_10_usd top_percent_usd"),
        *_floats("needed_usd tracking_regret_usd fairness_regret_usd regret_usd"),
    ],
    "haircuts": [
        *_KEYS,
        ("wave", "int64"),
        ("time_s", "float64"),
        ("account", "int64"),
        ("kind", "string"),
        ("capacity_usd", "float64"),
        ("amount_usd", "float64"),
        ("amount_quanta", "int64"),
        ("share", "float64"),
        ("rank", "int64"),
        ("closed_usd", "float64"),
        ("equity_usd", "float64"),
        ("principal_usd", "float64"),
    ],
    "horizons": [
        *_KEYS,
        ("wave", "int64"),
        *_floats("horizon_s time_s"),
        ("accounts", "int64"),
        *_floats("haircut_usd net_usd needed_usd overshoot_usd"),
        *_floats("tracking_regret_usd fairness_regret_usd regret_usd"),
        ("traders", "int64"),
        *_floats("path_usd path_net_usd repriced_usd repriced_net_usd"),
        *_floats("true_usd true_net_usd gap_usd gap_net_usd"),
    ],
    "adl_fills": [
        *_KEYS,
        ("wave", "int64"),
        ("time_s", "float64"),
        ("market", "string"),
        ("account", "int64"),
        ("kind", "string"),
        ("bankrupt", "int64"),
        ("bankrupt_kind", "string"),
        ("lots", "int64"),
        ("notional_usd", "float64"),
        ("price_usd", "float64"),
        ("mark_usd", "float64"),
        ("previous_mark_usd", "float64"),
        ("entry_usd", "float64"),
        ("profit_usd", "float64"),
        ("full_close", "bool"),
    ],
    "liquidations": [
        *_KEYS,
        ("time_s", "float64"),
        ("account", "int64"),
        ("kind", "string"),
        ("market", "string"),
        ("rung", "string"),
        ("lots", "int64"),
        ("notional_usd", "float64"),
        ("price_usd", "float64"),
        ("mark_usd", "float64"),
        ("shortfall_usd", "float64"),
    ],
    "retention": [
        *_KEYS,
        ("kind", "string"),
        ("size_from_usd", "float64"),
        ("accounts", "int64"),
        ("hit", "int64"),
        ("expected_churn", "float64"),
        ("leaving", "int64"),
        ("left", "int64"),
        ("rebuilt", "int64"),
        ("equity_start_usd", "float64"),
        ("wealth_end_usd", "float64"),
        ("haircut_usd", "float64"),
        ("fees_usd", "float64"),
        ("lifetime_value_usd", "float64"),
        ("value_lost_usd", "float64"),
        ("value_left_usd", "float64"),
    ],
    "episodes": [
        *_KEYS,
        ("episode", "int64"),
        ("seed", "int64"),
        ("start_s", "float64"),
        ("end_s", "float64"),
        ("newcomers", "int64"),
        ("left_before", "int64"),
        ("active", "int64"),
        ("hit", "int64"),
        ("left", "int64"),
        ("leaving", "int64"),
        ("waves", "int64"),
        *_amounts("owed calm_fees to_insurance to_vault newcomers_equity"),
        *_amounts("insurance_start insurance_end vault_start vault_end"),
        *_amounts("carried deficit covered residual haircut fees"),
        *_amounts("equity_start equity_end"),
        ("expected_churn", "float64"),
        ("lifetime_value_start_usd", "float64"),
        ("lifetime_value_usd", "float64"),
        ("retained_value_usd", "float64"),
        ("stayed_value_usd", "float64"),
    ],
    "audit": [
        *_KEYS,
        ("wave", "int64"),
        ("time_s", "float64"),
        *_parts("", "short_account deficit debt_market debt_side"),
        *_parts("bankrupt", "position account market lots cost bankruptcy"),
        ("bankrupt_kind", "string[]"),
        *_parts("candidates", "position account market lots cost cash principal given"),
        *_parts("candidates", "own_maintenance own_initial elsewhere_notional"),
        *_parts("candidates", "elsewhere_net elsewhere_profit elsewhere_maintenance"),
        *_parts("candidates", "elsewhere_initial at_bottom"),
        ("candidates_kind", "string[]"),
        *_parts("", "mark previous_mark index unit open_interest"),
        ("insurance", "int64"),
        ("insurance_peak", "int64"),
        ("is_alarmed", "bool"),
        ("defended", "int64"),
        ("withheld", "int64"),
        ("cash_held", "int64"),
        ("excess_debt", "int64"),
        ("claims", "int64"),
        ("ages_s", "float64[]"),
        ("older_gains", "int64[]"),
        ("acted", "bool"),
        ("stage", "int64"),
        ("theta", "float64"),
        ("budget", "int64"),
        ("need", "int64[]"),
        *_parts("payers", "row group capacity worth tier"),
        ("payers_weight", "float64[]"),
        ("score", "float64[]"),
        ("score_columns", "int64"),
        ("amounts", "int64[]"),
        *_parts("fills", "market account bankrupt lots held value cost collateral"),
        ("fills_bankrupt_kind", "string[]"),
        *_parts("haircuts", "account amount"),
        ("withdrawal_cut", "float64"),
        ("short_before", "int64"),
        ("short_after", "int64"),
        ("carried", "int64"),
    ],
    "paths": [
        *_KEYS,
        ("time_s", "float64"),
        ("market", "string"),
        ("index_usd", "float64"),
        ("mark_usd", "float64"),
        ("bid_usd", "float64"),
        ("ask_usd", "float64"),
        ("bid_depth_usd", "float64"),
        ("ask_depth_usd", "float64"),
        ("open_interest_usd", "float64"),
        ("liquidated_usd", "float64"),
        ("vault_usd", "float64"),
        ("insurance_usd", "float64"),
    ],
    "extremes": [
        *_KEYS,
        ("market", "string"),
        ("deficit_usd", "float64"),
        ("lowest_log_return", "float64"),
        ("lowest_log_return_60s", "float64"),
        ("ordinary_depth_usd", "float64"),
        ("lowest_depth_60s_usd", "float64"),
        ("depth_ratio", "float64"),
        ("largest_open_interest_usd", "float64"),
        ("book_usd", "float64"),
        ("unwind_usd", "float64"),
        ("backstop_usd", "float64"),
        ("insurance_usd", "float64"),
        ("shortfall_usd", "float64"),
        ("vault_used_usd", "float64"),
        ("insurance_used_usd", "float64"),
    ],
}
"""Columns of every table; ``[]`` is an array in each row.

`share` of a haircut is the part of capacity that was taken, at most all of it; the largest
haircut of a run is that of profit, the largest equity share that of equity.
`bid_depth_usd` is what rests within 1% of the mark. `severity` of a wave is that of its
first call, `acted` how many of its calls the trigger answered, `withdrawal_cut` the share
of every withdrawal that is withheld after it; the bounds from `feasible` on are those of
`abm.adl.bounds`. Times go on from episode to episode; calm days count in those of recovery
alone. `extremes` are those of `abm.montecarlo.extremes`, written where `outputs.extremes`
asks for them.

A row of `retention` is the traders of a kind whose equity on arrival was of a class that
begins at `size_from_usd`: how many were hit, are expected to leave by the hazard of
`[retention]`, have made up their minds (`leaving`), have left, have rebuilt. Their
`lifetime_value_usd` is that of what they have at the end and what those who left took out;
`value_lost_usd` goes with the expected churn, `value_left_usd` with those who left or are
leaving. What is retained is the rest after the expected churn. Recovery takes 0 s where
there was nothing to recover from, and is infinite where the run ends before it.

A row of `episodes` is one crash. Before it `left_before` went and newcomers came, and the
fund took over what was `owed`; what was still missing at its start is `carried`, what it
added to that its deficit. Values but the first are those at its end, with what was taken
out during the episode; `stayed_value_usd` is that of those who have not made up their minds
to leave.

The columns `predict_*` of a run are those of `abm.measures.predictability`, empty where
nobody was touched; `jump_*` those of `abm.measures.brittleness`, of the first call of the
first runs (see `abm.montecarlo.foresight`).

A row of `audit` is a call of the policy: `abm.adl.audit` makes the call of it again, and
tells the fields' units."""


def _type(kind: str) -> pa.DataType:
    if kind.endswith("[]"):
        return pa.list_(_type(kind.removesuffix("[]")))
    return pa.type_for_alias(kind)


SCHEMAS = {
    name: pa.schema([(column, _type(kind)) for column, kind in columns])
    for name, columns in COLUMNS.items()
}


def numeric_columns(table: str) -> list[str]:
    """Columns of a table that hold real numbers."""
    return [field.name for field in SCHEMAS[table] if pa.types.is_floating(field.type)]


MANIFEST = "manifest.json"


class StoreError(Exception):
    """A run folder that cannot be read or written; one line for a person."""


def _file(folder: Path, table: str, block: int) -> Path:
    return folder / f"{table}.parquet" / f"block-{block:06d}.parquet"


def write_block(folder: Path, block: int, files: Mapping[str, bytes]) -> dict[str, str]:
    """Write all files of a block; each appears whole or not at all.

    Returns
    -------
    dict
        The SHA-256 of every table's file.

    Raises
    ------
    StoreError
        If a file cannot be written, as on a full disk.
    """
    digests = {}
    for name, content in files.items():
        path = _file(folder, name, block)
        partial = path.with_suffix(f".partial-{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            partial.replace(path)
            digests[name] = hashlib.sha256(content).hexdigest()
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from None
    return digests


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def damage(folder: Path, block: int, digests: Mapping[str, str]) -> str | None:
    """The first table of a block whose file is missing or not what was written."""
    for name, digest in digests.items():
        path = _file(folder, name, block)
        if not path.is_file() or file_hash(path) != digest:
            return name
    return None


def remove_partial_files(folder: Path) -> None:
    """Remove what a process that was killed left half written."""
    for path in (*folder.glob("*/*.partial-*"), *folder.glob(f"{MANIFEST}.partial")):
        path.unlink(missing_ok=True)


def manifest_hash(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of all that a manifest says but its own hash, in hexadecimal."""
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Replace the manifest in one move; blocks are listed in order, its own hash last."""
    blocks = dict(sorted(manifest["blocks"].items(), key=lambda item: int(item[0])))
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    rest["blocks"] = blocks
    manifest = {**rest, "sha256": manifest_hash(rest)}
    partial = folder / f"{MANIFEST}.partial"
    try:
        with partial.open("w", encoding="utf-8") as handle:
            json.dump(manifest, handle, indent=1)
            handle.write("\n")
            handle.flush()
            os.fsync(handle.fileno())
        partial.replace(folder / MANIFEST)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from None


def create(folder: Path, *, overwrite: bool = False, index: str = MANIFEST) -> None:
    """Make a new run folder.

    Parameters
    ----------
    overwrite : bool
        Replace what is there if it has a file called `index`.

    Raises
    ------
    StoreError
        If there is something already, unless it may be replaced; or another process is
        working on it.
    """
    if folder.exists() and (not folder.is_dir() or _holds_anything(folder)):
        if not overwrite:
            raise StoreError(
                f"{folder}: exists already: give another --out, or --overwrite"
            )
        if not (folder / index).is_file():
            raise StoreError(f"{folder}: has no {index}, so it is not overwritten")
        with locked(folder):
            (folder / index).unlink()
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: cannot be made: {error.strerror}") from None


def _holds_anything(folder: Path) -> bool:
    """False if there is nothing but what a process killed at its first moment leaves."""
    first = (".lock", f"{MANIFEST}.partial")
    return any(path.name not in first for path in folder.iterdir())


def remove_unlisted_blocks(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Remove the files of blocks that the manifest does not name."""
    listed = {_file(folder, t, int(n)) for n in manifest["blocks"] for t in COLUMNS}
    for path in folder.glob("*.parquet/block-*.parquet"):
        if path not in listed:
            path.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from working on a run folder.

    The lock dies with the process, however that ends.

    Raises
    ------
    StoreError
        If another process is working on it, or it is not there or cannot be written.
    """
    if not folder.is_dir():
        raise StoreError(f"{folder}: is not a run folder")
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise StoreError(f"{folder}: another process is working on it") from None
    except OSError as error:
        raise StoreError(f"{folder}: cannot be written: {error.strerror}") from None
    try:
        yield
    finally:
        with suppress(OSError):
            (folder / ".lock").unlink(missing_ok=True)
        lock.release()


def read_index(folder: Path, name: str, what: str) -> dict[str, Any]:
    """The index of a folder of batches: of a study, or of a sweep.

    Parameters
    ----------
    name : str
        The index's file name.
    what : str
        What such a folder is, for the message.

    Raises
    ------
    StoreError
        If there is no index, or it cannot be read.
    """
    path = folder / name
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise StoreError(f"{folder}: is not a {what}'s folder (no {name})") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None


class Batch:
    """A run folder, opened for reading.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    StoreError
        If it is not a run folder.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / MANIFEST
        try:
            self.manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise StoreError(
                f"{self.folder}: is not a run folder (no {MANIFEST})"
            ) from None
        except (OSError, ValueError) as error:
            raise StoreError(f"{path}: cannot be read: {error}") from None

    @property
    def name(self) -> str:
        """Name of the batch."""
        return str(self.manifest["name"])

    @property
    def policies(self) -> list[str]:
        """Policies in the plan's order."""
        return list(self.manifest["policies"])

    @property
    def scenario(self) -> dict[str, Any]:
        """The scenario as it was resolved."""
        return dict(self.manifest["scenario"])

    def table(
        self,
        name: str,
        columns: list[str] | None = None,
        where: pc.Expression | None = None,
    ) -> pa.Table:
        """A table of whole blocks, in the order of runs."""
        try:
            return self.dataset(name).to_table(columns=columns, filter=where)
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(
                f"{self.folder / name}.parquet: is damaged: `adl resume` computes damaged "
                f"blocks again ({' '.join(str(error).split())[:200]})"
            ) from None

    def dataset(self, name: str) -> ds.Dataset:
        """A table of whole blocks that is read as it is asked for."""
        files = [str(_file(self.folder, name, block)) for block in self._whole_blocks()]
        if not files:
            return ds.dataset(SCHEMAS[name].empty_table())
        return ds.dataset(files, schema=SCHEMAS[name], format="parquet")

    def frame(self, name: str, **how: Any) -> Any:
        """A table as a pandas data frame; options as :meth:`table`."""
        return self.table(name, **how).to_pandas()

    def file(self, table: str, block: int) -> Path:
        """The file of a table in a block."""
        return _file(self.folder, table, block)

    def content_hash(self) -> str:
        """SHA-256 over the contents of all tables, the same wherever they were made."""
        digest = hashlib.sha256()
        # A batch of an earlier version lacks tables that came later.
        for name in sorted(COLUMNS):
            for block in self._whole_blocks():
                files = self.manifest["blocks"][str(block)]["sha256"]
                digest.update(files.get(name, "").encode())
        return digest.hexdigest()

    def _whole_blocks(self) -> Iterable[int]:
        return sorted(int(block) for block in self.manifest["blocks"])
