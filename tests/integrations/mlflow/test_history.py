"""No row is lost, whatever the server cuts off."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("mlflow")

from unsl_mlflow import MlflowTracker, history
from unsl_mlflow.pages import read_pages
from unsl_tracking.errors import NotFound

NOW = 1_700_000_000_000
BULK, PAGES = "get-history-bulk", "get-history?"


def rows(count: int, *, every: int = 1, offset: float = 0.0) -> list[tuple[float, int, int]]:
    return [(offset + i / 7, every * i, NOW + i) for i in range(count)]


def counts(frame: pd.DataFrame) -> dict[str, int]:
    return {str(run): len(part) for run, part in frame.groupby("run_id")}


@pytest.fixture
def tracker(proxy: Any) -> MlflowTracker:
    return MlflowTracker(proxy.uri)


def fill(user: Any, lengths: list[int], every: int = 1) -> dict[str, int]:
    """Runs with so many rows of `loss`; returns the counts by run."""
    user.new_experiment("e")
    made = {}
    for number, length in enumerate(lengths):
        run_id = user.new_run("e")
        some = rows(length, every=every, offset=number)
        (user.insert if length >= 500 else user.log)(run_id, "loss", some)
        made[run_id] = length
    return made


def test_an_answer_that_was_cut_off_is_completed(
    tracker: MlflowTracker, proxy: Any, server_user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 runs of 1000 rows in one request: the server gives 25 of them, without a word."""
    made = fill(server_user, [1000] * 30)
    monkeypatch.setattr(history, "THREADS", 1)
    monkeypatch.setattr(history, "_guess", lambda keys, runs: 1.0)  # so that it asks for too many
    frame = tracker.history(tracker.runs("e"), ["loss"]).frame
    assert counts(frame) == made
    assert not frame.duplicated().any()
    assert proxy.count(BULK) == 2 and proxy.count(PAGES) == 0


def test_a_run_longer_than_an_answer_is_read_page_by_page(
    tracker: MlflowTracker, proxy: Any, server_user: Any
) -> None:
    made = fill(server_user, [26_000, 40, 25_000])
    frame = tracker.history(tracker.runs("e"), ["loss"]).frame
    assert counts(frame) == made
    assert not frame.duplicated().any()
    assert proxy.count(PAGES) >= 2


def test_the_size_of_requests_follows_the_rows_of_the_answers(
    tracker: MlflowTracker, proxy: Any, server_user: Any
) -> None:
    """Steps 0, 10,000, 20,000, … look like long runs; the first answers say that they are short."""
    made = fill(server_user, [5] * 40, every=10_000)
    frame = tracker.history(tracker.runs("e"), ["loss"]).frame
    assert counts(frame) == made
    assert proxy.count(BULK) <= 12


def test_a_server_without_the_bulk_request_is_read_page_by_page(
    tracker: MlflowTracker, proxy: Any, server_user: Any
) -> None:
    made = fill(server_user, [10, 0, 20])
    proxy.fail(BULK, status=404)
    frame = tracker.history(tracker.runs("e"), ["loss"]).frame
    assert counts(frame) == {run: count for run, count in made.items() if count}


def test_an_answer_without_a_row_that_was_listed_is_not_believed(
    tracker: MlflowTracker, proxy: Any, server_user: Any
) -> None:
    made = fill(server_user, [10, 20])
    proxy.fail(BULK, status=200, body=b'{"metrics": []}')
    assert counts(tracker.history(tracker.runs("e"), ["loss"]).frame) == made


@pytest.mark.parametrize("where", ["sqlite", "server"])
@pytest.mark.parametrize("bulk", [True, False])
def test_nan_and_infinities_come_back_by_every_way(
    where: str, bulk: bool, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = request.getfixturevalue(f"{where}_user")
    user.new_experiment("e")
    run_id = user.new_run("e")
    values = [math.nan, math.inf, -math.inf, 1.0, 0.1 + 0.2, 0.0]
    user.log(run_id, "loss", [(value, i, NOW + i) for i, value in enumerate(values)])
    user.log(run_id, "loss", [(math.nan, 9, NOW + 9), (0.0, 9, NOW + 9)])
    tracker = MlflowTracker(user.client.tracking_uri)
    if not bulk:
        monkeypatch.setattr(history, "_sources", one_by_one)
    frame = tracker.history(tracker.runs("e"), ["loss"]).frame
    np.testing.assert_array_equal(frame["value"].to_numpy()[:6], values)
    assert sorted(frame["value"].tolist()[6:], key=math.isnan)[0] == 0.0
    assert frame["value"].isna().sum() == 2


def one_by_one(connection: Any, keys: Any, runs: Any) -> Iterator[dict[Any, Any]]:
    for key in keys:
        yield {key: read_pages(connection, key)}


def test_a_file_and_a_server_on_it_give_the_same_frame(server: Any, server_user: Any) -> None:
    fill(server_user, [400, 3, 0, 77])
    over_http = MlflowTracker(server.uri)
    in_file = MlflowTracker(f"sqlite:///{server.folder}/mlflow.db")
    first, second = (t.history(t.runs("e"), ["loss", "other"]).frame for t in (over_http, in_file))
    pd.testing.assert_frame_equal(first, second)
    assert len(first) == 480


def test_folders_of_files_are_read_too(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's oldest store has neither a table nor pages."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    client = MlflowClient(tracking_uri=tmp_path.as_uri())
    run_id = client.create_run(client.create_experiment("e")).info.run_id
    client.log_batch(run_id, [Metric("loss", v, t, s) for v, s, t in rows(500)])
    tracker = MlflowTracker(tmp_path.as_uri())
    first = tracker.history(tracker.runs("e"), ["loss", "never"])
    assert counts(first.frame) == {run_id: 500}
    client.log_batch(run_id, [Metric("loss", 0.5, NOW + 999, 501)])
    second = tracker.history(tracker.runs("e"), ["loss"], since=first.cursor)
    assert second.frame["step"].max() == 501


def test_an_unknown_run_gives_no_rows_or_is_not_found(server: Any, server_user: Any) -> None:
    fill(server_user, [3])
    tracker = MlflowTracker(server.uri)
    (run,) = tracker.runs("e")
    server_user.delete(run.id)
    assert tracker.runs("e") == []
    with pytest.raises(NotFound):
        tracker.read_artifact("0" * 32, "x.txt")


def test_several_threads_share_a_tracker(server: Any, server_user: Any) -> None:
    made = fill(server_user, [50] * 6)
    tracker = MlflowTracker(server.uri)

    def read(number: int) -> dict[str, int]:
        run_id = list(made)[number % 6]
        tracker.log_metrics(run_id, {"unsl/loss/final": 1.0 + number}, step=number)
        return counts(tracker.history(tracker.runs("e"), ["loss"]).frame)

    with ThreadPoolExecutor(6) as pool:
        assert all(found == made for found in pool.map(read, range(12)))
