"""What training code and people do to W&B, through the real SDK in this process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.integrations.wandb.server import Run, WandbServer
from tests.integrations.wandb.server.store import ENTITY
from tests.waiting import LIMIT

Row = tuple[float, int, int]
STEP = "trainer/global_step"
"""Its own count of steps, as Lightning has one: W&B's `_step` can only go up by one."""
_OF_THE_SDK = {"config.yaml", "requirements.txt", "wandb-metadata.json", "wandb-summary.json"}


class User:
    """Runs of the SDK against a server. `close` ends all of them and the SDK's own process.

    The SDK sends rows every second at best, and definitions of metrics five seconds after they were
    made; when it ends a run it sends both at once. So `log` resumes the run, ends it, and puts its
    state on the server back to what it was. Tests with a run that really goes on use `sdk_run`.
    """

    def __init__(self, server: WandbServer, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self.open: dict[str, Any] = {}
        self.counts: dict[str, bool] = {}

    @property
    def api(self) -> Any:
        """A fresh client of the SDK: one that is kept keeps answers too."""
        import wandb

        return wandb.Api(
            overrides={"base_url": self.server.uri, "entity": ENTITY}, api_key=self.server.key
        )

    def new_experiment(self, name: str) -> None:
        self.api.create_project(name, ENTITY)

    def new_run(
        self,
        experiment: str,
        *,
        name: str = "",
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
        counts: bool = True,
        **options: Any,
    ) -> str:
        """`counts`: its metrics are counted by `STEP`, as with Lightning; else by W&B's `_step`."""
        labels = [f"{key}:{value}" for key, value in (tags or {}).items()]
        options = {"name": name or None, "config": dict(params or {}), "tags": labels} | options
        run = self._init(counts, project=experiment, **options)
        path = f"{ENTITY}/{experiment}/{run.id}"
        self.open[path], self.counts[path] = run, counts
        return path

    def sdk_run(self, run_id: str) -> Any:
        """The SDK's run, resumed where it had ended."""
        if run_id not in self.open:
            _, project, name = run_id.split("/")
            counts = self.counts[run_id]
            self.open[run_id] = self._init(counts, project=project, id=name, resume="must")
        return self.open[run_id]

    def log(self, run_id: str, metric: str, rows: Sequence[Row]) -> None:
        some = [{metric: value, STEP: step, "_timestamp": at / 1000} for value, step, at in rows]
        self.log_rows(run_id, some)

    def log_rows(self, run_id: str, rows: Iterable[Mapping[str, object]]) -> None:
        """One plain `run.log` per row."""
        state = self.stored(run_id).state
        run = self.sdk_run(run_id)
        for row in rows:
            run.log(dict(row))
        self.finish(run_id)
        self.stored(run_id).state = state

    def stored(self, run_id: str) -> Run:
        """The run as the server has it."""
        return self.server.run(run_id)

    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        self.sdk_run(run_id).finish(exit_code=0 if status == "FINISHED" else 1)
        del self.open[run_id]
        if status == "KILLED":  # what the server says of a run that was told to stop
            self.stored(run_id).state = "killed"

    def delete(self, run_id: str) -> None:
        self.api.run(run_id).delete()

    def read_note(self, run_id: str) -> str:
        return self.stored(run_id).notes or ""

    def write_note(self, run_id: str, text: str) -> None:
        self.stored(run_id).notes = text

    def files(self, run_id: str) -> list[str]:
        names = [file.name for file in self.api.run(run_id).files()]
        return [name for name in names if name not in _OF_THE_SDK]

    def close(self) -> None:
        try:
            for run in self.open.values():
                run.finish()
        finally:
            self.open.clear()
            end_sdk()

    def _init(self, counts: bool, **options: Any) -> Any:
        import wandb

        settings = wandb.Settings(
            base_url=self.server.uri,
            api_key=self.server.key,
            console="off",
            silent=True,
            x_disable_stats=True,
            x_file_stream_transmit_interval=1,  # whole seconds; with less it takes the default, 15
            finish_timeout=LIMIT,  # else it waits for a server that is gone, for days
            finish_timeout_raises=True,
        )
        run = wandb.init(
            entity=ENTITY, dir=self.folder, reinit="create_new", settings=settings, **options
        )
        if counts:
            run.define_metric("*", step_metric=STEP)
        return run


def end_sdk() -> None:
    """End the SDK's own process, which waits for servers that are gone for as long as one lets it.

    It serves all that has `WANDB_SERVICE` in its environment, other programs and later tests too.
    """
    import wandb
    from wandb.sdk import wandb_setup

    connection: Any = wandb_setup._singleton and wandb_setup._singleton._connection
    service = connection and connection._proc
    killer = threading.Timer(LIMIT, service._process.kill if service else int)
    killer.daemon = True
    killer.start()
    try:
        wandb.teardown()
    except SystemExit as ended:
        raise AssertionError(f"the SDK's process did not end well within {LIMIT:.0f} s") from ended
    finally:
        killer.cancel()
        os.environ.pop("WANDB_SERVICE", None)
