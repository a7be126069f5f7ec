"""Users, projects, runs and files as GraphQL nodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

from tests.integrations.wandb.server import artifacts, history, sweeps
from tests.integrations.wandb.server.filters import look_up, matches
from tests.integrations.wandb.server.store import (
    ENTITY,
    Json,
    Project,
    Run,
    Store,
    make_id,
    now,
)


def plain(typename: str, **fields: Any) -> SimpleNamespace:
    """A node of fixed fields; functions among them are called with the field's arguments."""
    return SimpleNamespace(typename=typename, **fields)


def connection(
    nodes: Sequence[Any],
    first: int | None = None,
    after: str | None = None,
    typename: str = "Connection",
) -> Any:
    """One page, as Relay describes it."""
    start = int(after or 0)
    page = nodes[start : start + (first or 50)]
    end = start + len(page)
    edges = [
        # `version` is what edges of artifacts carry besides
        plain("Edge", node=node, cursor=str(start + i), version=f"v{_version(node)}")
        for i, node in enumerate(page, start=1)
    ]
    info = plain("PageInfo", endCursor=str(end) if page else None, hasNextPage=end < len(nodes))
    return plain(typename, totalCount=len(nodes), edges=edges, pageInfo=info)


def _version(node: Any) -> object:
    return getattr(node, "versionIndex", None)


class RunNode:
    """A run."""

    typename = "Run"
    readOnly = False
    stopped = False
    runInfo = None
    systemMetrics = "{}"

    def __init__(self, run: Run, base: str, store: Store) -> None:
        self._run, self._base, self._store = run, base, store
        self.id, self.name, self.displayName = run.id, run.name, run.display_name
        self.state, self.tags, self.notes = run.state, list(run.tags), run.notes
        self.description, self.group, self.jobType = run.description, run.group, run.job_type
        self.commit, self.sweepName, self.stopped = run.commit, run.sweep, run.stopped
        self.createdAt, self.heartbeatAt = run.created, run.heartbeat
        self.historyLineCount, self.eventsLineCount = len(run.lines), len(run.events)
        self.logLineCount, self.fileCount = len(run.output), len(run.files)
        self.projectId = str(run.project.number)
        self.user = user_node()

    def config(self) -> str:
        return json.dumps(self._run.config)

    def wandbConfig(self, keys: object = None) -> str:
        inner = (self._run.config.get("_wandb") or {}).get("value") or {}
        return json.dumps({"t": inner.get("t", {})})

    def summaryMetrics(self) -> str:
        return json.dumps(self._run.summary)

    def project(self) -> Any:
        return ProjectNode(self._run.project, self._base, self._store)

    def history(
        self, minStep: int | None = None, maxStep: int | None = None, samples: int = 500
    ) -> list[str]:
        return history.lines(self._run, minStep, maxStep, samples)

    def sampledHistory(self, specs: Sequence[str]) -> list[list[Json]]:
        most = self._store.most_samples
        return [history.sampled(self._run, json.loads(spec), most) for spec in specs]

    def historyKeys(self) -> Json:
        return history.keys(self._run)

    def historyTail(self) -> str:
        return json.dumps(self._run.lines[-1:])

    def eventsTail(self) -> str:
        return json.dumps(self._run.events[-1:])

    def events(self, samples: int = 500) -> list[str]:
        return history.thinned(self._run.events, samples)

    def parquetHistory(self, liveKeys: object = None) -> Any:
        return history.exports(self._run, self._base)

    def logLines(
        self, first: int = 50, after: str | None = None, last: int = 0, **_: object
    ) -> Any:
        lines = sorted(self._run.output.items())
        nodes = [plain("LogLine", number=i, line=text, label="", level=None) for i, text in lines]
        return connection(nodes[-last:], first or last, after)

    def files(
        self,
        names: Sequence[str] | None = None,
        first: int | None = None,
        after: str | None = None,
        **_: object,
    ) -> Any:
        kept = [name for name in sorted(self._run.files) if not names or name in names]
        nodes = [file_node(self._run, name, self._base) for name in kept]
        return connection(nodes, first, after)

    def outputArtifacts(self, first: int | None = None, after: str | None = None) -> Any:
        nodes = [artifacts.ArtifactNode(each, self._base, self._store) for each in self._run.logged]
        return connection(nodes, first, after)

    def inputArtifacts(self, first: int | None = None, after: str | None = None) -> Any:
        nodes = [artifacts.ArtifactNode(each, self._base, self._store) for each in self._run.used]
        return connection(nodes, first, after)


def file_node(run: Run, name: str, base: str) -> Any:
    """A file in the run's Files tab."""
    url = f"{base}/storage/run/{run.number}/{history.quoted(name)}"
    return plain(
        "File",
        id=make_id("File", f"{run.number}:{name}"),
        name=name,
        url=url,
        directUrl=url,
        sizeBytes=len(run.files[name]),
        mimetype="application/octet-stream",
        updatedAt=now(),
        md5=None,
        digest=None,
        storagePath=None,
    )


