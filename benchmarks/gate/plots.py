"""Two pictures: stated probability against what happened, and verdicts against the distance."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.gate import figures

_RIGHT, _WRONG, _UNDECIDED, _LINE = "#1f5fa8", "#d1495b", "#d9d9d9", "#555555"


def draw(cases: pd.DataFrame, path: Path) -> Path:
    """The reliability plot and the verdicts by distance, side by side, as a PNG."""
    matplotlib.use("Agg")
    figure = Figure(figsize=(10.5, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    _reliability(left, cases)
    _verdicts(right, cases)
    figure.savefig(path, dpi=110)
    return path


def _reliability(panel: Axes, cases: pd.DataFrame) -> None:
    panel.plot([0, 1], [0, 1], color=_LINE, lw=0.8, ls=":", label="stated = observed")
    for name, part in (
        ("all", cases),
        ("several axes", cases[cases["kind"] == "several axes"]),
        ("curves", cases[cases["kind"] == "curve"]),
    ):
        if part.empty:
            continue
        found = figures.reliability(part)
        style = {"all": (2.2, _RIGHT), "several axes": (1.0, "#2a9d8f"), "curves": (1.0, "#e9a23b")}
        width, colour = style[name]
        label = f"{name} ({part['set'].nunique()} sets)"
        panel.plot(found["stated"], found["was better"], "o-", lw=width, color=colour, label=label)
    for bound in (0.1, 0.9):
        panel.axvline(bound, color=_LINE, lw=0.6, ls="--")
    panel.set(xlabel="stated P(better than the target)", ylabel="share that was better")
    panel.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), title="Reliability")
    panel.legend(fontsize=8, loc="upper left")


def _verdicts(panel: Axes, cases: pd.DataFrame) -> None:
    by = figures.by(cases, "distance")
    distance = [f"{100 * float(d):+g}" for d in by.index]
    decided = by["decided"].astype(float).to_numpy()
    wrong = decided * np.nan_to_num(by["wrong of decided"].astype(float).to_numpy())
    x = np.arange(len(distance))
    panel.bar(x, 1.0 - decided, bottom=decided, color=_UNDECIDED, label="UNDECIDED")
    panel.bar(x, decided - wrong, color=_RIGHT, label="decided, right")
    panel.bar(x, wrong, bottom=decided - wrong, color=_WRONG, label="decided, wrong")
    panel.axvline(len(x) / 2 - 0.5, color=_LINE, lw=0.8)
    panel.set_xticks(x, distance, fontsize=7)
    panel.set(xlabel="100 · ln(target / what the run reached)", ylim=(0, 1))
    panel.set(title="NO-GO is right on the left, GO on the right", ylabel="share of cases")
    panel.legend(fontsize=8, loc="upper center", framealpha=0.95)
