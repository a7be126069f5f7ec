"""What a program logs to W&B, as it logs it: the seam of `unsl_tracking.live.observers`.

All of a program's runs end in `Run._partial_history_callback` (see `unsl_wandb.sink`). While
somebody watches, it is wrapped on the class; the first row of a run puts that run's own sink in
place, through which the rest goes.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from unsl_tracking.errors import MissingDependency
from unsl_tracking.live.observers import SeenRun, Watcher
from unsl_wandb.rows import Call, RowJoin

_LAST: Final = 10.0  # seconds that the last decision may take when a run finishes
_log = logging.getLogger("unsl_tracking.live")
_lock = threading.Lock()
_watchers: tuple[Watcher, ...] = ()
_wrapped: list[tuple[Any, Any]] = []  # the wrapper that is in place, and what it wraps
_seen: dict[int, list[Callable[[], None]]] = {}  # by watcher, how to leave its runs


def observe(watcher: Watcher, load: bool) -> Callable[[], None] | None:
    """Tell the watcher what is logged from now on, to the runs that are open too.

    None where wandb has not been imported and `load` is False, or where this release has no such
    method, with a warning.

    Raises:
        MissingDependency: wandb is not installed.
    """
    if "wandb" not in sys.modules and not load:
        return None
    if importlib.util.find_spec("wandb") is None:
        raise MissingDependency(
            "to observe wandb it must be installed",
            next_step="Run: pip install 'unsl-tracking[wandb]'",
        )
    from wandb.sdk.wandb_run import Run

    from unsl_wandb.sink import SEAM, open_sinks

    global _watchers
    with _lock:
        if not _wrapped and not _wrap(Run, SEAM):
            return None
        _watchers = (*_watchers, watcher)
        for sink in open_sinks():  # runs that are watched already, by somebody else
            _follow(sink.run, watcher)
    return functools.partial(_forget, watcher, Run, SEAM)


def _wrap(owner: Any, name: str) -> bool:
    original = getattr(owner, name, None)
    if original is None:
        import wandb

        _log.warning(
            "wandb %s is not observed: its runs have no %s. Next: unsl_wandb.attach(run, ...).",
            *(wandb.__version__, name),
        )
        return False

    @functools.wraps(original)
    def method(run: Any, *given: Any, **named: Any) -> Any:
        if not _watchers or name in run.__dict__:  # the run's own sink called us
            return original(run, *given, **named)
        try:
            from unsl_wandb.sink import sink_of

            sink: Callable[..., Any] = sink_of(run)
            for watcher in _watchers:
                _follow(run, watcher)
        except Exception as error:
            _log.warning("what W&B logs is not seen: %s: %s", type(error).__name__, error)
            sink = functools.partial(original, run)
        return sink(*given, **named)

    setattr(owner, name, method)
    _wrapped.append((method, original))
    return True


def _follow(run: Any, watcher: Watcher) -> None:
    """Tell the watcher of one run."""
    from unsl_wandb.live import LiveRun, path_of
    from unsl_wandb.sink import sink_of

    sink, run_id, rows = sink_of(run), path_of(run), RowJoin(watcher.metric)
    opened = functools.partial(_open, LiveRun(run), run)

    def see(data: Mapping[str, Any], call: Call) -> None:
        for seen in rows.take(data, call):
            watcher.saw(run_id, seen.value, seen.step, opened)

    def end() -> None:
        # The last decision has to be written before W&B closes the run.
        flush = getattr(watcher, "flush", None)
        if flush is not None:
            flush(_LAST)
        watcher.ended(run_id)

    sink.observe(see, end)
    _seen.setdefault(id(watcher), []).append(functools.partial(sink.forget, see, end))


def _forget(watcher: Watcher, owner: Any, name: str) -> None:
    global _watchers
    with _lock:
        _watchers = tuple(each for each in _watchers if each is not watcher)
        for leave in _seen.pop(id(watcher), []):
            leave()
        # Where somebody has wrapped ours, it stays, and passes everything on.
        if not _watchers and _wrapped and getattr(owner, name) is _wrapped[0][0]:
            setattr(owner, name, _wrapped.pop()[1])


def _open(live: Any, run: Any) -> SeenRun:
    from unsl_wandb.live import path_of

    return SeenRun(live, path_of(run), lambda: str(run.project))
