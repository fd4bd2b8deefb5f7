"""What a run folder holds, and how it is written and read."""

from abm.montecarlo.store.columns import COLUMNS, SCHEMAS, numeric_columns
from abm.montecarlo.store.folder import (
    MANIFEST,
    Batch,
    StoreError,
    create,
    damage,
    file_hash,
    locked,
    manifest_hash,
    read_index,
    remove_partial_files,
    remove_unlisted_blocks,
    write_block,
    write_manifest,
)
from abm.montecarlo.store.kept import kept_by_run, kept_usd

__all__ = [
    "COLUMNS",
    "MANIFEST",
    "SCHEMAS",
    "Batch",
    "StoreError",
    "create",
    "damage",
    "file_hash",
    "kept_by_run",
    "kept_usd",
    "locked",
    "manifest_hash",
    "numeric_columns",
    "read_index",
    "remove_partial_files",
    "remove_unlisted_blocks",
    "write_block",
    "write_manifest",
]
