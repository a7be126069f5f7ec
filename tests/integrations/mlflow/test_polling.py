"""Reading on from a cursor: cheap where nothing happened, complete where something did."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("mlflow")

from unsl_mlflow import MlflowTracker, history
from unsl_tracking.runs.run import Cursor

NOW = 1_700_000_000_000
BULK, PAGES = "get-history-bulk", "get-history?"


class Watch:
    """A poller of one experiment, and the hands of a user on one long run in it."""

    def __init__(self, user: Any, proxy: Any, count: int = 500) -> None:
        user.new_experiment("e")
        self.user, self.proxy = user, proxy
        self.run_id = user.new_run("e")
        self.log(range(count))
        self.tracker = MlflowTracker(proxy.uri)
        self.cursor: Cursor | None = None

    def log(self, steps: Any, *, at: int = NOW) -> None:
        self.user.log(self.run_id, "loss", [(1 / (1 + i), i, at + i) for i in steps])

    def poll(self) -> list[int]:
        """Steps of the rows that this reading delivered; `requests` begins anew."""
        self.proxy.requests.clear()
        runs = self.tracker.runs("e")
        frame, self.cursor = self.tracker.history(runs, ["loss"], since=self.cursor)
        return [int(step) for step in frame["step"]]

    def requests(self) -> tuple[int, int]:
        """How many (bulk requests, requests for pages) the last reading took."""
        return self.proxy.count(BULK), self.proxy.count(PAGES)


@pytest.fixture
def watch(proxy: Any, server_user: Any) -> Watch:
    return Watch(server_user, proxy)


def test_a_run_that_did_not_move_is_not_asked(watch: Watch) -> None:
    assert len(watch.poll()) == 500
    assert watch.poll() == [] and watch.requests() == (0, 0)


def test_a_long_run_gives_only_its_new_rows(watch: Watch) -> None:
    watch.poll()
    watch.log(range(500, 510))
    assert watch.poll() == list(range(500, 510)) and watch.requests() == (0, 1)
    watch.log(range(510, 512))
    assert watch.poll() == [510, 511]


def test_a_late_row_among_new_ones_brings_everything_again(watch: Watch) -> None:
    watch.poll()
    watch.log([500, 501])
    watch.user.log(watch.run_id, "loss", [(9.0, 250, NOW + 250)])  # of another worker
    assert len(watch.poll()) == 503
    assert watch.poll() == []


def test_a_run_that_goes_back_to_a_checkpoint_is_noticed_after_a_minute(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its latest value stays that of the highest step, so the listing does not tell."""
    watch.poll()
    watch.log(range(300, 310), at=NOW + 10_000)
    assert watch.poll() == []
    monkeypatch.setattr(history, "_LOOK_AGAIN", 0.0)
    assert watch.poll() == list(range(300, 310))


def test_a_run_is_read_whole_once_it_has_ended_and_then_left_alone(watch: Watch) -> None:
    watch.poll()
    watch.log(range(100, 105), at=NOW + 10_000)
    watch.user.finish(watch.run_id)
    assert len(watch.poll()) == 505
    assert watch.poll() == [] and watch.requests() == (0, 0)
    assert watch.cursor is not None and watch.cursor.complete == {watch.run_id}


def test_a_run_that_is_resumed_is_read_on(watch: Watch) -> None:
    watch.user.finish(watch.run_id)
    watch.poll()
    watch.user.resume(watch.run_id)
    watch.log([500])
    assert watch.poll() == [500]
    assert watch.cursor is not None and not watch.cursor.complete


def test_another_metric_of_an_ended_run_is_read(watch: Watch) -> None:
    watch.user.log(watch.run_id, "other", [(1.0, 3, NOW)])
    watch.user.finish(watch.run_id)
    watch.poll()
    runs = watch.tracker.runs("e")
    frame = watch.tracker.history(runs, ["other"], since=watch.cursor).frame
    assert frame["step"].tolist() == [3]


def test_a_cursor_of_unknown_origin_is_not_relied_upon(watch: Watch) -> None:
    watch.user.finish(watch.run_id)
    foreign = Cursor({watch.run_id: 499}, frozenset({watch.run_id}))
    runs = watch.tracker.runs("e")
    assert len(watch.tracker.history(runs, ["loss"], since=foreign).frame) == 500


def test_an_older_cursor_still_gives_everything_since(watch: Watch) -> None:
    watch.poll()
    older = watch.cursor
    watch.log([500])
    watch.poll()
    watch.log([501])
    frame = watch.tracker.history(watch.tracker.runs("e"), ["loss"], since=older).frame
    assert frame["step"].tolist() == [500, 501]
