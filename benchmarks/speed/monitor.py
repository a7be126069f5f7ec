"""What `RunMonitor.log` costs the training thread, beside an empty loop.

    python -m benchmarks.speed.monitor [--steps 1000000] [--json monitor.json]

Every call is timed on its own, so both loops carry the clock's own cost. The worker fits meanwhile.
Targets: median ≤ 20 µs, 99th percentile ≤ 200 µs with a million logged steps. The resident memory
of the process is read on the way (Linux), in a second pass that keeps no times.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

import unsl_tracking as ut


def timed(steps: int, monitor: ut.RunMonitor | None) -> tuple[np.ndarray, float]:
    """Nanoseconds of each turn of the loop, and seconds of them all."""
    took = np.empty(steps, dtype=np.int64)
    clock = time.perf_counter_ns
    started = time.perf_counter()
    for step in range(1, steps + 1):
        value = 2.0 + 3.0 * step**-0.4
        before = clock()
        if monitor is not None:
            monitor.log(step, value)
        took[step - 1] = clock() - before
    return took, time.perf_counter() - started


def row(name: str, took: np.ndarray, seconds: float) -> dict[str, object]:
    median, p99, worst = np.quantile(took / 1e3, [0.5, 0.99, 1.0])
    return {
        "loop": name,
        "median_us": round(float(median), 2),
        "p99_us": round(float(p99), 2),
        "max_ms": round(float(worst) / 1e3, 2),
        "seconds": round(seconds, 2),
    }


def resident_mb() -> float:
    """Memory of this process that is in RAM."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def memory(steps: int) -> list[float]:
    """MB at each tenth of a run."""
    found = []
    with ut.RunMonitor("loss", horizon={"step": 10 * steps}) as monitor:
        for step in range(1, steps + 1):
            monitor.log(step, 2.0 + 3.0 * step**-0.4)
            if step % (steps // 10) == 0:
                monitor.flush()
                found.append(round(resident_mb(), 1))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = [row("empty", *timed(given.steps, None))]
    with ut.RunMonitor("loss", horizon={"step": 10 * given.steps}) as monitor:
        rows.append(row("log", *timed(given.steps, monitor)))
        monitor.flush()
        kept = len(json.dumps(monitor.state_dict()))
    for each in rows:
        print(each)
    print(f"state {kept / 1e3:.0f} kB of JSON")
    print(f"resident MB at each tenth of {given.steps} logs: {memory(given.steps)}")
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {platform.machine()}")
    if given.json:
        given.json.write_text(json.dumps({"rows": rows, "state_bytes": kept}))


if __name__ == "__main__":
    main()
