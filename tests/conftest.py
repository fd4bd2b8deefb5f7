"""What holds for all tests."""

from __future__ import annotations

import multiprocessing

# When it is loaded, mesa looks through all modules there are: the fewer, the faster.
import mesa  # noqa: F401

# Worker processes are forked from one that has imported what they need: many tests start
# two, and importing takes each of them longer than its runs.
multiprocessing.get_context("forkserver").set_forkserver_preload(["abm.montecarlo.runner"])
