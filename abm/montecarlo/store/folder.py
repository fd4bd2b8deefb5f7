"""A run folder: how it is written and read.

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

from abm.montecarlo.store.columns import COLUMNS, SCHEMAS

MANIFEST = "manifest.json"


class StoreError(Exception):
    """A run folder that cannot be read or written; one line for a person."""


def _file(folder: Path, table: str, block: int) -> Path:
    return folder / f"{table}.parquet" / f"block-{block:06d}.parquet"


def write_block(folder: Path, block: int, files: Mapping[str, pa.Buffer]) -> dict[str, str]:
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
        """A table of whole blocks, in the order of runs.

        Read file by file: what a file says of itself takes far more memory than a few of
        its columns, and would be kept of all files until the last is read.
        """
        each: list[list[int]] = [[block] for block in self._blocks_with(name)] or [[]]
        try:
            parts = [
                self._dataset(name, one).to_table(columns=columns, filter=where)
                for one in each
            ]
            return pa.concat_tables(parts)
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(
                f"{self.folder / name}.parquet: is damaged: `adl resume` computes damaged "
                f"blocks again ({' '.join(str(error).split())[:200]})"
            ) from None

    def dataset(self, name: str) -> ds.Dataset:
        """A table of whole blocks that is read as it is asked for."""
        return self._dataset(name, self._blocks_with(name))

    def _dataset(self, name: str, blocks: Iterable[int]) -> ds.Dataset:
        files = [str(_file(self.folder, name, block)) for block in blocks]
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

    def _blocks_with(self, name: str) -> list[int]:
        """Whole blocks that have a table: those of an earlier version lack later ones."""
        blocks = self.manifest["blocks"]
        every = {block: blocks[str(block)].get("sha256") for block in self._whole_blocks()}
        return [block for block, files in every.items() if files is None or name in files]

    def _whole_blocks(self) -> Iterable[int]:
        return sorted(int(block) for block in self.manifest["blocks"])
