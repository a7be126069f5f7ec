"""Sweeps that are driven by `wandb sweep-scheduler`: it queues runs, agents fetch and start them.

What W&B's own server answers was not seen; this is what the SDK asks for and accepts.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.integrations.wandb.server.store import Project, Run, Store, make_id

if TYPE_CHECKING:
    from tests.integrations.wandb.server.nodes import RunNode

_OVER = frozenset({"FINISHED", "CANCELED", "CANCELLED"})


@dataclass
class Sweep:
    """A sweep, its runs, and those that no agent has fetched."""

    name: str
    project: Project
    config: str
    """YAML."""
    program: str
    state: str = "RUNNING"
    runs: list[Run] = field(default_factory=list)
    queue: list[Run] = field(default_factory=list)
    told: set[str] = field(default_factory=set)

    @property
    def id(self) -> str:
        """The storage id."""
        return make_id("Sweep", self.name)


class SweepNode:
    """A sweep."""

    typename = "Sweep"
    method = "custom"
    controller = scheduler = description = None

    def __init__(self, sweep: Sweep, base: str, store: Store) -> None:
        self._sweep, self._base, self._store = sweep, base, store
        self.id, self.name, self.displayName = sweep.id, sweep.name, sweep.name
        self.state, self.config = sweep.state, sweep.config
        self.controllerRunName = f"controller-{sweep.name}"

    def project(self) -> Any:
        from tests.integrations.wandb.server.nodes import ProjectNode

        return ProjectNode(self._sweep.project, self._base, self._store)

    def runs(self, first: int | None = None, after: str | None = None) -> Any:
        from tests.integrations.wandb.server.nodes import connection

        nodes = [self._node(run) for run in self._sweep.runs]
        return connection(nodes, first, after, "RunConnection")

    def _node(self, run: Run) -> RunNode:
        from tests.integrations.wandb.server.nodes import RunNode

        return RunNode(run, self._base, self._store)


class SweepMutations:
    """What the command `wandb sweep`, the scheduler and agents change."""

    _store: Store
    _base: str
    _numbers = itertools.count(1)

    def upsertSweep(self, input: Mapping[str, Any]) -> Any:
        """Make a sweep, or set its state."""
        if input.get("id"):
            sweep = sweep_by_id(self._store, input["id"])
        else:
            project = self._store.make_project(input.get("entityName"), input.get("projectName"))
            name = f"sweep{next(self._numbers)}"
            lines = dict(line.split(":", 1) for line in input["config"].splitlines() if ":" in line)
            sweep = Sweep(name, project, input["config"], lines["program"].strip())
            self._store.sweeps[name] = sweep
        sweep.state = input.get("state") or sweep.state
        node = SweepNode(sweep, self._base, self._store)
        return _plain("UpsertSweepPayload", sweep=node, configValidationWarnings=[])

    def enqueueSweepRun(self, input: Mapping[str, Any]) -> Any:
        """Queue a run with these settings for the next agent that asks."""
        sweep = sweep_by_id(self._store, input["id"])
        run = self._store.make_run(sweep.project, f"swept{next(self._numbers)}")
        run.config, run.sweep, run.state = json.loads(input["config"]), sweep.name, "pending"
        run.display_name = input.get("displayName") or run.name
        sweep.runs.append(run)
        sweep.queue.append(run)
        item = make_id("RunQueueItem", run.number)
        return _plain("EnqueueSweepRunPayload", id=run.name, runQueueItemId=item)

    def createAgent(self, input: Mapping[str, Any]) -> Any:
        agent = _plain("Agent", id=make_id("Agent", input["sweep"]))
        return _plain("CreateAgentPayload", agent=agent)

    def agentHeartbeat(self, input: Mapping[str, Any]) -> Any:
        """Hand out one queued run at a time, and the end of the sweep."""
        sweep = next(
            s for s in self._store.sweeps.values() if make_id("Agent", s.name) == input["id"]
        )
        commands: list[Mapping[str, Any]] = []
        if sweep.queue and not json.loads(input.get("runState") or "{}"):
            run = sweep.queue.pop(0)
            run.state = "running"
            commands = [
                {"type": "run", "run_id": run.name, "args": run.config, "program": sweep.program}
            ]
        elif sweep.state in _OVER and not sweep.queue:
            commands = [{"type": "exit"}]
        agent = _plain("Agent", id=input["id"])
        return _plain("AgentHeartbeatPayload", agent=agent, commands=json.dumps(commands))


def sweep_by_id(store: Store, storage_id: str) -> Sweep:
    """Raises `LookupError` as an error for the client."""
    for sweep in store.sweeps.values():
        if sweep.id == storage_id:
            return sweep
    raise LookupError(f"could not find sweep {storage_id}")


def _plain(typename: str, **fields: Any) -> Any:
    from tests.integrations.wandb.server.nodes import plain

    return plain(typename, **fields)
