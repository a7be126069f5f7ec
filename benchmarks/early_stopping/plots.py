"""Pictures: compute against regret, and what screening saves against what it loses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.early_stopping.harness import Figures
from benchmarks.early_stopping.report import by_rule
from benchmarks.early_stopping.rules import NO_STOP, ORACLE, OURS
from benchmarks.early_stopping.search import BUDGET


def regret(found: Sequence[Figures], path: Path) -> Path:
    """Average regret of each rule over compute, a panel per task."""
    matplotlib.use("Agg")
    pools = list(dict.fromkeys(f.pool for f in found))
    columns = min(3, len(pools))
    rows = -(-len(pools) // columns)
    figure = Figure(figsize=(3.7 * columns, 2.7 * rows + 0.5), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, pool in zip(panels, pools, strict=False):
        mine = [f for f in found if f.pool == pool]
        for f in mine:
            shown = f.at <= BUDGET
            panel.plot(f.at[shown], np.maximum(f.regret[shown], 1e-4), label=f.rule, **_style(f))
        panel.axhline(mine[0].goal, color="black", lw=0.6, ls=":")
        panel.set(title=pool.split()[-1], xlabel="compute (whole runs)", ylabel="regret")
        panel.set(yscale="log", xlim=(0, BUDGET), ylim=(0.2 * mine[0].goal, None))
        panel.title.set_fontsize(8)
    for empty in panels[len(pools) :]:
        empty.set_axis_off()
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=5, fontsize=8)
    figure.savefig(path, dpi=80)
    return path


def screening(found: Sequence[Figures], path: Path) -> Path:
    """Speed-up of each rule against the share of pools whose best run it keeps."""
    matplotlib.use("Agg")
    figure = Figure(figsize=(5.4, 3.4), layout="constrained")
    panel = figure.subplots()
    labels: dict[tuple[float, float], list[str]] = {}
    for name, mine in by_rule(found).items():
        each = [s for f in mine for s in f.screened]
        speed = sum(s.runs for s in each) / sum(s.cost for s in each)
        kept = float(np.mean([s.best_kept for s in each]))
        panel.plot(speed, kept, "o", color="#1f5fa8" if name in OURS else "#888888")
        labels.setdefault((round(speed, 1), round(kept, 2)), []).append(name)
    for place, names in labels.items():
        text, below = ", ".join(names), 0.97 <= place[1] < 0.995  # beside those that keep all
        offset = (-4, -20) if below else (5, 4)
        panel.annotate(text, place, xytext=offset, textcoords="offset points", fontsize=8)
    panel.axhspan(0.9, 1.02, xmin=0.0, color="#1f5fa8", alpha=0.06)
    panel.axvline(1.8, color="black", lw=0.6, ls=":")
    panel.set(xlabel="speed-up", ylabel="best run kept", xscale="log", ylim=(0, 1.1))
    panel.set_xlim(0.9, 14)
    panel.set_xticks([1, 1.8, 3, 5, 10], ["1", "1.8", "3", "5", "10"])
    panel.minorticks_off()
    figure.savefig(path, dpi=80)
    return path


def _style(figures: Figures) -> dict[str, object]:
    if figures.rule in OURS:
        dashes = dict(zip(OURS, ("-", "--", "-."), strict=True))[figures.rule]
        return {"lw": 2.0, "color": "#1f5fa8", "ls": dashes}
    if figures.rule in (NO_STOP, ORACLE):
        return {"lw": 1.2, "color": "black", "ls": "-" if figures.rule == NO_STOP else ":"}
    return {"lw": 1.0}
