"""The command `adl`. Imports wait until a command needs them, so that help is instant."""

from __future__ import annotations

import os
import sys

from abm.cli import (
    calibrate,
    exposure,
    facts,
    fund,
    game,
    policies,
    reading,
    report,
    robustness,
    running,
    search,
    stress,
    theory,
    wave,
)
from abm.cli.common import app

__all__ = [
    "app",
    "calibrate",
    "exposure",
    "facts",
    "fund",
    "game",
    "main",
    "policies",
    "reading",
    "report",
    "robustness",
    "running",
    "search",
    "stress",
    "theory",
    "wave",
]


def main() -> None:
    """Entry point of the command."""
    status = 0
    try:
        app()
    except BrokenPipeError:
        os._exit(0)
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        status = end.code or 0
    _leave(status)


def _leave(status: int) -> None:
    """End without taking apart what was loaded, which takes some tenths of a second.

    Nothing is open by now: commands close their files, and wait for their processes.
    """
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    os._exit(status)
