"""A user's training program, run by the tests in a process of its own: `training.py SPEC RESULT`.

SPEC and RESULT are JSON files. The program logs a learning curve in one of several styles; only
with `"plugin": true` does it know unsl_wandb at all. It writes what it saw into RESULT at the end.
"""

from __future__ import annotations

import functools
import json
import math
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import wandb


def loss_at(i: int) -> float:
    return 1.0 + 3.0 / math.sqrt(i + 1)


def log_row(run: Any, style: str, i: int) -> None:
    """What the user does at iteration i."""
    loss, acc = loss_at(i), i / 1000
    if style == "auto":
        (run.log if i % 2 else wandb.log)({"loss": loss, "acc": acc})
    elif style == "explicit":
        run.log({"loss": loss}, step=10 * i)
        run.log({"acc": acc}, step=10 * i)
        if i % 50 == 49:
            run.log({"late": i}, step=10 * i - 5)  # W&B drops this, with or without us
    elif style == "define_metric":
        run.log({"loss": loss, "epoch": i / 10})
        run.log({"val/acc": acc, "epoch": i / 10})
    elif style == "commit_false":
        run.log({"loss": loss}, commit=False)
        run.log({"acc": acc}, commit=False)
        run.log({"nested": {"deep": i}, "text": f"row {i}"})
    elif style.startswith("random"):
        data, step, commit = random_calls(int(style.removeprefix("random")))[i]
        run.log(data, step=step, commit=commit)
    else:
        raise ValueError(style)


@functools.cache
def random_calls(seed: int) -> list[tuple[dict[str, Any], int | None, bool | None]]:
    """Calls of `run.log` as nobody would write them, in an order that W&B partly refuses."""
    draw = random.Random(seed)
    calls, step = [], 0
    for i in range(500):
        data: dict[str, Any] = {draw.choice("abc"): i, "loss": loss_at(i)}
        if draw.random() < 0.3:
            del data[draw.choice(list(data))]
        if draw.random() < 0.1:
            data = {}
        given = None
        if draw.random() < 0.4:
            step += draw.choice([-3, 0, 0, 1, 2, 7])
            given = max(step, 0)
        calls.append((data, given, draw.choice([None, None, None, True, False])))
    return calls


def rename_the_seam() -> None:
    """Make of this wandb one whose `run.log` ends in a method of another name."""
    from wandb.sdk.wandb_run import Run

    Run._publish_row = Run._partial_history_callback  # type: ignore[attr-defined]
    del Run._partial_history_callback

    def _log(self: Any, data: Any, step: Any = None, commit: Any = None) -> None:
        self._publish_row(data, step, commit)

    Run._log = _log  # type: ignore[method-assign]


def log_what_wandb_refuses(run: Any) -> str:
    try:
        run.log({"loss": 1.0, 5: "a key that is no text"})
    except TypeError as error:
        return str(error)
    return "it was accepted"


