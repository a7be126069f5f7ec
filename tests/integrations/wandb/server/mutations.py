"""What can be changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.integrations.wandb.server import artifacts, sweeps
from tests.integrations.wandb.server.history import quoted
from tests.integrations.wandb.server.nodes import ProjectNode, RunNode, plain
from tests.integrations.wandb.server.store import Json, Run, Store, make_id, now

_TEXTS = {
    "displayName": "display_name",
    "groupName": "group",
    "notes": "notes",
    "description": "description",
    "jobType": "job_type",
    "commit": "commit",
    "sweep": "sweep",
    "state": "state",
    "tags": "tags",
}


class MutationRoot(sweeps.SweepMutations, artifacts.ArtifactMutations):
    """Every mutation takes one argument, `input`."""

    typename = "Mutation"

    def __init__(self, store: Store, base: str) -> None:
        super().__init__(store, base)

    def upsertBucket(self, input: Mapping[str, Any]) -> Any:
        """Make or change a run; what is not given stays."""
        inserted = False
        if input.get("id"):
            run = self._store.run_by_id(input["id"])
        else:
            project = self._store.make_project(input.get("entityName"), input.get("modelName"))
            inserted = input["name"] not in project.runs
            run = self._store.make_run(project, input["name"])
        for name, attribute in _TEXTS.items():
            if input.get(name) is not None:
                setattr(run, attribute, input[name])
        if input.get("config"):
            run.config = json.loads(input["config"])
        if input.get("summaryMetrics"):
            run.summary = json.loads(input["summaryMetrics"])
        return plain("UpsertBucketPayload", bucket=self._node(run), inserted=inserted)

    def rewindRun(self, input: Mapping[str, Any]) -> Any:
        """Take away the rows after a step."""
        run = self._named(input)
        run.lines = [
            line
            for line, row in zip(run.lines, list(run.rows()), strict=True)
            if row.get(input["metricName"], 0) <= input["metricValue"]
        ]
        run._rows = []
        return plain("RewindRunPayload", rewoundRun=self._node(run))

    def deleteRun(self, input: Mapping[str, Any]) -> Any:
        run = self._store.run_by_id(input["id"])
        del run.project.runs[run.name]
        return plain("DeleteRunPayload", clientMutationId=None)

    def stopRun(self, input: Mapping[str, Any]) -> Any:
        """The run learns of it by the answer to its next file_stream request."""
        self._store.run_by_id(input["id"]).stopped = True
        return plain("StopRunPayload", success=True, clientMutationId=None)

    def updateRunState(self, input: Mapping[str, Any]) -> Any:
        self._store.run_by_id(input["id"]).state = input["state"]
        return plain("UpdateRunStatePayload", success=True)

    def createRunFiles(self, input: Mapping[str, Any]) -> Any:
        """Where to upload files of a run to."""
        run = self._named(input)
        files = [
            plain(
                "File", name=name, uploadUrl=f"{self._base}/storage/run/{run.number}/{quoted(name)}"
            )
            for name in input["files"]
        ]
        return plain("CreateRunFilesPayload", runID=run.id, uploadHeaders=[], files=files)

    def markRunFilesUploaded(self, input: Mapping[str, Any]) -> Any:
        self._named(input)
        return plain("MarkRunFilesUploadedPayload", success=True)

    def notifyScriptableRunAlert(self, input: Json) -> Any:
        self._store.alerts.append(dict(input))
        return plain("NotifyScriptableRunAlertPayload", success=True)

    def upsertModel(self, input: Mapping[str, Any]) -> Any:
        """Make a project."""
        project = self._store.make_project(input.get("entityName"), input.get("name"))
        node = ProjectNode(project, self._base, self._store)
        return plain("UpsertModelPayload", project=node, model=node, inserted=True)

    def createCustomChart(self, input: Json) -> Any:
        """An entity has one chart of a name. Its id is entity/name, as the SDK's docstring says."""
        chart = f"{input['entity']}/{input['name']}"
        if chart in self._store.charts:
            raise LookupError(f"a chart named {input['name']} already exists")
        self._store.charts[chart] = dict(input)
        return plain("CreateCustomChartPayload", chart=plain("CustomChart", id=chart))

    def upsertView(self, input: Mapping[str, Any]) -> Any:
        """Make or change a saved view of a workspace, or a report."""
        project = self._store.make_project(input.get("entityName"), input.get("projectName"))
        view_id = input.get("id") or make_id("View", next(self._store.numbers))
        inserted = view_id not in project.views
        view = project.views.setdefault(view_id, {"id": view_id, "createdAt": now()})
        for name in ("name", "displayName", "type", "spec", "description"):
            if input.get(name) is not None or name not in view:
                view[name] = input.get(name)
        view["updatedAt"] = now()
        return plain("UpsertViewPayload", view=plain("View", **view), inserted=inserted)

    def _named(self, input: Mapping[str, Any]) -> Run:
        project = self._store.project(input.get("entityName"), input.get("projectName"))
        if project is None or input["runName"] not in project.runs:
            raise LookupError(f"run {input['runName']} not found")
        return project.runs[input["runName"]]

    def _node(self, run: Run) -> RunNode:
        return RunNode(run, self._base, self._store)
