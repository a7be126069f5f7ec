"""Servers that are down, slow, busy or forbidding: each is told for what it is."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("wandb")

from tests.integrations.wandb.server import WandbServer
from tests.waiting import LIMIT
from unsl_tracking.errors import NotFound, TrackerError, TrackerReadOnly, TrackerUnavailable
from unsl_wandb import WandbTracker, home

ROWS = [{"_step": i, "_timestamp": 1_700_000_000 + i, "loss": 1 / (1 + i)} for i in range(50)]


@pytest.fixture
def filled(server: WandbServer) -> WandbServer:
    server.put("p", "r", ROWS)
    return server


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, so that nobody takes it, but not listening
        yield held.getsockname()[1]


def read(tracker: WandbTracker) -> int:
    return len(tracker.history(tracker.runs("p"), ["loss"]).frame)


def test_a_server_that_is_down_is_no_bad_key(closed_port: int, environment: dict[str, str]) -> None:
    tracker = WandbTracker(f"http://me:s3cret@127.0.0.1:{closed_port}/team", patience=0.5)
    begin = time.monotonic()
    with pytest.raises(TrackerUnavailable) as told:
        tracker.runs("p")
    assert time.monotonic() - begin < 30
    words = f"{told.value} {tracker.uri} {tracker!r}"
    assert f"http://127.0.0.1:{closed_port}" in words and "refused" in words
    assert "API key was not the trouble" in words
    assert "s3cret" not in words and "me:" not in words


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_outage_is_no_bad_key(filled: WandbServer, tracker: WandbTracker, status: int) -> None:
    filled.fail("graphql", status=status, body=b"upstream is gone")
    with pytest.raises(TrackerUnavailable, match=rf"HTTP {status}: upstream is gone .*tried for"):
        tracker.runs("p")


def test_a_bad_key_is_no_outage_and_is_told_at_once(
    filled: WandbServer, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "f" * 40)
    with pytest.raises(TrackerError, match="must accept the API key.*401.*wandb login") as told:
        WandbTracker().runs("p", filter='{"state": "finished"}')
    assert not isinstance(told.value, TrackerUnavailable)
    assert filled.count("graphql") == 1 and "f" * 40 not in str(told.value)


@pytest.mark.parametrize("key", ["", "too short"])
def test_without_a_proper_key_no_server_is_asked(
    filled: WandbServer, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(TrackerError, match="needs an API key.*wandb login"):
        WandbTracker(f"{filled.uri}/team").runs("p")
    assert filled.faults.requests == []


def test_a_forbidden_project_is_told(filled: WandbServer, tracker: WandbTracker) -> None:
    filled.fail("UnslRuns", status=403, body=b'{"errors": [{"message": "permission denied"}]}')
    with pytest.raises(TrackerError, match="must allow to list the runs.*403.*permission denied"):
        tracker.runs("p")


def test_a_key_that_may_only_read_is_told_when_writing(
    filled: WandbServer, tracker: WandbTracker
) -> None:
    filled.fail("UnslCreateFile", status=403)
    with pytest.raises(TrackerReadOnly, match="must allow to write"):
        tracker.log_artifact("team/p/r", "unsl/forecast.json", b"{}")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_waited_for_as_long_as_it_says(
    filled: WandbServer, tracker: WandbTracker, status: int
) -> None:
    filled.fail("UnslHistories", times=2, status=status, headers={"Retry-After": "1"})
    begin = time.monotonic()
    assert read(tracker) == 50
    assert time.monotonic() - begin >= 2
    assert filled.count("UnslHistories") == 3


def test_short_outages_are_bridged(filled: WandbServer, tracker: WandbTracker) -> None:
    filled.fail("UnslRuns", times=1, status=502)
    filled.fail("UnslHistories", times=1, status=0)  # the connection is cut
    assert read(tracker) == 50


def test_a_server_that_restarts_while_it_is_read_is_waited_for(
    filled: WandbServer, environment: dict[str, str]
) -> None:
    tracker = WandbTracker(f"{filled.uri}/team", patience=30.0)
    runs = tracker.runs("p")
    filled.kill()

    def start_later() -> None:
        time.sleep(1.0)
        filled.start()

    restarting = Thread(target=start_later, daemon=True)
    restarting.start()
    assert len(tracker.history(runs, ["loss"]).frame) == 50
    restarting.join(LIMIT)
    assert not restarting.is_alive()


def test_a_tracker_that_was_unavailable_works_once_the_server_is_there(
    filled: WandbServer, tracker: WandbTracker
) -> None:
    filled.kill()
    with pytest.raises(TrackerUnavailable):
        tracker.runs("p")
    filled.start()
    assert read(tracker) == 50


def test_a_slow_server_is_waited_for(filled: WandbServer, tracker: WandbTracker) -> None:
    filled.faults.delay = 0.5
    assert read(tracker) == 50


def test_a_server_that_accepts_but_never_answers_is_unavailable(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import unsl_wandb.http

    monkeypatch.setattr(unsl_wandb.http, "_TIMEOUT", (1.0, 0.5))
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/team"
        with pytest.raises(TrackerUnavailable, match="timed out"):
            WandbTracker(address, patience=1.0).runs("p")


def test_a_server_that_goes_away_while_our_run_is_written_is_waited_for_no_longer_than_said(
    filled: WandbServer, tracker: WandbTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "_WAIT", 3.0)
    place = home.place_of(tracker._connection, "p")
    with pytest.raises(TrackerUnavailable), home.open_home(tracker._connection, place) as run:
        run.log({"a": 1})
        filled.kill()


def test_something_else_than_wandb_is_told(filled: WandbServer, tracker: WandbTracker) -> None:
    filled.fail("UnslRuns", times=1, status=200, body=b"<html>Welcome to nginx</html>")
    with pytest.raises(TrackerError, match="Is this a W&B server"):
        tracker.runs("p")
    filled.fail("UnslRuns", times=1, status=404, body=b"nothing here")
    with pytest.raises(TrackerError, match="404: nothing here.*Is this a W&B server"):
        tracker.runs("p")


def test_a_run_that_was_deleted_meanwhile_is_not_found(
    filled: WandbServer, tracker: WandbTracker
) -> None:
    runs = tracker.runs("p")
    del filled.store.projects["team", "p"].runs["r"]
    with pytest.raises(NotFound, match="team/p/r.*list the runs again"):
        tracker.history(runs, ["loss"])


@pytest.mark.parametrize("broken", [b"not json", b'{"metrics": 3}', b"[]"])
def test_a_broken_record_of_ours_does_not_keep_runs_from_being_read(
    server: WandbServer, tracker: WandbTracker, broken: bytes
) -> None:
    run = server.put("p", "r", ROWS, state="running")
    run.files["unsl/record.json"] = broken
    assert read(tracker) == 50
    with pytest.raises(TrackerError, match="unsl/record.json must be one that unsl_wandb wrote"):
        tracker.log_metrics("team/p/r", {"unsl/loss/final": 1.0}, step=3)


def test_an_address_that_names_no_place_is_told(environment: Any) -> None:
    for address in ("ftp://host/entity", "wandb://entity/project/more", "nonsense"):
        with pytest.raises(TrackerError, match="W&B address must"):
            WandbTracker(address)