def fork_and_log(run: Any, rows: int) -> int:
    """Log from a forked child, as data loaders do by mistake; its exit code."""
    child = os.fork()
    if child == 0:
        try:
            for i in range(rows):
                run.log({"child": i})
            time.sleep(1.0)  # the SDK sends from a thread of its own, which goes with the process
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(spec: dict[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {"times": [], "interrupted": False}
    if spec.get("rename_the_seam"):
        rename_the_seam()
    flag = None
    told = spec.get("settings", {})
    if spec.get("flag"):
        from unsl_wandb import StopFlag

        flag = told["stop_fn"] = StopFlag()
    settings = wandb.Settings(**told)
    watch = watch_the_program() if spec.get("observe") else None
    if spec.get("attach_all"):
        import unsl_tracking as ut

        whole = {"step": 100_000}
        ut.attach("loss", horizon=whole, siblings=None, trackers=["wandb"], share=1.0)
    run = wandb.init(project="live", settings=settings, **spec["init"])
    result["first_step"] = run.starting_step
    if spec["style"] == "define_metric":
        run.define_metric("epoch")
        run.define_metric("*", step_metric="epoch")
        # By its exact name: of two patterns that match, wandb-core takes either (a map of Go).
        run.define_metric("val/acc", step_metric="epoch", summary="max")
    attached = None
    if spec["plugin"]:
        attached = attach(run, spec)
    try:
        train(run, spec, attached, flag, result)
    except KeyboardInterrupt:
        if not spec.get("catch"):
            raise
        result["interrupted"] = True
    if spec.get("refused"):
        result["refused"] = log_what_wandb_refuses(run)
    if spec.get("fork"):
        result["child"] = fork_and_log(run, spec["fork"])
        log_row(run, spec["style"], spec["rows"])
    end(run, "kill" if result["interrupted"] else spec.get("end", "finish"))
    if watch is not None:
        result["watched"] = watch.told
        watch.undo()
    result["flag"] = flag is not None and flag.asked
    if attached is not None:
        result["verdict"] = attached.decision.verdict
        result["reason"] = attached.decision.reason
        result["should_stop"] = attached.should_stop
        result["at"] = attached.decision.at
        result["errors"] = attached.errors
        result["threads"] = [thread.alive for thread in attached.monitor.workers()]
    return result


def train(run: Any, spec: dict[str, Any], attached: Any, flag: Any, result: dict[str, Any]) -> None:
    """The user's loop."""
    first, rows = spec.get("first", 0), spec["rows"]
    for i in range(first, first + rows):
        if flag is not None and flag.asked:
            break
        stand(spec, i)
        started = time.perf_counter()
        log_row(run, spec["style"], i)
        result["times"].append(time.perf_counter() - started)
        time.sleep(spec.get("pause", 0.0))
        if attached is not None and (i + 1) % spec.get("flush_every", 10) == 0:
            attached.flush()


class Watch:
    """A watcher as `unsl_tracking.live.observers` describes it, with a monitor for each run."""

    metric = "loss"

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.monitors: dict[str, Any] = {}
        self.undo: Any = None

    def saw(self, run_id: str, value: Any, step: Any, open_run: Any) -> None:
        self.told.append([run_id, step, value])
        if run_id not in self.monitors:
            from unsl_tracking import RunMonitor

            seen = open_run()
            self.monitors[run_id] = RunMonitor(
                "loss",
                tracker=seen.tracker,
                run_id=seen.run_id,
                horizon={"step": 100_000},
                share=1.0,
            )
            self.told.append(["open", seen.run_id, seen.experiment()])
        self.monitors[run_id].log(step, value)

    def flush(self, timeout: float) -> None:
        for monitor in self.monitors.values():
            monitor.flush(timeout)

    def ended(self, run_id: str) -> None:
        self.monitors.pop(run_id).close()
        self.told.append(["ended", run_id])


def watch_the_program() -> Watch:
    from unsl_wandb.observe import observe

    watch = Watch()
    watch.undo = observe(watch, load=True)
    return watch


def attach(run: Any, spec: dict[str, Any]) -> Any:
    from unsl_tracking import StopRule
    from unsl_wandb import attach

    how = {"metric": "loss", "horizon": {"step": 100_000}, "share": 1.0, **spec.get("attach", {})}
    stop = StopRule(**how.pop("stop")) if "stop" in how else None
    return attach(run, stop=stop, **how)


def stand(spec: dict[str, Any], i: int) -> None:
    """At certain rows, tell the test and wait for it."""
    if i in spec.get("stations", []):
        place = Path(spec["folder"], f"station-{i}")
        place.touch()
        end = time.monotonic() + 600.0  # no process outlives a test that was killed
        while place.exists() and time.monotonic() < end:
            time.sleep(0.01)


def end(run: Any, how: str) -> None:
    if how == "finish":
        run.finish()
    elif how == "with":
        with run:
            pass
    elif how == "raise":
        raise RuntimeError("training broke")
    elif how == "kill":
        run.finish(exit_code=255)
    else:
        assert how == "exit"


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    outcome = main(json.loads(Path(sys.argv[1]).read_text()))
    Path(sys.argv[2]).write_text(json.dumps(outcome))
