"""Laws, forecasts and verdicts as artifacts, through the real SDK."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("wandb")

import unsl_tracking as ut
from tests.integrations.wandb.forecasts import AT, METRIC, forecast
from tests.integrations.wandb.server import WandbServer
from tests.integrations.wandb.user import User
from unsl_tracking.errors import NotFound
from unsl_tracking.runs.verdict import Verdict
from unsl_wandb import WandbTracker

LAW = f"scaling-law-{METRIC}"


GO = Verdict("GO", {"unsl.gate": "GO", "unsl.gate.reason": "<b>größe</b> P = 0.97"})
NO_GO = Verdict("NO-GO", {"unsl.gate": "NO-GO", "unsl.gate.asked": "loss better than 2"})


@pytest.fixture
def project(server: WandbServer, user: User) -> Any:
    return server.store.make_project("team", "ladder")


def run_ids() -> list[str]:
    return [each.run.id for each in forecast().groups[0].runs]


def aliases(project: Any, name: str) -> dict[str, int]:
    return {alias: each.version for alias, each in project.collections[name].aliases.items()}


def test_a_law_comes_back_from_its_artifact(
    tracker: WandbTracker, user: User, project: Any, tmp_path: Path
) -> None:
    tracker.keep_laws(forecast())
    artifact = user.api.artifact(f"team/ladder/{LAW}:latest", type="scaling-law")
    folder = Path(artifact.download(root=str(tmp_path / "law")))
    law = ut.FittedLaw.from_json((folder / "law.json").read_text())
    assert law.predict(AT).median == forecast().groups[0].law.predict(AT).median
    assert artifact.metadata["axes"] == ["params", "step"]
    assert artifact.metadata["runs"] == run_ids()


def test_forecasts_are_an_artifact_with_a_document_per_run(
    tracker: WandbTracker, user: User, project: Any, tmp_path: Path
) -> None:
    tracker.keep_laws(forecast())
    artifact = user.api.artifact(f"team/ladder/forecast-{METRIC}:latest", type="forecast")
    folder = Path(artifact.download(root=str(tmp_path / "forecasts")))
    documents = {path.stem: json.loads(path.read_text()) for path in folder.iterdir()}
    assert set(documents) == set(run_ids())
    for run_id, document in documents.items():
        assert document["run"]["id"] == run_id
        assert document["schema"] == "unsl_tracking/forecast"


def test_the_same_law_makes_no_new_version(tracker: WandbTracker, project: Any) -> None:
    assert tracker.keep_laws(forecast()) == (LAW, f"forecast-{METRIC}")
    lines = len(project.runs["unsl-forecasts"].lines)
    assert tracker.keep_laws(forecast()) == ()
    assert len(project.collections[LAW].versions) == 1
    assert len(project.runs["unsl-forecasts"].lines) == lines


def test_the_server_too_is_told_that_the_same_law_is_no_new_version(
    tracker: WandbTracker, project: Any
) -> None:
    tracker.keep_laws(forecast())
    project.runs["unsl-forecasts"].summary.clear()  # we no longer know what we wrote
    tracker.keep_laws(forecast())
    assert len(project.collections[LAW].versions) == 1


def test_a_verdict_is_an_alias_and_metadata_of_the_law(
    tracker: WandbTracker, user: User, project: Any
) -> None:
    tracker.keep_laws(forecast())
    assert tracker.set_verdict("ladder", run_ids()[:2], GO) == ("ladder", f"{LAW}:v0")
    for name in (LAW, "unsl-gate"):
        artifact = user.api.artifact(f"team/ladder/{name}:unsl-go")
        assert artifact.metadata["verdict"] == "GO"
        assert artifact.metadata["unsl.gate.reason"] == GO.tags["unsl.gate.reason"]


def test_another_verdict_takes_the_place_of_the_first(tracker: WandbTracker, project: Any) -> None:
    tracker.keep_laws(forecast())
    for verdict in (GO, NO_GO, GO, NO_GO):
        tracker.set_verdict("ladder", run_ids(), verdict)
    assert aliases(project, LAW) == {"latest": 0, "unsl-no-go": 0}
    assert set(aliases(project, "unsl-gate")) == {"latest", "unsl-no-go"}
    metadata = json.loads(project.collections[LAW].versions[0].metadata)
    assert metadata["unsl.gate"] == "NO-GO" and "unsl.gate.reason" not in metadata
    assert metadata["metric"] == METRIC


def test_the_same_verdict_again_changes_nothing(
    tracker: WandbTracker, server: WandbServer, project: Any
) -> None:
    tracker.keep_laws(forecast())
    tracker.set_verdict("ladder", run_ids(), GO)
    before = aliases(project, LAW), len(project.collections["unsl-gate"].versions)
    tracker.set_verdict("ladder", run_ids(), GO)
    assert (aliases(project, LAW), len(project.collections["unsl-gate"].versions)) == before


def test_aliases_of_the_user_stay(tracker: WandbTracker, user: User, project: Any) -> None:
    tracker.keep_laws(forecast())
    artifact = user.api.artifact(f"team/ladder/{LAW}:latest")
    artifact.aliases.append("blessed")
    artifact.save()
    tracker.set_verdict("ladder", run_ids(), GO)
    assert set(aliases(project, LAW)) == {"latest", "blessed", "unsl-go"}


def test_a_law_of_another_metric_has_no_part_in_the_verdict(
    tracker: WandbTracker, project: Any
) -> None:
    tracker.keep_laws(forecast())
    about = Verdict("GO", GO.tags, metrics=("toxicity",))
    assert tracker.set_verdict("ladder", run_ids(), about) == ("ladder",)
    assert set(aliases(project, LAW)) == {"latest"}
    mine = Verdict("GO", GO.tags, metrics=("toxicity", forecast().metric))
    assert tracker.set_verdict("ladder", run_ids(), mine) == ("ladder", f"{LAW}:v0")


def test_a_law_of_other_runs_has_no_part_in_the_verdict(
    tracker: WandbTracker, project: Any
) -> None:
    tracker.keep_laws(forecast())
    assert tracker.set_verdict("ladder", ["somebody else's"], GO) == ("ladder",)
    assert set(aliases(project, LAW)) == {"latest"}


def test_the_alias_moves_on_with_a_new_version_of_the_law(
    tracker: WandbTracker, project: Any
) -> None:
    tracker.keep_laws(forecast())
    tracker.set_verdict("ladder", run_ids(), GO)
    result = forecast()
    group = result.groups[0]
    law = ut.fit(group.law.data.iloc[:-6], ["params", "step"], METRIC, run="run_id")
    tracker.keep_laws(replace(result, groups=(replace(group, law=law),)))
    assert aliases(project, LAW) == {"latest": 1, "unsl-go": 0}  # the new one is not judged yet
    tracker.set_verdict("ladder", run_ids(), NO_GO)
    assert aliases(project, LAW) == {"latest": 1, "unsl-no-go": 1}


def test_a_verdict_on_an_unknown_project_is_not_found(tracker: WandbTracker, user: User) -> None:
    with pytest.raises(NotFound):
        tracker.set_verdict("no-such-project", [], GO)
