"""Tests with the heavy frameworks: `make test-frameworks` sets UNSL_FRAMEWORKS; else none runs."""

from __future__ import annotations

import os
import warnings

# Their own warnings are their own; what ours raise is tested in tests/core/live.
warnings.simplefilter("default")

collect_ignore_glob = [] if os.environ.get("UNSL_FRAMEWORKS") else ["*"]