class ProjectNode:
    """A project."""

    typename = "Project"
    readOnly = False
    isBenchmark = False

    def __init__(self, project: Project, base: str, store: Store) -> None:
        self._project, self._base, self._store = project, base, store
        self.id, self.name = make_id("Project", project.number), project.name
        self.internalId, self.createdAt = str(project.number), project.created
        self.entityName = project.entity
        self.entity = EntityNode(project.entity, base, store)
        self.user = user_node()

    def runCount(self, filters: str | None = None) -> int:
        return len(self._runs(filters))

    def runs(
        self,
        filters: str | None = None,
        order: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Any:
        kept = self._runs(filters)
        key = (order or "+created_at").lstrip("+-")
        if key not in {"created_at", "createdAt"}:
            kept.sort(key=lambda run: _orderable(look_up(run, key)))
        if (order or "").startswith("-"):
            kept.reverse()
        return connection([self._node(run) for run in kept], first, after, "RunConnection")

    def run(self, name: str) -> RunNode | None:
        found = self._project.runs.get(name)
        return self._node(found) if found else None

    def bucket(self, name: str, missingOk: bool = False) -> RunNode | None:
        return self.run(name)

    def sweep(self, sweepName: str) -> Any:
        found = self._store.sweeps.get(sweepName)
        return sweeps.SweepNode(found, self._base, self._store) if found else None

    def artifact(self, name: str) -> Any:
        member = artifacts.member(self._project, name, self._base, self._store)
        return member.artifact() if member else None

    def artifactCollectionMembership(self, name: str) -> Any:
        return artifacts.member(self._project, name, self._base, self._store)

    def artifactType(self, name: str) -> Any:
        return artifacts.type_node(self._project, name, self._base, self._store)

    def artifactCollection(self, name: str) -> Any:
        found = self._project.collections.get(name)
        return artifacts.CollectionNode(found, self._base, self._store) if found else None

    def allViews(
        self,
        viewName: str | None = None,
        viewType: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> Any:
        kept = [
            plain("View", **view)
            for view in self._project.views.values()
            if viewName in (None, view["name"]) and viewType in (None, view["type"])
        ]
        return connection(kept, first, after)

    def _runs(self, filters: str | None) -> list[Run]:
        wanted = json.loads(filters) if filters else {}
        return [run for run in self._project.runs.values() if matches(run, wanted)]

    def _node(self, run: Run) -> RunNode:
        return RunNode(run, self._base, self._store)


def _orderable(value: Any) -> tuple[bool, Any]:
    return value is None, 0 if value is None else value


class EntityNode:
    """A team, or a person's own place."""

    typename = "Entity"
    isTeam = True
    organization = None

    def __init__(self, name: str, base: str, store: Store) -> None:
        self.id, self.name = make_id("Entity", name), name
        self._base, self._store = base, store

    def projects(self, first: int | None = None, after: str | None = None, **_: object) -> Any:
        return connection(self._nodes(), first, after)

    def _nodes(self) -> list[ProjectNode]:
        found = [each for each in self._store.projects.values() if each.entity == self.name]
        return [ProjectNode(each, self._base, self._store) for each in found]


def user_node() -> Any:
    """The only user."""
    entity = plain("Entity", id=make_id("Entity", ENTITY), name=ENTITY)
    return plain(
        "User",
        id=make_id("User", 1),
        name="A. User",
        username="user",
        email="user@localhost",
        entity=ENTITY,
        flags="{}",
        admin=False,
        teams=connection([]),
        apiKeys=connection([]),
        defaultEntity=entity,
        userEntity=entity,
        accountType="MEMBER",
        deletedAt=None,
    )


class QueryRoot:
    """What can be asked."""

    typename = "Query"
    organization = None

    def __init__(self, store: Store, base: str) -> None:
        self._store, self._base = store, base
        self.viewer: Callable[[], Any] = user_node

    def serverInfo(self) -> Any:
        names: Iterable[str] = sorted(self._store.features)
        features = [plain("ServerFeature", name=name, isEnabled=True) for name in names]
        return plain("ServerInfo", features=features, cliVersionInfo={"max_cli_version": "99.0.0"})

    def project(self, name: str | None = None, entityName: str | None = None) -> Any:
        found = self._store.project(entityName, name)
        return ProjectNode(found, self._base, self._store) if found else None

    model = project

    def entity(self, name: str | None = None) -> Any:
        return EntityNode(name or ENTITY, self._base, self._store)

    def models(
        self, entityName: str | None = None, first: int = 50, after: str | None = None
    ) -> Any:
        return self.entity(entityName).projects(first=first, after=after)

    def artifact(self, id: str) -> Any:
        found = self._store.artifacts.get(id)
        return artifacts.ArtifactNode(found, self._base, self._store) if found else None

    def clientIDMapping(self, clientID: str) -> Any:
        known = self._store.client_ids.get(clientID)
        return plain("ClientIDMapping", serverID=known) if known else None

    def view(self, id: str) -> Any:
        for project in self._store.projects.values():
            if id in project.views:
                return plain("View", **project.views[id])
        return None
