"""The manifest keeps up with blocks, but not at any price."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

from abm import scenario as scenarios
from abm.montecarlo import entries, store
from abm.montecarlo.blocks import Done
from abm.montecarlo.plan import Plan
from abm.montecarlo.runner import new_manifest

MINIMAL = Path(__file__).parents[2] / "configs" / "minimal.toml"


def test_a_slow_manifest_is_written_seldom_and_at_the_end(tmp_path, monkeypatch):
    plan = Plan.of(scenarios.load(MINIMAL, ["run.runs=1000", "run.block=1"]))
    now, written = [0.0], []

    def slowly(folder, manifest):
        now[0] += 1.0
        written.append(len(manifest["blocks"]))
        write(folder, manifest)

    write = store.write_manifest
    monkeypatch.setattr(store, "write_manifest", slowly)
    monkeypatch.setattr(entries.time, "monotonic", lambda: now[0])
    manifest = new_manifest(plan)
    with entries.Entries(plan, tmp_path, manifest) as under_way:
        for block in plan.blocks()[:100]:
            now[0] += 1.0
            under_way.enter(block, Done(0, {"runs": "0" * 64}, []))
    # Each takes a second, so one in twenty is written: of 100 blocks 5, and the rest.
    assert written == [1, 21, 41, 61, 81, 100]
    found = json.loads((tmp_path / "manifest.json").read_text())
    assert list(found["blocks"]) == [str(number) for number in range(100)]


def test_a_block_that_is_entered_leaves_a_few_kilobytes_behind(tmp_path, monkeypatch):
    plan = Plan.of(scenarios.load(MINIMAL, ["run.runs=4000", "run.block=1"]))
    monkeypatch.setattr(store, "write_manifest", lambda *_: None)
    manifest = new_manifest(plan)
    tracemalloc.start()
    try:
        with entries.Entries(plan, tmp_path, manifest) as under_way:
            sizes = []
            for block in plan.blocks():
                # Digests of its own, as of files that were written.
                digests = {n: f"{n}{block.number}".zfill(64) for n in store.SCHEMAS}
                under_way.enter(block, Done(0, digests, []))
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert (sizes[-1] - sizes[1999]) / 2000 < 3_000
