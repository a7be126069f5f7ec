"""Servers that are down, slow, overloaded or forbidding; stores that are missing or read-only."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

pytest.importorskip("mlflow")

from tests.waiting import LIMIT
from unsl_mlflow import MlflowTracker
from unsl_tracking.errors import (
    MissingDependency,
    NotFound,
    TrackerError,
    TrackerReadOnly,
    TrackerUnavailable,
)

NOW = 1_700_000_000_000


@pytest.fixture
def run_id(server_user: Any) -> str:
    server_user.new_experiment("e")
    made = str(server_user.new_run("e"))
    server_user.log(made, "loss", [(1.0, i, NOW + i) for i in range(20)])
    return made


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, so that nobody takes it, but not listening
        yield held.getsockname()[1]


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("htp://me:s3cret@host:5000", "Did you mean http://host:5000?"),
        ("sqllite:///mlflow.db", "Did you mean sqlite:///mlflow.db?"),
        ("gopher://host", "Check the address."),
    ],
)
def test_a_kind_of_address_that_nobody_knows_is_named(address: str, hint: str) -> None:
    with pytest.raises(TrackerError, match="An MLflow address must begin with http:") as told:
        MlflowTracker(address).runs("e")
    assert str(told.value).endswith(hint)
    assert "registry" not in str(told.value) and "s3cret" not in str(told.value)


def test_a_server_that_is_down_is_told_in_seconds_without_the_password(closed_port: int) -> None:
    tracker = MlflowTracker(f"http://me:s3cret@127.0.0.1:{closed_port}")
    begin = time.monotonic()
    with pytest.raises(TrackerUnavailable) as told:
        tracker.runs("e")
    assert time.monotonic() - begin < 15
    words = f"{told.value} {tracker.uri} {tracker!r}"
    assert f"http://127.0.0.1:{closed_port}" in words
    assert "mlflow server" in words and "refused" in words
    assert "s3cret" not in words and "me:" not in words


def test_a_host_that_has_no_name_is_unavailable() -> None:
    with pytest.raises(TrackerUnavailable, match=r"no-such-host\.invalid"):
        MlflowTracker("http://no-such-host.invalid:5000", patience=0.5).experiments()


def test_a_server_that_accepts_but_never_answers_is_unavailable() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begin = time.monotonic()
        with pytest.raises(TrackerUnavailable):
            MlflowTracker(uri, patience=1.0).experiments()
        assert time.monotonic() - begin < 10


def test_a_tracker_that_was_unavailable_works_once_the_server_is_there(
    proxy: Any, run_id: str
) -> None:
    proxy.fail("/", times=3)
    tracker = MlflowTracker(proxy.uri, patience=0.1)
    with pytest.raises(TrackerUnavailable):
        tracker.runs("e")
    proxy.faults.clear()
    assert [run.id for run in tracker.runs("e")] == [run_id]


def test_a_slow_server_is_waited_for(proxy: Any, run_id: str) -> None:
    proxy.delay = 0.5
    tracker = MlflowTracker(proxy.uri)
    frame = tracker.history(tracker.runs("e"), ["loss"]).frame
    tracker.log_metrics(run_id, {"unsl/loss/final": 0.5}, step=19)
    assert len(frame) == 20


def test_a_server_that_hangs_up_now_and_then_is_asked_again(proxy: Any, run_id: str) -> None:
    for part in ("/health", "runs/search", "get-history", "log-batch", "artifacts"):
        proxy.fail(part, times=1)
    tracker = MlflowTracker(proxy.uri)
    assert len(tracker.history(tracker.runs("e"), ["loss"]).frame) == 20
    tracker.log_metrics(run_id, {"unsl/loss/final": 0.5}, step=19)
    tracker.log_artifact(run_id, "unsl/forecast.json", b"{}")
    assert tracker.read_artifact(run_id, "unsl/forecast.json") == b"{}"
    assert all(fault.times == 0 for fault in proxy.faults)


def test_an_answer_that_breaks_off_is_asked_for_again(proxy: Any, run_id: str) -> None:
    proxy.fail("get-history-bulk", times=2, status=-1)
    tracker = MlflowTracker(proxy.uri)
    assert len(tracker.history(tracker.runs("e"), ["loss"]).frame) == 20
    assert proxy.count("get-history-bulk") == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_given_the_time(proxy: Any, run_id: str, status: int) -> None:
    proxy.fail("runs/search", times=1, status=status, headers={"Retry-After": "1"})
    begin = time.monotonic()
    assert [run.id for run in MlflowTracker(proxy.uri).runs("e")] == [run_id]
    assert time.monotonic() - begin >= 1


def test_a_server_that_asks_to_wait_for_an_hour_is_unavailable(proxy: Any, run_id: str) -> None:
    proxy.fail("runs/search", status=503, headers={"Retry-After": "3600"})
    begin = time.monotonic()
    with pytest.raises(TrackerUnavailable, match="503"):
        MlflowTracker(proxy.uri).runs("e")
    assert time.monotonic() - begin < 10


def test_a_server_that_fails_inside_is_told_with_its_words(proxy: Any, run_id: str) -> None:
    body = b'{"error_code": "INTERNAL_ERROR", "message": "disk on fire"}'
    proxy.fail("runs/search", status=500, body=body)
    with pytest.raises(TrackerError, match="disk on fire"):
        MlflowTracker(proxy.uri, patience=0.5).runs("e")


@pytest.mark.slow
def test_a_server_killed_in_the_middle_and_started_again_loses_nothing(
    own_server: Any, own_proxy: Any, sqlite_user: Any
) -> None:
    sqlite_user.new_experiment("e")
    for _ in range(12):
        made = sqlite_user.new_run("e")
        sqlite_user.log(made, "loss", [(1.0, i, NOW + i) for i in range(50)])
    own_server.start()
    tracker = MlflowTracker(own_proxy.uri, patience=200)
    runs = tracker.runs("e")
    restart = Thread(target=own_server.start, daemon=True)

    def power_cut() -> None:
        own_server.kill()
        restart.start()

    own_proxy.fail("get-history-bulk", times=1, then=power_cut)
    frame = tracker.history(runs, ["loss"]).frame
    restart.join(LIMIT)
    assert not restart.is_alive()
    assert len(frame) == 600 and not frame.duplicated().any()


def test_a_server_that_goes_away_for_good_is_told_in_seconds(proxy: Any, run_id: str) -> None:
    tracker = MlflowTracker(proxy.uri)
    runs = tracker.runs("e")
    proxy.close()
    begin = time.monotonic()
    with pytest.raises(TrackerUnavailable):
        tracker.history(runs, ["loss"])
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize(("status", "kind"), [(403, TrackerReadOnly), (401, TrackerError)])
def test_a_server_that_forbids_writing_says_so_and_stays_readable(
    proxy: Any, run_id: str, status: int, kind: type[TrackerError]
) -> None:
    for part in ("log-batch", "mlflow-artifacts"):
        proxy.fail(part, status=status, body=b"Permission denied")
    tracker = MlflowTracker(proxy.uri)
    writes: list[Callable[[], None]] = [
        lambda: tracker.log_metrics(run_id, {"unsl/loss/final": 0.5}, step=19),
        lambda: tracker.set_tags(run_id, {"unsl.verdict": "GO"}),
        lambda: tracker.set_card(run_id, "card"),
        lambda: tracker.log_artifact(run_id, "unsl/forecast.json", b"{}"),
    ]
    for write in writes:
        with pytest.raises(kind):
            write()
    assert len(tracker.history(tracker.runs("e"), ["loss"]).frame) == 20


def forbid_writing(file: Path) -> str:
    """SQLite opens a file of a newer write format (byte 18) for reading only, for root too."""
    with closing(sqlite3.connect(file)) as opened:
        opened.execute("pragma journal_mode = delete")
    with open(file, "r+b") as opened_file:
        opened_file.seek(18)
        opened_file.write(b"\x03")
    return f"sqlite:///{file}"


def read_only_uri(file: Path) -> str:
    return f"sqlite:///file:{file}?mode=ro&uri=true"


@pytest.mark.parametrize("lock", [forbid_writing, read_only_uri])
def test_a_read_only_file_can_be_read_and_says_that_it_cannot_be_written(
    lock: Callable[[Path], str],
    sqlite_user: Any,
    database: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    sqlite_user.new_experiment("e")
    run_id = sqlite_user.new_run("e")
    sqlite_user.log(run_id, "loss", [(1.0, 0, NOW)])
    sqlite_user.client._tracking_client.store.engine.dispose()
    copied = Path(shutil.copy(database, tmp_path / "locked.db"))
    tracker = MlflowTracker(lock(copied))
    assert len(tracker.history(tracker.runs("e"), ["loss"]).frame) == 1
    writes: list[Callable[[], None]] = [
        lambda: tracker.log_metrics(run_id, {"unsl/loss/final": 0.5}, step=0),
        lambda: tracker.set_tags(run_id, {"unsl.verdict": "GO"}),
        lambda: tracker.set_card(run_id, "card"),
    ]
    for write in writes:
        with pytest.raises(TrackerReadOnly, match="write access, or forecast without writing"):
            write()
    assert tracker.runs("e")[0].tags.keys() == sqlite_user.client.get_run(run_id).data.tags.keys()
    assert "Traceback" not in caplog.text
    assert not Path("file:").exists(), "MLflow's stray folder is cleared away"


@pytest.mark.slow
def test_a_server_on_a_read_only_file_says_so_at_once(
    own_server: Any, sqlite_user: Any, database: Path
) -> None:
    sqlite_user.new_experiment("e")
    run_id = sqlite_user.new_run("e")
    sqlite_user.client._tracking_client.store.engine.dispose()
    forbid_writing(database)
    own_server.start()
    tracker = MlflowTracker(own_server.uri, patience=60)
    assert [run.id for run in tracker.runs("e")] == [run_id]
    begin = time.monotonic()
    with pytest.raises(TrackerReadOnly):
        tracker.log_metrics(run_id, {"unsl/loss/final": 0.5}, step=0)
    assert time.monotonic() - begin < 30


def test_a_misspelt_file_is_not_created(tmp_path: Path) -> None:
    file = tmp_path / "folder" / "mlfow.db"
    with pytest.raises(NotFound, match=r"mlfow\.db.*Check the path"):
        MlflowTracker(f"sqlite:///{file}").experiments()
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    file.write_text("step,loss\n0,3.2\n" * 100)
    with pytest.raises(TrackerError, match="not a database"):
        MlflowTracker(f"sqlite:///{file}").experiments()
    assert file.read_text() == "step,loss\n0,3.2\n" * 100


@pytest.mark.slow
def test_a_locked_file_is_unavailable(sqlite_uri: str, sqlite_user: Any, database: Path) -> None:
    """MLflow itself waits for 20 seconds."""
    sqlite_user.new_experiment("e")
    run_id = sqlite_user.new_run("e")
    tracker = MlflowTracker(sqlite_uri)
    tracker.runs("e")
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(TrackerUnavailable, match="locked"):
            tracker.set_tags(run_id, {"unsl.verdict": "GO"})


def test_an_unknown_scheme_is_told() -> None:
    with pytest.raises(TrackerError, match="gopher"):
        MlflowTracker("gopher://there").experiments()


def test_ctrl_c_is_not_swallowed(proxy: Any, run_id: str) -> None:
    tracker = MlflowTracker(proxy.uri)
    tracker.runs("e")
    proxy.fail("runs/search", times=1, then=lambda: os.kill(os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # as in any program
    try:
        with pytest.raises(KeyboardInterrupt):
            tracker.runs("e")
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_web_page_in_place_of_a_server_is_told(proxy: Any, run_id: str) -> None:
    proxy.fail("runs/search", status=200, body=b"<html>Please log in</html>")
    with pytest.raises(TrackerError, match="Something other than an MLflow server"):
        MlflowTracker(proxy.uri).runs("e")


@pytest.mark.skipif(find_spec("psycopg2") is not None, reason="the driver is installed here")
def test_a_database_without_its_driver_says_what_to_install() -> None:
    with pytest.raises(MissingDependency, match="pip install psycopg"):
        MlflowTracker("postgresql://me:s3cret@127.0.0.1:1/mlflow").experiments()
