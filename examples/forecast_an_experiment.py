"""The workflow behind `unsl forecast`, from Python: read runs, forecast them, write back.

    python examples/forecast_an_experiment.py

The tracker here lives in memory and is filled first; with `open_tracker("sqlite:///mlflow.db")` or
`open_tracker("http://localhost:5000")` in its place the rest stays the same. Needs the extra
`report` for the pictures that are written into the runs.
"""

from __future__ import annotations

import numpy as np

from unsl_tracking.experiment import forecast_experiment, write_forecasts
from unsl_tracking.runs import MemoryTracker


def a_tracker() -> MemoryTracker:
    """Four finished runs of growing size, and a larger one that has just begun."""
    tracker = MemoryTracker()
    for params, last in ((1e5, 4000), (3e5, 4000), (1e6, 4000), (3e6, 4000), (1e7, 500)):
        run = tracker.new_run("ladder", name=f"{params:.0e}", params={"params": params})
        steps = np.unique(np.geomspace(20, last, 30).astype(int))
        curve = 1.2 + 40 * params**-0.35 + 6 * steps**-0.45
        tracker.log(run, "val_loss", [(y, s, s) for y, s in zip(curve, steps, strict=True)])
        if last == 4000:
            tracker.finish(run)
    return tracker


def main() -> None:
    tracker = a_tracker()
    result = forecast_experiment(tracker, "ladder", "val_loss", at={"params": 1e8, "step": 20_000})
    for group in result.groups:
        for each in group.runs:
            low, high = each.final.intervals[0.8]
            print(f"{each.run.name}: {each.final.median:.3f} ({low:.3f} to {high:.3f}),", end=" ")
            print(each.final.why)
        assert group.target is not None
        print(f"at {dict(group.target.point)}: {group.target.median:.3f}")

    report = write_forecasts(tracker, result)
    print(f"written into {len(report.written)} runs:", tracker.files(report.written[0]))


if __name__ == "__main__":
    main()
