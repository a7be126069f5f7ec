"""Addresses of W&B, as people write them and as browsers show them."""

from __future__ import annotations

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.server import WandbServer
from unsl_tracking.errors import TrackerError
from unsl_tracking.experiment import open_tracker
from unsl_wandb.uris import Place, read_address, run_path


@pytest.mark.parametrize(
    ("address", "place"),
    [
        (None, Place()),
        ("wandb", Place()),
        ("wandb://", Place()),
        ("wandb://team", Place(None, "team")),
        ("wandb://team/ladder/", Place(None, "team", "ladder")),
        ("wandb:team/ladder", Place(None, "team", "ladder")),
        ("wandb://team/a%20ladder", Place(None, "team", "a ladder")),
        ("wandb://team/ladder of größe", Place(None, "team", "ladder of größe")),
        ("http://localhost:8080", Place("http://localhost:8080")),
        ("https://host/team/ladder", Place("https://host", "team", "ladder")),
        ("https://host/team/ladder/runs/abc123/overview", Place("https://host", "team", "ladder")),
        ("https://me:s3cret@host/team/ladder", Place("https://host", "team", "ladder")),
    ],
)
def test_addresses_name_server_entity_and_project(address: str | None, place: Place) -> None:
    assert read_address(address) == place


@pytest.mark.parametrize("address", ["wandb://a/b/c", "ftp://host/a", "https:///a", "ladder"])
def test_what_is_no_address_is_told(address: str) -> None:
    with pytest.raises(TrackerError, match="Write wandb://entity/project"):
        read_address(address)


@pytest.mark.parametrize("run_id", ["abc123", "team/abc123", "team//abc123", "a/b/c/d"])
def test_a_runs_id_is_its_whole_path(run_id: str) -> None:
    with pytest.raises(TrackerError, match="must be entity/project/run"):
        run_path(run_id)


def test_another_server_is_named_by_its_own_address(
    server: WandbServer, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server.put("ladder", "r", [{"_step": 0, "_timestamp": 1.0, "loss": 1.0}])
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:1")  # nobody is there
    tracker = open_tracker(f"wandb+{server.uri}/team/ladder")
    assert [run.id for run in tracker.runs("ladder")] == ["team/ladder/r"]
    assert tracker.uri == f"{server.uri}/team/ladder"
