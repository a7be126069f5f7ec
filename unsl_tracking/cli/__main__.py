"""`python -m unsl_tracking.cli` is `unsl`."""

from __future__ import annotations

from unsl_tracking.cli import main

main()
