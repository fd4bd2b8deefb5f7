"""The tables of a block as the contents of its files, without holding all of them."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.parquet as pq

from abm.montecarlo.store import SCHEMAS

GROUP_BYTES = 16 * 2**20
"""Rows are held until they take so much; then they are compressed as a row group."""


def _words(table: str) -> list[str] | bool:
    """Columns of few different values: a dictionary of numbers takes time for nothing."""
    kept = [field.name for field in SCHEMAS[table] if not _is_number(field.type)]
    return kept or False


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


class Encoder:
    """Turns the tables of one run after another into Parquet files in memory.

    The bytes depend on what was added alone. A block's audit is many times larger before
    it is compressed than after.
    """

    def __init__(self) -> None:
        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in SCHEMAS}
        self._bytes = dict.fromkeys(SCHEMAS, 0)
        self._sinks = {name: pa.BufferOutputStream() for name in SCHEMAS}
        self._writers = {
            name: pq.ParquetWriter(
                sink, SCHEMAS[name], compression="zstd", use_dictionary=_words(name)
            )
            for name, sink in self._sinks.items()
        }

    def add(self, tables: Mapping[str, pa.Table]) -> None:
        """Add rows to tables."""
        for name, table in tables.items():
            if len(table) == 0:
                continue
            self._waiting[name].append(table)
            self._bytes[name] += table.nbytes
            if self._bytes[name] >= GROUP_BYTES:
                self._write(name)

    def finish(self) -> dict[str, pa.Buffer]:
        """What the file of every table holds; nothing can be added afterwards.

        The audit of many policies fills hundreds of megabytes, so nothing is copied.
        """
        files = {}
        for name in SCHEMAS:
            self._write(name)
            self._writers.pop(name).close()
            files[name] = self._sinks.pop(name).getvalue()
        return files

    def _write(self, name: str) -> None:
        if self._waiting[name]:
            rows = pa.concat_tables(self._waiting[name])
            self._writers[name].write_table(rows, row_group_size=len(rows))
        self._waiting[name], self._bytes[name] = [], 0
