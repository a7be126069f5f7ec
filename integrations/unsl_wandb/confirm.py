"""Confirm on a real W&B server what our tests can only show on a stand-in for one.

    python -m unsl_wandb.confirm wandb://ENTITY/unsl-confirm

Logs one run of about 1,200 rows to that project with the SDK (a minute); reads it and
writes into it as `unsl forecast --write` does; says for each thing that we rely on whether it
holds; and deletes the run. Exits with 1 where something does not hold. Needs `wandb login`.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from unsl_tracking.errors import TrackerError
from unsl_wandb.bulk import Ask, read_bulk
from unsl_wandb.client import Connection
from unsl_wandb.reader import read_run, run_node
from unsl_wandb.record import read_records
from unsl_wandb.tracker import WandbTracker
from unsl_wandb.uris import run_path

ROWS: Final = 1200
EVERY: Final = 25
NOTES: Final = "Made by `python -m unsl_wandb.confirm`; may be deleted."
Check = tuple[str, Callable[[], bool]]


def main() -> int:
    """Run all checks; 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("address", help="wandb://entity/project; the project may be new")
    parser.add_argument("--keep", action="store_true", help="do not delete the run")
    parser.add_argument(
        "--wait",
        type=float,
        default=10.0,
        help="seconds between writing and reading: servers count and index a little later",
    )
    options = parser.parse_args()
    tracker = WandbTracker(options.address, patience=30.0)
    connection = tracker._connection
    if not tracker.experiment:
        parser.error("the address must name a project")
    path = log_run(connection, tracker.experiment)
    time.sleep(options.wait)
    failed = 0
    try:
        for what, holds in checks(tracker, connection, path):
            try:
                good, why = holds(), ""
            except TrackerError as failure:
                good, why = False, f": {failure}"
            failed += not good
            print(f"{'holds ' if good else 'FAILS '} {what}{why}", flush=True)
    finally:
        if not options.keep:
            connection.sdk_api().run(path).delete()
    print(f"{failed} failed" if failed else "all hold")
    return 1 if failed else 0


def log_run(connection: Connection, project: str) -> str:
    """A finished run with a step metric, a metric in every row, one in some, and NaN in one."""
    import wandb

    run = wandb.init(
        entity=connection.entity,
        project=project,
        name="confirm",
        notes=NOTES,
        config={"width": 64, "opt": {"name": "adam"}},
        tags=["team:vision"],
        settings=wandb.Settings(console="off", base_url=connection.server),
    )
    run.define_metric("train/step")
    run.define_metric("*", step_metric="train/step")
    for i in range(ROWS):
        row: dict[str, Any] = {"loss": 1 / (1 + i), "train/step": 10 * i}
        if i % EVERY == 0:
            row["val"] = {"loss": math.nan if i == 0 else 2 / i}
        run.log(row)
    path = f"{connection.entity}/{project}/{run.id}"
    run.finish()
    return path


def checks(tracker: WandbTracker, connection: Connection, path: str) -> Iterator[Check]:
    """What we rely on, in the order in which it can be tried."""
    project, name = tracker.experiment or "", run_path(path).name

    def listed() -> Any:
        (run,) = [each for each in tracker.runs(project) if each.id == path]
        return run

    def history(metric: str) -> Any:
        return tracker.history([listed()], [metric]).frame

    def sampled(first: int, rows: int) -> int:
        run = read_run(connection, path)
        ask = Ask(run_path(path), {"loss": first}, rows, run.last)
        (answer,) = read_bulk(connection, [ask])
        return len(answer.rows["loss"])

    yield "runs{} gives historyKeys and historyLineCount", lambda: listed().lines == ROWS
    yield (
        "historyKeys counts the rows of a metric",
        lambda: (
            listed().rows.get("loss") == ROWS
            and listed().rows.get("val.loss", 0) >= ROWS // EVERY - 1
        ),
    )
    yield (
        "a definition of a step metric is in the config",
        lambda: listed().counted_by.of("loss") == "train/step",
    )
    yield (
        "config, label, state and latest value are as logged",
        lambda: (
            (listed().config["opt.name"], listed().tags.get("team"), listed().status)
            == ("adam", "vision", "FINISHED")
            and listed().metrics["loss"] == 1 / ROWS
        ),
    )
    yield "sampledHistory with more samples than rows gives all", lambda: sampled(0, ROWS) == ROWS
    yield "minStep is inclusive", lambda: sampled(ROWS - 100, ROWS) == 100
    yield (
        "all rows are read, by the step metric",
        lambda: history("loss")["step"].tolist() == list(range(0, 10 * ROWS, 10)),
    )
    yield (
        "a metric of some rows is read, NaN included",
        lambda: (
            len(history("val.loss")) == ROWS // EVERY
            and math.isnan(history("val.loss")["value"][0])
        ),
    )
    yield (
        "a filter finds it",
        lambda: [run.id for run in tracker.runs(project, filter=f'{{"name": "{name}"}}')] == [path],
    )
    yield "an artifact is written and read", lambda: _writes(tracker, path)
    yield (
        "writing left the run finished, its end and history as they were",
        lambda: (listed().status, listed().lines) == ("FINISHED", ROWS),
    )
    yield (
        "what was written is in the summary",
        lambda: (
            listed().metrics.get("unsl/loss/final") == 0.5
            and path in read_records(connection, [path])
        ),
    )
    yield (
        "the notes hold the user's words and the card",
        lambda: all(
            each in str(run_node(connection, run_path(path), "notes")) for each in (NOTES, "card")
        ),
    )


def _writes(tracker: WandbTracker, path: str) -> bool:
    tracker.log_artifact(path, "unsl/forecast.json", b"{}")
    tracker.log_metrics(path, {"unsl/loss/final": 0.5}, step=10 * ROWS)
    tracker.set_tags(path, {"unsl.verdict": "GO"})
    tracker.set_card(path, "the card")
    return tracker.read_artifact(path, "unsl/forecast.json") == b"{}"


if __name__ == "__main__":
    sys.exit(main())
