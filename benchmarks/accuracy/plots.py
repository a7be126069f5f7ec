"""Pictures: every set with its forecast and the truth, and coverage against nominal level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from benchmarks.accuracy import report, scores
from benchmarks.accuracy.harness import Result
from benchmarks.accuracy.methods import NAMES, OURS
from benchmarks.accuracy.tables import VALUE

Array = NDArray[np.float64]

_PER_SHEET = (4, 5)  # rows, columns of a contact sheet
_BAND = "forecast, 80%"
_SEEN, _TRUTH, _FORECAST = "#888888", "#d1495b", "#1f5fa8"
_FEWEST_FOR_LINE = 4  # sets of a domain below which its calibration curve is noise


def draw(results: Sequence[Result], folder: Path) -> list[Path]:
    """Contact sheets per domain, worst sets first, and the calibration plot; the files written."""
    matplotlib.use("Agg")
    written = [_calibration(results, folder / "calibration.png")]
    for domain in dict.fromkeys(r.problem.domain for r in results):
        mine = [r for r in results if r.problem.domain == domain and _drawable(r)]
        mine.sort(key=lambda r: -r.scores[OURS].rmsle)
        size = _PER_SHEET[0] * _PER_SHEET[1]
        for page, start in enumerate(range(0, len(mine), size), start=1):
            name = f"{''.join(c if c.isalnum() else '_' for c in domain)}_{page}.png"
            written.append(_sheet(mine[start : start + size], folder / name))
    return written


def _drawable(result: Result) -> bool:
    found = result.scores.get(OURS)
    return found is not None and not found.refusal


def _sheet(results: Sequence[Result], path: Path) -> Path:
    columns = min(_PER_SHEET[1], len(results))
    rows = -(-len(results) // columns)
    figure = Figure(figsize=(3.6 * columns, 2.9 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, result in zip(grid, results, strict=False):
        _panel(panel, result)
    for empty in grid[len(results) :]:
        empty.set_axis_off()
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=4, fontsize=8)
    figure.savefig(path, dpi=80)
    return path


def _panel(panel: Axes, result: Result) -> None:
    problem, found = result.problem, result.scores[OURS]
    if len(problem.axes) == 1:
        _along_the_axis(panel, result)
    else:
        _against_the_truth(panel, result)
    for axis in (panel.xaxis, panel.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 6.0)))
            axis.set_major_formatter("{x:.3g}")
            axis.set_minor_formatter(NullFormatter())
    label = f"{problem.source}: {problem.name}".replace("$", r"\$")
    panel.set_title(f"{label[-46:]}\n{found.rmsle:.4f}  {found.form}", fontsize=7)
    panel.tick_params(labelsize=6, which="both")


def _along_the_axis(panel: Axes, result: Result) -> None:
    """One axis: what was fitted, the forecast with its band, the truth."""
    problem, found = result.problem, result.scores[OURS]
    seen, ahead = (problem.log_size(p) / np.log(10.0) for p in (problem.train, problem.test))
    panel.plot(seen, problem.train[VALUE], ".", color=_SEEN, ms=3, label="fitted")
    panel.plot(ahead, problem.test[VALUE], ".", color=_TRUTH, ms=3, label="truth")
    middle, low, high = (np.exp(found.points[k]) for k in ("median", "low", "high"))
    if len(ahead) == 1:
        _bars(panel, ahead, middle, low, high)
    else:
        order = np.argsort(ahead)
        panel.plot(ahead[order], middle[order], "-", color=_FORECAST, lw=1.2, label=_BAND)
        panel.fill_between(ahead[order], low[order], high[order], color=_FORECAST, alpha=0.2, lw=0)
    panel.set_yscale("log")
    everything = np.concatenate([problem.train[VALUE], problem.test[VALUE], middle])
    panel.set_ylim(everything.min() / 1.05, everything.max() * 1.05)
    panel.set_xlabel(f"log10 {problem.axes[0]}", fontsize=6)


def _against_the_truth(panel: Axes, result: Result) -> None:
    """Several axes: forecast against truth, which is the diagonal; what was fitted lies on it."""
    problem, found = result.problem, result.scores[OURS]
    train, test = (p[VALUE].to_numpy(dtype=float) for p in (problem.train, problem.test))
    middle, low, high = (np.exp(found.points[k]) for k in ("median", "low", "high"))
    everything = np.concatenate([train, test, middle])
    ends = np.array([everything.min() / 1.03, everything.max() * 1.03])
    panel.plot(ends, ends, "-", color=_TRUTH, lw=0.8, label="truth")
    panel.plot(train, train, ".", color=_SEEN, ms=3, label="fitted")
    _bars(panel, test, middle, low, high)
    panel.set(xscale="log", yscale="log", xlim=ends, ylim=ends)
    panel.set_xlabel("truth", fontsize=6)
    panel.set_ylabel("forecast", fontsize=6)


def _bars(panel: Axes, x: Array, middle: Array, low: Array, high: Array) -> None:
    reach = np.stack([middle - low, high - middle])
    panel.errorbar(x, middle, reach, fmt=".", color=_FORECAST, lw=0.6, ms=4, alpha=0.7, label=_BAND)


def _calibration(results: Sequence[Result], path: Path) -> Path:
    """Coverage against nominal level: ours by domain, and all methods over the main sets."""
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.set_prop_cycle(color=list(colormaps["tab20"](range(20))))
    main = [r for r in results if not r.problem.secondary]
    for domain in dict.fromkeys(r.problem.domain for r in results):
        mine = [r for r in results if r.problem.domain == domain and _drawable(r)]
        if len(mine) >= _FEWEST_FOR_LINE:
            coverage = report.mean_coverage([r.scores[OURS] for r in mine])
            left.plot(scores.LEVELS, coverage, ".-", lw=1, label=f"{domain} ({len(mine)})")
    for method in NAMES:
        sure = [r.scores[method] for r in main if method in r.scores]
        sure = [s for s in sure if s.has_interval]
        if len(sure) >= _FEWEST_FOR_LINE:
            width = 2.2 if method == OURS else 0.9
            right.plot(scores.LEVELS, report.mean_coverage(sure), ".-", lw=width, label=method)
    for panel, title in ((left, f"{OURS}, by domain"), (right, "main sets, by method")):
        panel.plot([0.5, 1], [0.5, 1], ":", color="black", lw=1, label="ideal")
        panel.set(xlabel="nominal", ylabel="covered", ylim=(0.2, 1.02), title=title)
        panel.legend(fontsize=7, loc="lower right")
    figure.savefig(path, dpi=90)
    return path
