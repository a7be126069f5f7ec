"""`attach` beside real MLflow: what programs send is seen, and arrives untouched."""

from __future__ import annotations

import inspect
import logging
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

mlflow = pytest.importorskip("mlflow")

from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric  # noqa: E402

import unsl_tracking as ut  # noqa: E402
from tests.waiting import at_once  # noqa: E402
from unsl_mlflow import observe as seam  # noqa: E402
from unsl_tracking.live import SeenRun  # noqa: E402

UNTOUCHED = {name: getattr(MlflowClient, name) for name in seam._EXPECTED}
NOW = 1_700_000_000_000


class Recorder:
    """A watcher that keeps what it is told."""

    def __init__(self, metric: str = "loss") -> None:
        self.metric = metric
        self.rows: list[tuple[str, object, float | None]] = []
        self.over: list[str] = []

    def saw(
        self, run_id: str, value: object, step: float | None, open_run: Callable[[], SeenRun]
    ) -> None:
        self.rows.append((run_id, value, step))

    def ended(self, run_id: str) -> None:
        self.over.append(run_id)

    @property
    def seen(self) -> list[tuple[object, float | None]]:
        return [(value, step) for _, value, step in self.rows]


class Broken(Recorder):
    def saw(self, *_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug of ours")


@pytest.fixture
def experiment(sqlite_uri: str, sqlite_user: Any) -> Iterator[str]:
    """The fluent functions write into a store of this test's own."""
    sqlite_user.new_experiment("e")
    mlflow.set_tracking_uri(sqlite_uri)
    yield str(sqlite_user.client.get_experiment_by_name("e").experiment_id)
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)  # as it was: not set
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it, too


@pytest.fixture(autouse=True)
def left_as_it_was() -> Iterator[None]:
    yield
    ut.detach()
    assert {name: getattr(MlflowClient, name) for name in UNTOUCHED} == UNTOUCHED
    assert seam._watchers == ()


def watched(*watchers: Recorder) -> Callable[[], None]:
    undo = [seam.observe(each, True) for each in watchers]

    def end() -> None:
        for each in undo:
            assert each is not None
            each()

    return end


def fluent() -> None:
    for step in range(6):
        mlflow.log_metric("loss", 3.0 - step, step=step)
        mlflow.log_metric("other", 1.0, step=step)


def fluent_batch() -> None:
    for step in range(6):
        mlflow.log_metrics({"other": 1.0, "loss": 3.0 - step}, step=step)


def fluent_async() -> None:
    for step in range(6):
        mlflow.log_metric("loss", 3.0 - step, step=step, synchronous=False)
    mlflow.flush_async_logging()


def fluent_batch_async() -> None:
    for step in range(6):
        mlflow.log_metrics({"loss": 3.0 - step, "other": 0.0}, step=step, synchronous=False)
    mlflow.flush_async_logging()


def client() -> None:
    run_id, mine = mlflow.active_run().info.run_id, MlflowClient()
    for step in range(6):
        mine.log_metric(run_id, "loss", 3.0 - step, NOW + step, step)


def client_batch() -> None:
    run_id = mlflow.active_run().info.run_id
    rows = [Metric("loss", 3.0 - step, NOW + step, step) for step in range(6)]
    MlflowClient().log_batch(run_id, [Metric("other", 1.0, NOW, 0), *rows])


def client_made_before() -> None:
    run_id = mlflow.active_run().info.run_id
    for step in range(6):
        EARLIER[0].log_metric(run_id=run_id, key="loss", value=3.0 - step, step=step)


EARLIER: list[MlflowClient] = []


@pytest.mark.parametrize(
    "program",
    [
        *(fluent, fluent_batch, fluent_async, fluent_batch_async),
        *(client, client_batch, client_made_before),
    ],
)
def test_every_way_of_logging_is_seen_in_order_and_arrives_whole(
    program: Callable[[], None], experiment: str
) -> None:
    EARLIER[:] = [MlflowClient()]
    recorder, other = Recorder(), Recorder("other")
    end = watched(recorder, other)
    with mlflow.start_run(experiment_id=experiment) as run:
        program()
        assert recorder.seen == [(3.0 - step, step) for step in range(6)]
    assert {run_id for run_id, _, _ in recorder.rows} == {run.info.run_id}
    assert recorder.over == [run.info.run_id]
    end()
    mlflow.MlflowClient().log_metric(run.info.run_id, "loss", 9.0, step=6)
    assert len(recorder.rows) == 6, "nothing is told after the end"
    kept = MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [(row.value, row.step) for row in kept] == [*recorder.seen, (9.0, 6)]


