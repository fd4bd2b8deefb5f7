"""Runs the tutorials and keeps their results in them.

    python -m docs.notebooks

Results of a notebook are those of the code as it is; what depends on when and where it ran
(times, paths) is left out of the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

TUTORIALS = Path(__file__).parent / "tutorials"


def notebooks() -> list[Path]:
    """The tutorials in order."""
    return sorted(TUTORIALS.glob("*.ipynb"))


def executed(path: Path) -> Any:
    """A notebook with its results, run in its folder.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell raises.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=600,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    return notebook


def main() -> None:
    """Run all of them, in place."""
    for path in notebooks():
        notebook = executed(path)
        notebook.metadata = {
            "kernelspec": {
                "name": "python3",
                "display_name": "Python 3",
                "language": "python",
            }
        }
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
