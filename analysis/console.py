"""Tables for a terminal as text, the same wherever they are made."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console


def plain_console(text: TextIO, width: int) -> Console:
    """A console that writes plain text of a width to a buffer.

    In a notebook rich would show its tables beside the buffer instead.
    """
    return Console(
        file=text, width=width, highlight=False, color_system=None, force_jupyter=False
    )
