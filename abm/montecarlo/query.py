"""SQL over a run folder, by DuckDB within this process."""

from __future__ import annotations

from typing import Any

from abm.montecarlo.store import COLUMNS, Batch, StoreError


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
    try:
        import duckdb
    except ImportError:
        raise StoreError("query: needs DuckDB: pip install 'adl-abm[query]'") from None
    with duckdb.connect(":memory:") as connection:
        for table in COLUMNS:
            connection.register(table, batch.dataset(table))
        # Only what is registered: no other file is read or written.
        connection.execute("SET enable_external_access = false")
        try:
            return connection.execute(sql).df()
        except duckdb.Error as error:
            reason = " ".join(str(error).split("\n\n")[0].split())
            raise StoreError(f"query: {reason}") from None