def test_threads_that_log_at_once_lose_nothing(experiment: str) -> None:
    recorder = Recorder()
    end = watched(recorder)
    with mlflow.start_run(experiment_id=experiment) as run:

        def work(first: int) -> None:
            for step in range(first, first + 25):
                MlflowClient().log_metric(run.info.run_id, "loss", float(step), step=step)

        at_once(*(partial(work, 100 * i) for i in range(4)))
    end()
    kept = MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert sorted(row.step for row in kept) == sorted(step or 0 for _, step in recorder.seen)
    assert len(kept) == 100


def test_autologging_is_seen(experiment: str) -> None:
    linear = pytest.importorskip("sklearn.linear_model")

    recorder = Recorder("training_mean_squared_error")
    end = watched(recorder)
    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        with mlflow.start_run(experiment_id=experiment) as run:
            linear.LinearRegression().fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0])
    finally:
        mlflow.sklearn.autolog(disable=True)
    end()
    kept = mlflow.get_run(run.info.run_id).data.metrics
    assert [value for value, _ in recorder.seen] == [kept["training_mean_squared_error"]]


def test_what_mlflow_refuses_it_still_refuses_with_its_own_words(experiment: str) -> None:
    end = watched(Recorder(), Broken())
    with mlflow.start_run(experiment_id=experiment) as run:
        mine = MlflowClient()
        with pytest.raises(TypeError, match="log_metric"):
            mine.log_metric(run.info.run_id)  # type: ignore[call-arg]
        with pytest.raises(mlflow.MlflowException, match="not a valid name|Names may only|nvalid"):
            mine.log_metric(run.info.run_id, "a//b", 1.0)
        with pytest.raises(mlflow.MlflowException, match="no-such-run"):
            mine.log_metric("no-such-run", "loss", 1.0)
    end()


def test_a_bug_of_ours_reaches_the_log_once_and_never_the_program(
    experiment: str, caplog: pytest.LogCaptureFixture
) -> None:
    seam._told.clear()
    end = watched(Broken(), Recorder())
    with mlflow.start_run(experiment_id=experiment) as run:
        for step in range(3):
            mlflow.log_metric("loss", 1.0, step=step)
    end()
    assert len(MlflowClient().get_metric_history(run.info.run_id, "loss")) == 3
    assert len([r for r in caplog.records if "was not seen" in r.getMessage()]) == 1


def test_an_iterator_of_metrics_is_not_used_up(experiment: str) -> None:
    class Once:
        """Has a length, as MLflow asks for, and can be looked through once."""

        def __init__(self, rows: list[Metric]) -> None:
            self.rows = rows

        def __len__(self) -> int:
            return len(self.rows)

        def __iter__(self) -> Iterator[Metric]:
            while self.rows:
                yield self.rows.pop(0)

    end = watched(Recorder())
    with mlflow.start_run(experiment_id=experiment) as run:
        rows = Once([Metric("loss", 1.0, NOW, step) for step in range(4)])
        MlflowClient().log_batch(run.info.run_id, rows)  # type: ignore[arg-type]
    end()
    assert len(MlflowClient().get_metric_history(run.info.run_id, "loss")) == 4


def test_wrapping_by_somebody_else_on_top_of_ours_survives_the_end() -> None:
    end = watched(Recorder())
    ours = MlflowClient.log_metric
    calls: list[int] = []

    def theirs(self: Any, *given: Any, **named: Any) -> Any:
        calls.append(1)
        return ours(self, *given, **named)

    MlflowClient.log_metric = theirs  # type: ignore[method-assign]
    try:
        end()
        assert MlflowClient.log_metric is theirs
        assert MlflowClient.log_batch is UNTOUCHED["log_batch"]
        again = watched(Recorder())
        assert MlflowClient.log_metric is theirs, "ours is not put on twice"
        again()
    finally:
        MlflowClient.log_metric = ours  # type: ignore[method-assign]
        watched(Recorder())()


