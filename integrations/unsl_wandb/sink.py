"""Between `run.log` and W&B: sees what is logged, and lays our values into the user's own rows.

W&B has no hook for this. Each `run.log` and `wandb.log` ends in the method
`run._partial_history_callback(data, step, commit)`, which an instance may replace; where a release
has no such method, `run.log` and `wandb.log` are replaced instead, with one warning. A row of our
own would shift the user's `_step`, or have the user's next row dropped, so there is none: values
wait for the next call, and what waits when the run finishes goes into the open row, or else only
into the summary.
"""

from __future__ import annotations

import atexit
import inspect
import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, Final

import wandb

from unsl_wandb.rows import Call, Steps

SEAM: Final = "_partial_history_callback"
_log = logging.getLogger("unsl_tracking.live")

_sinks: weakref.WeakSet[Sink] = weakref.WeakSet()

Observer = Callable[[Mapping[str, Any], Call], None]
"""Gets what was logged, on the thread that logged it, after W&B has it."""


class Sink:
    """One per run; `sink_of` makes it. What goes wrong here is logged once and never raised."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._steps = Steps(_next_step(run))
        self._observers: list[Observer] = []
        self._closers: list[Callable[[], object]] = []
        self._values: dict[str, float] = {}
        self._texts: dict[str, str] = {}
        self._troubled = False
        self.finished = False
        self._send: Callable[..., Any] = self._install()
        _at_finish(run, self.finish)
        _sinks.add(self)

    def observe(self, observer: Observer, closer: Callable[[], object]) -> None:
        """Have an observer called with all that is logged, and a closer when the run finishes."""
        with self._lock:
            self._observers.append(observer)
            self._closers.append(closer)

    def forget(self, observer: Observer, closer: Callable[[], object]) -> None:
        """Call them no more."""
        with self._lock:
            if observer in self._observers:
                self._observers.remove(observer)
                self._closers.remove(closer)

    def offer(self, values: Mapping[str, float]) -> None:
        """Lay these into the next row; newer values take the place of those that still wait."""
        with self._lock:
            self._values |= values

    def describe(self, texts: Mapping[str, str]) -> None:
        """Put these into the run's summary, with the next row."""
        with self._lock:
            self._texts |= texts

    def __call__(
        self, data: Mapping[str, Any], step: int | None = None, commit: bool | None = None
    ) -> Any:
        """What `run.log` calls: send the user's data, ours with it, and look at it."""
        if self.finished or os.getpid() != self._pid:
            return self._send(data, step, commit)
        mine, texts = self._take(data, step)
        try:
            result = self._send({**mine, **data} if mine else data, step, commit)
        except BaseException:  # a value that W&B refuses is the caller's business
            self._wait_again(mine, texts)
            raise
        self._after(data, step, commit, texts)
        return result

    def _take(
        self, data: Mapping[str, Any], step: int | None
    ) -> tuple[dict[str, float], dict[str, str]]:
        """What waits and can go with this call."""
        with self._lock:
            mine: dict[str, float] = {}
            if data and not self._steps.drops(step):
                mine, self._values = self._values, {}
            texts, self._texts = self._texts, {}
            return mine, texts

    def _wait_again(self, mine: Mapping[str, float], texts: Mapping[str, str]) -> None:
        with self._lock:
            self._values = {**mine, **self._values}
            self._texts = {**texts, **self._texts}

    def _after(
        self,
        data: Mapping[str, Any],
        step: int | None,
        commit: bool | None,
        texts: Mapping[str, str],
    ) -> None:
        try:
            with self._lock:
                call = self._steps.take(step, commit)
            if texts:
                self.run.summary.update(texts)
            for observer in tuple(self._observers):
                observer(data, call)
        except Exception as error:
            self._trouble(error)

    def finish(self) -> None:
        """Close the observers and write what waits. Called by W&B; the second time does nothing."""
        if self.finished or os.getpid() != self._pid:
            return
        for closer in tuple(self._closers):
            try:
                closer()
            except Exception as error:
                self._trouble(error)
        self.finished = True
        atexit.unregister(self.finish)
        try:
            self._write_the_rest()
        except Exception as error:
            self._trouble(error)

    def _write_the_rest(self) -> None:
        if self._values and self._steps.open:
            step = self._steps.step if self._steps.explicit else None
            self._send(self._values, step, False)
            self._values = {}
        if rest := {**self._values, **self._texts}:
            self.run.summary.update(rest)

    def _install(self) -> Callable[..., Any]:
        """Take the place of the method; returns what was there."""
        original: Callable[..., Any] | None = getattr(self.run, SEAM, None)
        if original is not None and _takes_our_arguments(original):
            self.run.__dict__[SEAM] = self
            return original
        _log.warning(
            "wandb %s has no %s(data, step, commit): run.log and wandb.log are wrapped instead. "
            "Next: use a release that unsl-tracking[wandb] allows.",
            *(wandb.__version__, SEAM),
        )
        log: Callable[..., Any] = self.run.log
        if wandb.run is self.run:
            wandb.log = self
        self.run.__dict__["log"] = self
        return log

    def _trouble(self, error: Exception) -> None:
        if not self._troubled:
            _log.warning(
                "W&B: %s: %s. Training goes on; further ones are not told.",
                *(type(error).__name__, error),
                exc_info=_log.isEnabledFor(logging.DEBUG),
            )
        self._troubled = True


def sink_of(run: Any) -> Sink:
    """The sink of a run, put in place on the first call."""
    for name in (SEAM, "log"):
        if isinstance(found := run.__dict__.get(name), Sink) and not found.finished:
            return found
    return Sink(run)


def open_sinks() -> list[Sink]:
    """The sinks of this process's runs that have not finished."""
    return [sink for sink in _sinks if not sink.finished]


def _takes_our_arguments(method: object) -> bool:
    if not callable(method):
        return False
    try:
        inspect.signature(method).bind({}, None, None)
    except (TypeError, ValueError):
        return False
    return True


def _next_step(run: Any) -> int:
    """The step of the next row. `run.step` knows of a resumed run's steps from the first row on."""
    try:
        return max(int(run.step), int(run.starting_step))
    except Exception:  # mode="shared", where the server counts
        return 0


def _at_finish(run: Any, function: Callable[[], None]) -> None:
    """Have it called before the run finishes, whichever way it does.

    By `finish` or `with`, W&B calls its early teardown hooks; where a script just ends, ours of
    `atexit` comes before W&B's, because W&B registered its own first.
    """
    atexit.register(function)
    try:
        from wandb.sdk.wandb_run import TeardownHook, TeardownStage

        run._teardown_hooks.append(TeardownHook(function, TeardownStage.EARLY))
    except Exception:  # a release without such hooks
        finish = run.finish

        def finish_after(*args: Any, **kwargs: Any) -> Any:
            function()
            return finish(*args, **kwargs)

        run.__dict__["finish"] = finish_after
