"""Colours and text of every figure, light and dark. Shared with the page's style sheet."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours as #rrggbb. `ramp` runs from the low to the high end of the second axis."""

    background: str
    ink: str
    muted: str
    grid: str
    band: str
    band_alphas: tuple[float, float, float]  # of the 95, 80 and 50% bands, drawn on one another
    answer: str
    actual: str
    ramp: tuple[str, ...]


LIGHT = Palette(
    background="#ffffff",
    ink="#16202c",
    muted="#6a7686",
    grid="#e8ebef",
    band="#3b5bdb",
    band_alphas=(0.09, 0.13, 0.20),
    answer="#3b5bdb",
    actual="#e8590c",
    ramp=("#7bdcb5", "#2fb5a8", "#1f86a8", "#2a5a92", "#2d2f6b"),
)

DARK = Palette(
    background="#11161d",
    ink="#e8edf3",
    muted="#93a0b0",
    grid="#222b36",
    band="#7c9cff",
    band_alphas=(0.11, 0.15, 0.24),
    answer="#8fabff",
    actual="#ff9d57",
    ramp=("#1f6f78", "#2ba08f", "#58cc9a", "#a5e88f", "#f1f9a0"),
)
