"""The command `adl` within the process of the tests."""

from __future__ import annotations

import functools
from unittest import mock

import typer.main
from typer.testing import CliRunner, Result

from abm.cli import app

# Building the command takes typer longer than most of its calls last: once is enough.
_built = functools.cache(typer.main.get_command)


def adl(*words: object) -> Result:
    """What `adl` prints and how it ends; `words` are written as a shell would."""
    with mock.patch("typer.testing._get_command", _built):
        return CliRunner().invoke(app, [str(word) for word in words])
