"""What a program logs to MLflow, as it logs it: the seam of `unsl_tracking.live.observers`.

The fluent functions, autologging, the callbacks of frameworks and user code all log by way of the
public methods `MlflowClient.log_metric` and `log_batch`, asynchronous calls included, and end runs
by `set_terminated`. While somebody watches, these three are wrapped, on the class: clients that
exist already are seen too. Our own writing goes past them (`writer`).
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import itertools
import logging
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final

from unsl_mlflow.client import import_mlflow_quietly
from unsl_mlflow.tracker import MlflowTracker
from unsl_tracking.errors import MissingDependency
from unsl_tracking.live import SeenRun, Watcher

TESTED: Final = frozenset({"3.17"})
"""Minor versions that tests/integrations/mlflow/test_observe.py ran with."""
_EXPECTED: Final = {
    "log_metric": ("self", "run_id", "key", "value", "timestamp", "step"),
    "log_batch": ("self", "run_id", "metrics"),
    "set_terminated": ("self", "run_id"),
}
_log = logging.getLogger("unsl_tracking.live")
_lock = threading.Lock()
_watchers: tuple[Watcher, ...] = ()
_wrappers: dict[str, Any] = {}
_told: set[str] = set()


def observe(watcher: Watcher, load: bool) -> Callable[[], None] | None:
    """Tell the watcher what is logged from now on; see `unsl_tracking.live.observers`."""
    if "mlflow" not in sys.modules and not load:
        return None
    if importlib.util.find_spec("mlflow") is None:
        raise MissingDependency(
            "to observe mlflow it must be installed",
            next_step="Run: pip install 'unsl-tracking[mlflow]'",
        )
    import_mlflow_quietly()
    import mlflow

    if not can_be_observed(mlflow.MlflowClient, mlflow.__version__):
        return None
    with _lock:
        _wrap(mlflow.MlflowClient)
        _watch((*_watchers, watcher))
    return functools.partial(_forget, watcher)


def can_be_observed(client: type, version: str) -> bool:
    """True where the class has the methods that we wrap; otherwise one warning says it has not.

    A version that was not tested is observed if it looks the same.
    """
    wrong = [n for n, want in _EXPECTED.items() if not _takes(getattr(client, n, None), want)]
    tested = ".".join(version.split(".")[:2]) in TESTED
    if wrong:
        _tell(
            logging.WARNING,
            f"MLflow {version} is not observed: MlflowClient.{' and '.join(wrong)} differ from "
            f"MLflow {', '.join(sorted(TESTED))}. Nothing is forecast. Next: RunMonitor, or an "
            "MLflow that is supported.",
        )
    elif not tested:
        _tell(logging.INFO, f"MLflow {version} was not tested with attach; it looks the same.")
    return not wrong


def _takes(method: Any, wanted: tuple[str, ...]) -> bool:
    """True where the first parameters are the wanted ones; the wrapper of others may take any."""
    if not callable(method):
        return False
    found = inspect.signature(method).parameters.values()
    named = list(itertools.takewhile(lambda each: each.kind is not each.VAR_POSITIONAL, found))
    compared = len(wanted) if len(named) == len(found) else min(len(wanted), len(named))
    return tuple(each.name for each in named[:compared]) == wanted[:compared]


def _tell(level: int, text: str) -> None:
    """Log it, once."""
    if text not in _told:
        _told.add(text)
        _log.log(level, text)


def _wrap(client: Any) -> None:
    """Put our wrappers around the methods, unless they are there, perhaps under those of others."""
    seen: dict[str, Callable[..., None]] = {
        "log_metric": _saw_metric,
        "log_batch": _saw_batch,
        "set_terminated": _saw_end,
    }
    for name, tell in seen.items():
        if name not in _wrappers:
            _wrappers[name] = _telling(getattr(client, name), tell)
            setattr(client, name, _wrappers[name])


def _telling(original: Callable[..., Any], tell: Callable[..., None]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(*given: Any, **named: Any) -> Any:
        if _watchers:
            try:
                tell(*given, **named)
            except Exception as error:  # also where MLflow will refuse the arguments
                _tell(logging.WARNING, f"what MLflow logs was not seen: {error!r}")
        return original(*given, **named)

    return method


def _watch(watchers: tuple[Watcher, ...]) -> None:
    global _watchers
    _watchers = watchers


def _forget(watcher: Watcher) -> None:
    from mlflow import MlflowClient

    with _lock:
        _watch(tuple(each for each in _watchers if each is not watcher))
        if _watchers:
            return
        for name, wrapper in list(_wrappers.items()):
            # Where somebody has wrapped ours, it stays, and passes everything on.
            if getattr(MlflowClient, name) is wrapper:
                setattr(MlflowClient, name, wrapper.__wrapped__)
                del _wrappers[name]


def _saw_metric(
    client: Any,
    run_id: str,
    key: str,
    value: Any,
    timestamp: int | None = None,
    step: int | None = None,
    *_: Any,
    **__: Any,
) -> None:
    for watcher in _watchers:
        if watcher.metric == key:
            watcher.saw(run_id, value, step, functools.partial(_open, client, run_id))


def _saw_batch(client: Any, run_id: str, metrics: Sequence[Any] = (), *_: Any, **__: Any) -> None:
    if not isinstance(metrics, Sequence):  # looking at an iterator would use it up
        return
    for watcher in _watchers:
        for row in metrics:
            if row.key == watcher.metric:
                opened = functools.partial(_open, client, run_id)
                watcher.saw(run_id, row.value, row.step, opened)


def _saw_end(client: Any, run_id: str, *_: Any, **__: Any) -> None:
    for watcher in _watchers:
        watcher.ended(run_id)


def _open(client: Any, run_id: str) -> SeenRun:
    def experiment() -> str:
        return str(client.get_run(run_id).info.experiment_id)

    return SeenRun(MlflowTracker(client.tracking_uri), run_id, experiment)
