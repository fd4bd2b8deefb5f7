"""SQL over a run folder or a sweep, by DuckDB within this process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as fs

from abm.montecarlo.store import COLUMNS, MANIFEST, SCHEMAS, Batch, StoreError, read_index
from abm.montecarlo.sweeps import INDEX


def query(batch: Batch, sql: str) -> Any:
    """Ask a batch's tables in SQL.

    Parameters
    ----------
    batch : Batch
        Its tables are `runs`, `waves`, `haircuts`, `adl_fills`, ...; only whole blocks
        are seen.
    sql : str
        One statement, in DuckDB's dialect.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    StoreError
        If DuckDB is not installed, or it refuses the statement.
    """
    return _ask({name: batch.dataset(name) for name in COLUMNS}, sql)


def query_sweep(folder: Path, sql: str) -> Any:
    """Ask the tables of all points of a sweep in SQL.

    Parameters
    ----------
    folder : Path
        Of the sweep. Its tables are those of a batch with a column `point` more, over all
        points that were begun; `points` has the value of every key at each point.
    sql : str
        One statement, in DuckDB's dialect; keys have dots, so they must be quoted.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    StoreError
        As :func:`query`, and if the folder is no sweep or a batch cannot be read.
    """
    points = read_index(folder, INDEX, "sweep")["points"]
    places = [folder / point["folder"] for point in points]
    batches = {
        number: Batch(place)
        for number, place in enumerate(places)
        if (place / MANIFEST).is_file()
    }
    # Of thousands of points only the tables that are named: each has a file a block.
    tables = {name: _of_points(batches, name) for name in COLUMNS if name in sql.lower()}
    return _ask(tables | {"points": _values(points)}, sql)


def _of_points(batches: Mapping[int, Batch], table: str) -> ds.Dataset:
    """A table of several batches, each row with the number of its batch."""
    schema = SCHEMAS[table].append(pa.field("point", pa.int64()))
    form, disk = ds.ParquetFileFormat(), fs.LocalFileSystem()
    fragments = [
        form.make_fragment(file, disk, ds.field("point") == number)
        for number, batch in batches.items()
        for file in getattr(batch.dataset(table), "files", ())
    ]
    if not fragments:
        return ds.dataset(schema.empty_table())
    return ds.FileSystemDataset(fragments, schema, form, disk)


def _values(points: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The values of all keys by point."""
    columns: dict[str, Any] = {"point": list(range(len(points)))}
    for key in points[0]["values"]:
        values = [point["values"][key] for point in points]
        try:
            columns[key] = pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            columns[key] = pa.array([json.dumps(value) for value in values])
    return pa.table(columns)


def _ask(tables: Mapping[str, Any], sql: str) -> Any:
    try:
        import duckdb
    except ImportError:
        raise StoreError("query: needs DuckDB: pip install 'adl-abm[query]'") from None
    with duckdb.connect(":memory:") as connection:
        for name, table in tables.items():
            connection.register(name, table)
        # Only what is registered: no other file is read or written.
        connection.execute("SET enable_external_access = false")
        try:
            return connection.execute(sql).df()
        except duckdb.Error as error:
            reason = " ".join(str(error).split("\n\n")[0].split())
            raise StoreError(f"query: {reason}") from None
