"""Command line, profiles, jobs, the runner of notebooks, the book."""

from __future__ import annotations

import sys


def main() -> None:
    """The command `steu`; without the extras that it needs, one line says which."""
    try:
        from steu.workflow.cli import main as run

        run()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("steu"):
            raise
        print(
            f"steu: the command line needs {error.name}: install steu[data,book,run,withdraw]",
            file=sys.stderr,
        )
        sys.exit(2)
