"""Tests with the heavy frameworks: `make test-frameworks` sets UNSL_FRAMEWORKS; else none runs."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("UNSL_FRAMEWORKS") else ["*"]
