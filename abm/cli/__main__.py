"""``python -m abm.cli`` is ``adl``."""

from abm.cli import main

main()
