"""What `unsl_wandb.attach` costs the training thread: `run.log` with and without it, in turn.

    python -m benchmarks.speed.log_wandb [--rows 3000] [--pause 0.001]

Two runs in one process, one of them attached, log the same row turn by turn, so that a busy machine
is busy for both. Forecasts are made on the worker meanwhile, with its default share of the time.
The server is the small one of the tests: at once, 500 ms late, and dead. Wall and CPU time of the
calling thread, and the ratio of the sums.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time

import numpy as np


def measure(rows: int, pause: float, share: float) -> tuple[np.ndarray, int]:
    """(rows, attached, wall and CPU) in seconds, and how many rows carried a forecast."""
    import wandb

    import unsl_wandb
    from unsl_tracking import StopRule

    how = wandb.Settings(console="off", silent=True, x_disable_stats=True)
    plain, attached = (
        wandb.init(project="speed", id=name, settings=how, reinit="create_new")
        for name in ("plain", "attached")
    )
    rule = StopRule(target=0.5, dry_run=True)
    watch = unsl_wandb.attach(attached, "loss", horizon={"step": 10 * rows}, stop=rule, share=share)
    print("ready", flush=True)
    sys.stdin.readline()
    times = np.zeros((rows, 2, 2))
    draw = np.random.default_rng(0)
    forecasts, last = 0, None
    for i in range(rows):
        loss = (1.0 + 3.0 * (i + 1) ** -0.5) * float(np.exp(draw.normal(scale=0.01)))
        row = {"loss": loss, "acc": i / rows, "lr": 1e-3, "epoch": i / 100}
        for which in (0, 1) if i % 2 else (1, 0):
            run = (plain, attached)[which]
            cpu, wall = time.thread_time(), time.perf_counter()
            run.log(row)
            times[i, which] = time.perf_counter() - wall, time.thread_time() - cpu
        forecasts += watch.decision.forecast is not last
        last = watch.decision.forecast
        time.sleep(pause)
    print(f"measured {watch.errors}", flush=True)
    sys.stdin.readline()
    return times, forecasts


def report(name: str, times: np.ndarray, forecasts: int) -> None:
    """One line of the table."""
    wall, cpu = 1e6 * times[100:, :, 0], 1e6 * times[100:, :, 1]  # the first rows warm up
    ratio = times[100:].sum(axis=0)
    print(
        f"| {name} | {np.median(wall[:, 0]):.0f} | {np.median(wall[:, 1]):.0f} "
        f"| {np.percentile(wall[:, 0], 99):.0f} | {np.percentile(wall[:, 1], 99):.0f} "
        f"| {wall[:, 0].max() / 1000:.1f} | {wall[:, 1].max() / 1000:.1f} "
        f"| {np.median(cpu[:, 1]) / np.median(cpu[:, 0]):.2f} | {ratio[1, 1] / ratio[0, 1]:.2f} "
        f"| {forecasts} |",
        flush=True,
    )


def child(given: argparse.Namespace) -> None:
    """Measure, and leave the times in a file."""
    times, forecasts = measure(given.rows, given.pause, given.share)
    np.savez(given.child, times=times, forecasts=forecasts)
    os._exit(0)  # finishing is not what is measured, and a dead server would be waited for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--pause", type=float, default=0.001)
    parser.add_argument("--share", type=float, default=0.02)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given)
        return
    from tests.integrations.wandb.server import WandbServer

    print(
        "| server | median µs without | with | p99 without | with | longest ms without | with "
        "| CPU ratio, median | CPU ratio, sum | forecasts |\n|" + "---|" * 10
    )
    for name in ("at once", "500 ms late", "dead"):
        server = WandbServer()
        with tempfile.TemporaryDirectory() as folder:
            if name == "500 ms late":
                server.faults.delay = 0.5
            command = [sys.executable, "-m", "benchmarks.speed.log_wandb"]
            command += ["--rows", str(given.rows), "--pause", str(given.pause)]
            command += ["--share", str(given.share), "--child", f"{folder}/times.npz"]
            process = subprocess.Popen(
                command,
                env={**os.environ, **server.environment(folder), "OPENBLAS_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert process.stdin is not None and process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if name == "dead":
                server.kill()
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline().startswith("measured {}")
            process.stdin.write("end\n")
            process.stdin.flush()
            process.wait()
            found = np.load(f"{folder}/times.npz")
            report(name, found["times"], int(found["forecasts"]))
        server.kill()


if __name__ == "__main__":
    main()
