"""A wave from a small file, put to any number of policies: who pays what under each.

The accounts of the file stand in a venue of one market in which nobody else trades. Who
has negative equity is short; everybody else may be asked. Every policy answers the same
wave on a copy of its own, through the same code as in a simulation.
"""

from abm.playground.asking import Answer, ask, policies_of
from abm.playground.book import Book, book_of
from abm.playground.file import Holder, WaveFile
from abm.playground.reading import load

__all__ = [
    "Answer",
    "Book",
    "Holder",
    "WaveFile",
    "ask",
    "book_of",
    "load",
    "policies_of",
]