# --- versions ------------------------------------------------------------------------------------


def test_the_installed_minor_is_one_that_these_tests_pin() -> None:
    assert ".".join(mlflow.__version__.split(".")[:2]) in seam.TESTED


def look_alike(**changes: Any) -> type:
    """A client class with MLflow's methods, some of them changed or (None) gone."""
    methods = {**UNTOUCHED, **changes}
    return type("Client", (), {name: m for name, m in methods.items() if m is not None})


CHANGED: dict[str, dict[str, Any]] = {
    "a method is gone": {"log_batch": None},
    "a parameter has another name": {"log_metric": lambda self, run, key, value: None},
    "parameters changed places": {
        "log_metric": lambda self, key, run_id, value, timestamp, step: None
    },
    "no method but an attribute": {"set_terminated": 3},
}


@pytest.mark.parametrize("version", ["3.16.1", "3.17.0", "3.17.9", "3.18.0", "3.99.1", "4.0.0"])
@pytest.mark.parametrize("change", [None, *CHANGED])
def test_a_version_that_looks_different_is_left_alone_with_one_warning(
    version: str, change: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    seam._told.clear()
    made = look_alike(**(CHANGED[change] if change else {}))
    with caplog.at_level(logging.INFO, "unsl_tracking.live"):
        answers = {seam.can_be_observed(made, version) for _ in range(3)}
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    if change:
        assert answers == {False}
        ((level, text),) = told
        assert level == "WARNING" and version in text and "RunMonitor" in text
    else:
        assert answers == {True}
        expected = [] if version.startswith("3.17.") else ["INFO"]
        assert [level for level, _ in told] == expected


def test_where_mlflow_cannot_be_observed_attach_does_nothing_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seam._told.clear()
    monkeypatch.setattr(seam, "_EXPECTED", {**seam._EXPECTED, "log_metric": ("self", "run")})
    with ut.attach("loss", horizon={"step": 10}, trackers=["mlflow"]) as made:
        assert made.trackers == ()
    assert len([r for r in caplog.records if "is not observed" in r.getMessage()]) == 1


# --- the whole way -------------------------------------------------------------------------------


def log_a_curve(limit: float, upto: int = 100) -> None:
    for step in range(1, upto + 1):
        mlflow.log_metric("loss", limit + 3.0 * step**-0.7, step=step)


def test_unchanged_code_gets_its_forecast_written_into_its_run(experiment: str) -> None:
    with ut.attach("loss", horizon={"step": 100}, stop=ut.StopRule(target=0.5)) as made:
        assert "mlflow" in made.trackers  # and others that this process has imported
        with mlflow.start_run(experiment_id=experiment) as run:
            log_a_curve(1.0, upto=60)
            assert made.flush()
            assert made.decision is not None and made.monitors[run.info.run_id].errors == {}
        assert made.flush() and made.monitors == {}
    found = mlflow.get_run(run.info.run_id)
    assert found.info.status == "FINISHED"
    assert found.data.metrics["loss"] == 1.0 + 3.0 * 60**-0.7
    assert found.data.metrics["unsl/loss/final"] == pytest.approx(1 + 3 * 100**-0.7, rel=0.03)
    assert {n for n in found.data.metrics if n.startswith("unsl/loss/")} == {
        f"unsl/loss/{name}" for name in ("p_doomed", "final", "final_lo80", "final_hi80")
    }
    assert found.data.tags["unsl.verdict"] in ("continue", "doomed")
    kept = mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/unsl/loss/decision.json")
    assert kept["schema"] == "unsl.decision/1" and kept["forecast"]["metric"] == "loss"
    assert kept["at"] == 60 and kept["step"] == 60
    history = MlflowClient().get_metric_history(run.info.run_id, "loss")
    assert [row.step for row in history] == list(range(1, 61))


def test_a_second_attachment_takes_the_place_of_the_first(experiment: str) -> None:
    first = ut.attach("loss", horizon={"step": 100})
    second = ut.attach("loss", horizon={"step": 200})
    assert first.trackers == () and "mlflow" in second.trackers
    assert len(seam._watchers) == 1
    other = ut.attach("accuracy", mode="max", horizon={"step": 200})
    assert len(seam._watchers) == 2
    assert ut.detach() and second.trackers == other.trackers == ()


def test_finished_runs_of_the_experiment_are_siblings(experiment: str) -> None:
    for i in range(7):
        with mlflow.start_run(experiment_id=experiment) as run:
            rows = [Metric("loss", 1 + 0.05 * i + 3.0 * s**-0.7, NOW + s, s) for s in STEPS]
            MlflowClient().log_batch(run.info.run_id, rows)
    told = threading.Event()
    with (
        ut.attach("loss", horizon={"step": 100}, on_stop=lambda *_: told.set()) as made,
        mlflow.start_run(experiment_id=experiment) as run,
    ):
        for step in range(1, 51):
            mlflow.log_metric("loss", 2.0 + 3.0 * step**-0.7, step=step)
            if step % 10 == 0:
                assert made.flush()
        monitor = made.monitors[run.info.run_id]
        assert monitor.errors == {} and told.is_set()
        assert "the best finished sibling" in monitor.decision.reason


STEPS = range(1, 101)

PROGRAM = """
import os, signal, sys, threading, time
import unsl_tracking as ut
{attach}
import mlflow
mlflow.set_tracking_uri({uri!r})
with mlflow.start_run(run_name="unchanged", experiment_id={experiment!r}):
    for step in range(1, 2001):
        mlflow.log_metric("loss", 2.0 + 3.0 * step ** -0.7, step=step)
        {work}
"""


def run_unchanged(experiment: str, attach: str, work: str = "pass", **env: str) -> Any:
    code = PROGRAM.format(
        attach=attach, uri=mlflow.get_tracking_uri(), experiment=experiment, work=work
    )
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, **env},
    )


