"""Tables and a plot of replays: compute until the interval is narrow, and the error by then."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

WIDTHS = (10.0, 5.0, 3.0, 2.0, 1.5)  # of the interval, as multiples of what all candidates give
BY_LADDER = 2.0  # the width that is also told ladder by ladder
AFTER = (0.05, 0.1, 0.2)  # shares of the compute of all candidates
NAMES = {
    "designed": "designed",
    "smallest": "smallest first",
    "largest": "largest first",
    "random": "random",
}
Result = Mapping[str, Any]


def markdown(results: Sequence[Result]) -> str:
    """Compute per ladder and order until each width, what was true then, errors by compute."""
    lines = ["Share of the compute of all candidates after which the 80% interval is first within"]
    lines += [
        "× its width with all of them (random: median over orders); geometric mean over ladders,"
    ]
    lines += [
        "in brackets how often the designed order was no dearer. Designed and random orders are"
    ]
    lines += ["refitted after every run; for orders by size, compute is interpolated.", ""]
    lines += [_row(["width", *NAMES.values()]), _row(["---"] * (len(NAMES) + 1))]
    for width in WIDTHS:
        table = np.array([[reached(r, order, width) for order in NAMES] for r in results])
        means = [f"{m:.3f}" for m in np.exp(np.log(table).mean(axis=0))]
        wins = [
            f" ({(table[:, 0] <= table[:, j] * 1.001).mean():.0%})" for j in range(1, len(means))
        ]
        lines.append(
            _row([f"× {width:g}", *(m + w for m, w in zip(means, ["", *wins], strict=True))])
        )
    lines += ["", f"The same at × {BY_LADDER:g}, ladder by ladder:", ""]
    head = ["ladder", "runs", *NAMES.values()]
    lines += [_row(head), _row(["---"] * len(head))]
    for result in results:
        shares = [f"{reached(result, order, BY_LADDER):.3f}" for order in NAMES]
        lines.append(_row([f"{result['source']} {result['name']}", str(result["runs"]), *shares]))
    lines.append("")
    lines += ["Error at the target (geometric mean over ladders of |ln ŷ − ln y|, floored at 0.1%)"]
    lines += ["after a share of the compute of all candidates, and how often the 80% interval then"]
    lines += ["held the target:", ""]
    lines += [_row(["order", *(f"{a:.0%}" for a in AFTER)]), _row(["---"] * (len(AFTER) + 1))]
    for order, name in NAMES.items():
        cells = []
        for share in AFTER:
            states = [s for r in results for s in states_after(r, order, share)]
            errors = np.log([max(s["error"], 1e-3) for s in states])
            held = np.mean([s["error"] <= 0.5 * s["width"] for s in states])
            cells.append(f"{np.exp(errors.mean()):.2%}, {held:.0%}")
        lines.append(_row([name, *cells]))
    return "\n".join(lines) + "\n"


def reached(result: Result, order: str, width: float) -> float:
    """Share of all compute after which the interval is first this narrow; median over seeds."""
    goal, compute = _all(result)
    shares = []
    runs = result["orders"][order]
    if order == "designed":  # each width was asked for by itself
        runs = [runs[WIDTHS.index(width)]]
    for states in runs:
        x = np.log([s["compute"] / compute for s in states])
        y = np.log([s["width"] / goal for s in states])
        first = int(np.argmax(y <= np.log(width))) if (y <= np.log(width)).any() else len(y)
        if first == len(y):
            shares.append(1.0)
        elif first == 0 or states[first]["runs"] == states[first - 1]["runs"] + 1:
            shares.append(float(np.exp(x[first])))
        else:
            part = (y[first - 1] - np.log(width)) / (y[first - 1] - y[first])
            shares.append(float(np.exp(x[first - 1] + part * (x[first] - x[first - 1]))))
    return float(np.median(shares))


def states_after(result: Result, order: str, share: float) -> list[Mapping[str, float]]:
    """The last state within a share of all compute, of every seed; of the narrowest designed."""
    _, compute = _all(result)
    found = []
    runs = result["orders"][order]
    for states in runs[-1:] if order == "designed" else runs:
        within = [s for s in states if s["compute"] <= share * compute * 1.0001]
        found.append(within[-1] if within else states[0])
    return found


def _all(result: Result) -> tuple[float, float]:
    """Width and compute with all candidates: the end of the smallest-first order."""
    last = result["orders"]["smallest"][0][-1]
    return float(last["width"]), float(last["compute"])


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def plot(results: Sequence[Result], path: Path) -> None:
    """Width of the interval against compute, a panel per ladder; written to a PNG file."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 3
    rows = -(-len(results) // columns)
    figure, panels = plt.subplots(
        rows, columns, figsize=(3.4 * columns, 2.7 * rows), squeeze=False, layout="constrained"
    )
    style = {
        "random": ("#b8b8b8", 1.0),
        "smallest": ("#d98a29", 1.6),
        "largest": ("#7a5ea8", 1.6),
        "designed": ("#1f5fbf", 2.0),
    }
    for panel, result in zip(panels.flat, results, strict=False):
        goal, compute = _all(result)
        for order, (color, thick) in style.items():
            for i, states in enumerate(result["orders"][order]):
                x = [s["compute"] / compute for s in states]
                y = [s["width"] / goal for s in states]
                label = NAMES[order] if i == 0 else None
                panel.step(x, y, where="post", color=color, lw=thick, label=label)
        panel.set(xscale="log", yscale="log", ylim=(0.6, 60), xlim=(None, 1.05))
        panel.axhline(1.5, color="#888888", lw=0.7, ls=":")
        panel.set_title(f"{result['source']} {result['name']}", fontsize=9)
        panel.tick_params(labelsize=8)
    for panel in list(panels.flat)[len(results) :]:
        panel.set_axis_off()
    figure.supxlabel("compute, as a share of all candidates", fontsize=10)
    figure.supylabel("width of the 80% interval, × that with all candidates", fontsize=10)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=4, frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)
    plt.close(figure)
