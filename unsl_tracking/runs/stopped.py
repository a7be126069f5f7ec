"""What the tags of a run say of decisions to stop it, whichever monitor or metric took them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

STOPPING: Final = frozenset({"doomed", "diverged", "plateaued"})
"""The verdicts of `ut.Decision` that ask for an end; a dry run's are written otherwise."""
VERDICT: Final = "unsl.verdict"
"""The tag of the newest decision; `unsl/<metric>/verdict` are those of each metric."""


def was_stopped(tags: Mapping[str, str]) -> bool:
    """Whether the last decision about any metric of a run asked to stop it; no dry run does."""
    return any(
        verdict in STOPPING
        for name, verdict in tags.items()
        if name == VERDICT or (name.startswith("unsl/") and name.endswith("/verdict"))
    )
