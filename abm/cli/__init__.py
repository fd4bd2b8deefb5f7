"""The command `adl`. Imports wait until a command needs them, so that help is instant."""

from __future__ import annotations

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
    try:
        app()
    except BrokenPipeError:
        sys.exit(0)
