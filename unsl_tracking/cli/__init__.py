"""The `unsl` command. Needs typer and rich (`pip install 'unsl-tracking[cli]'`)."""

from __future__ import annotations

import gc
import sys
from typing import Final

# A command lives for seconds, most of them in the imports of a tracker: 400,000 objects, none of
# them garbage, that Python would look through five times, and once more at the end. Measured on
# `gate` (docs/gate.md): 0.4 s and 0.8 s of processor time.
_OBJECTS: Final = 200_000


def main() -> None:
    """Entry point of the console script; exits with the command's status."""
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    try:
        _run()
    except KeyboardInterrupt:  # while loading; later ones are told apart in `errors`
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    finally:
        gc.freeze()


def _run() -> None:
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
