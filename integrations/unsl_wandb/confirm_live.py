"""Confirm on a real W&B server what `attach` and stopping rely on.

    python -m unsl_wandb.confirm_live wandb://ENTITY/unsl-confirm

Logs three runs of at most some hundred rows to that project with the SDK: one alone, the same one
attached and resumed, and one that is stopped from outside (two minutes). Says for each thing that
we rely on whether it holds, and deletes the runs. Exits with 1 where something does not hold. Needs
`wandb login`.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from unsl_tracking import StopRule
from unsl_wandb.attachment import attach
from unsl_wandb.client import Connection
from unsl_wandb.stopping import StopFlag, stop_run
from unsl_wandb.tracker import WandbTracker

ROWS: Final = 60
_LATE: Final = 120.0  # seconds after which a stop is given up
_CLOCK: Final = frozenset({"_timestamp", "_runtime"})
Check = tuple[str, Callable[[], object]]


def main() -> int:
    """Run all checks; 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("address", help="wandb://entity/project; the project may be new")
    parser.add_argument("--keep", action="store_true", help="do not delete the runs")
    options = parser.parse_args()
    tracker = WandbTracker(options.address, patience=30.0)
    if not tracker.experiment:
        parser.error("the address must name a project")
    runs = Runs(tracker._connection, tracker.experiment)
    failed = 0
    try:
        for what, holds in checks(runs, tracker):
            found = holds()
            failed += not found
            told = f" ({found})" if isinstance(found, str) else ""
            print(f"{'holds ' if found else 'FAILS '} {what}{told}", flush=True)
    finally:
        if not options.keep:
            runs.delete()
    print(LOOK if options.keep else "Once more with --keep, to look at what only eyes can confirm.")
    print(f"{failed} failed" if failed else "all hold")
    return 1 if failed else 0


LOOK: Final = """To look at, in the project's workspace:
 - charts of unsl/loss/final, final_lo80, final_hi80 and p_doomed, over the row's place in W&B
 - no chart of unsl/loss/at, which is defined as hidden
 - an alert "loss: doomed (dry run)" in your mail or Slack, where alerts are on in your settings
 - unsl.verdict and unsl.reason as columns of the runs' table
 - the state of the run "stopped"; here it only says what the SDK's Api says"""


class Runs:
    """The runs that are made, by name."""

    def __init__(self, connection: Connection, project: str) -> None:
        self._connection, self._project = connection, project
        self.paths: dict[str, str] = {}

    def begin(self, name: str, **how: Any) -> Any:
        """A run of this name."""
        import wandb

        settings = wandb.Settings(
            console="off", base_url=self._connection.server, stop_fn=how.pop("stop_fn", None)
        )
        entity = self._connection.entity
        run = wandb.init(entity=entity, project=self._project, name=name, settings=settings, **how)
        self.paths[name] = f"{entity}/{self._project}/{run.id}"
        return run

    def read(self, name: str) -> Any:
        """The SDK's run, read anew."""
        run = self._connection.sdk_api().run(self.paths[name])
        run.load(force=True)
        return run

    def rows(self, name: str) -> list[dict[str, Any]]:
        """All rows without the clock's values."""
        rows = self.read(name).scan_history(use_cache=False)
        return [{k: v for k, v in row.items() if k not in _CLOCK} for row in rows]

    def delete(self) -> None:
        """Delete them all."""
        for path in self.paths.values():
            self._connection.sdk_api().run(path).delete()


def checks(runs: Runs, tracker: WandbTracker) -> Iterator[Check]:
    """What we rely on, in the order in which it can be tried."""
    for name in ("plain", "attached"):
        run = runs.begin(name)
        log_rows(run, 0, attached=name == "attached")
        run.finish()
    time.sleep(10)  # servers count and index a little later
    yield "every row of the user is as without attach", lambda: users_rows_agree(runs)
    yield (
        "so is the summary",
        lambda: users_summary(runs, "plain") == users_summary(runs, "attached"),
    )
    yield "forecasts are in the user's rows", lambda: len(forecasts(runs)) >= 2
    yield (
        "the last forecast is in the summary",
        lambda: runs.read("attached").summary_metrics.get("unsl/loss/at") == ROWS - 1,
    )
    yield (
        "the decision is a file of the run",
        lambda: b"unsl.decision/1" in tracker.read_artifact(runs.paths["attached"], decision(runs)),
    )
    resumed = runs.begin("attached", id=runs.paths["attached"].rpartition("/")[2], resume="must")
    yield "a resumed run begins at the next step", lambda: resumed.starting_step == ROWS
    log_rows(resumed, ROWS, attached=True)
    resumed.finish()
    time.sleep(10)
    yield (
        "a resumed run has every row once, in order",
        lambda: [row["_step"] for row in runs.rows("attached")] == list(range(2 * ROWS)),
    )
    yield "stop_run reaches the training process", lambda: seconds_to_stop(runs)
    yield (
        "what the server calls a stopped run that finished",
        lambda: str(runs.read("stopped").state),
    )


def log_rows(run: Any, first: int, *, attached: bool) -> None:
    """A curve; every forecast is waited for, so that its row is known."""
    rule = StopRule(target=0.5, dry_run=True, min_fraction=0.0)
    watch = attach(run, "loss", horizon={"step": 200}, stop=rule) if attached else None
    for i in range(first, first + ROWS):
        run.log({"loss": 1 + 3 * (i + 1) ** -0.5, "nested": {"place": i}})
        if watch is not None and i % 20 == 19:
            watch.flush()


def users_rows_agree(runs: Runs) -> bool:
    """Row by row, in order."""
    plain = runs.rows("plain")
    return len(plain) == ROWS and plain == [users(row) for row in runs.rows("attached")]


def users_summary(runs: Runs, name: str) -> dict[str, Any]:
    """The summary without ours and what W&B keeps there of itself."""
    summary = users(dict(runs.read(name).summary_metrics))
    return {key: value for key, value in summary.items() if key not in {*_CLOCK, "_wandb"}}


def users(row: dict[str, Any]) -> dict[str, Any]:
    """What is not ours."""
    return {key: value for key, value in row.items() if not key.startswith("unsl")}


def forecasts(runs: Runs) -> list[dict[str, Any]]:
    """The rows with a forecast."""
    return [row for row in runs.rows("attached") if row.get("unsl/loss/final") is not None]


def decision(runs: Runs) -> str:
    """The name of the decision's file; "" where there is none."""
    names = [str(file.name) for file in runs.read("attached").files()]
    return next((name for name in names if name.endswith("decision.json")), "none")


def seconds_to_stop(runs: Runs) -> str:
    """How long it takes from `stop_run` until the process is told; "" where it never is."""
    flag = StopFlag()
    run = runs.begin("stopped", stop_fn=flag)
    asked = threading.Timer(5.0, stop_run, [runs.paths["stopped"]])
    asked.start()
    started = time.monotonic()
    while not flag.asked and time.monotonic() < started + 5.0 + _LATE:
        run.log({"loss": 1.0})
        flag.wait(0.2)
    took = time.monotonic() - started - 5.0
    asked.join()
    run.finish()
    return f"after {took:.0f} s" if flag.asked else ""


if __name__ == "__main__":
    sys.exit(main())
