"""A run folder is read whatever version wrote it."""

from __future__ import annotations

import shutil

from abm.montecarlo import store
from tests.analysis.batches import make_batch


def test_a_batch_that_was_written_before_a_table_came_has_none_of_its_rows(tmp_path):
    batch = make_batch(
        tmp_path, ["none"], 1, runs=[{"run": 0, "policy": "none", "seed": 7}]
    )
    shutil.rmtree(tmp_path / "extremes.parquet")
    written = dict.fromkeys(set(store.SCHEMAS) - {"extremes"}, "")
    batch.manifest["blocks"]["0"]["sha256"] = written
    assert batch.table("extremes").schema.names == store.SCHEMAS["extremes"].names
    assert len(batch.table("extremes")) == batch.dataset("extremes").count_rows() == 0
    assert batch.table("runs")["seed"].to_pylist() == [7]
