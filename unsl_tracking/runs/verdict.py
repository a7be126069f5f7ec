"""The verdict of a gate, as a tracker keeps it: tags, and an alias for registered models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Word = Literal["GO", "NO-GO", "UNDECIDED"]
ALIASES: Final[Mapping[Word, str]] = {
    "GO": "unsl-go",
    "NO-GO": "unsl-no-go",
    "UNDECIDED": "unsl-undecided",
}
"""A model carries one of these at the most; pipelines may wait for the first."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """`tags` (names that begin with `unsl.`) say what was asked and answered, the word included.

    `metrics` are those that it is about; empty where that is not told.
    """

    word: Word
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()

    @property
    def alias(self) -> str:
        """The alias that says this verdict."""
        return ALIASES[self.word]

    @property
    def other_aliases(self) -> tuple[str, ...]:
        """The aliases that say something else, and have to go."""
        return tuple(alias for alias in ALIASES.values() if alias != self.alias)