def the_run(experiment: str) -> Any:
    (found,) = MlflowClient().search_runs([experiment])
    return found


@pytest.mark.slow
def test_unchanged_code_can_be_stopped_as_by_ctrl_c(experiment: str) -> None:
    done = run_unchanged(
        experiment,
        """
def stop(run_id, decision):
    os.kill(os.getpid(), signal.SIGINT)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
rule = ut.StopRule(target=1.0)
ut.attach("loss", horizon={"step": 2000}, stop=rule, on_stop=stop, share=1.0)
""",
    )
    assert "KeyboardInterrupt" in done.stderr and done.returncode != 0
    found = the_run(experiment)
    assert found.data.tags["unsl.verdict"] == "doomed"
    assert found.info.status in ("FAILED", "KILLED")


@pytest.mark.slow
@pytest.mark.parametrize("switch", ["1", "0"])
def test_a_program_that_ends_writes_its_last_forecast_unless_switched_off(
    switch: str, experiment: str
) -> None:
    line = """
import unsl_tracking.live.lifetime
unsl_tracking.live.lifetime.AT_EXIT = 60.0  # for a busy machine
ut.attach("loss", horizon={"step": 2000})
"""
    work = "if step == 60: break"
    done = run_unchanged(experiment, line, work, UNSL_ATTACH=switch)
    assert done.returncode == 0, done.stderr
    found = the_run(experiment)
    assert found.info.status == "FINISHED"
    assert ("unsl.verdict" in found.data.tags) is (switch == "1")
    assert len(MlflowClient().get_metric_history(found.info.run_id, "loss")) == 60


def test_the_wrappers_keep_names_docs_and_parameters() -> None:
    end = watched(Recorder())
    for name, original in UNTOUCHED.items():
        wrapped = getattr(MlflowClient, name)
        assert wrapped is not original
        assert inspect.signature(wrapped) == inspect.signature(original)
        assert wrapped.__doc__ == original.__doc__
    end()


def test_a_tracker_named_but_not_loadable_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ut.MissingDependency, match="pip install"):
        ut.attach("loss", horizon={"step": 10}, trackers=["mlflow"])
    with ut.attach("loss", horizon={"step": 10}) as made:
        assert made.trackers == ()
