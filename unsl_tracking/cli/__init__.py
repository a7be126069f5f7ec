"""The `unsl` command. Needs typer and rich (`pip install 'unsl-tracking[cli]'`)."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the console script; exits with the command's status."""
    try:
        from unsl_tracking.cli.app import app
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        print(
            f"unsl needs the package {error.name}: pip install 'unsl-tracking[cli]'",
            file=sys.stderr,
        )
        sys.exit(1)
    app()
