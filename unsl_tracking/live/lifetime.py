"""What happens to monitors when the process forks or ends, and which process forecasts.

A child that is forked in the middle of a fit inherits whatever locks the fit held (of NumPy's BLAS,
of an import), with nobody to release them. So a fork waits for the fit to end, a fraction of a
second, and at most `BEFORE_FORK`.
"""

from __future__ import annotations

import atexit
import os
import time
import weakref
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from unsl_tracking.live.interval import forget_fits
from unsl_tracking.live.worker import Worker

AT_EXIT: Final = 5.0  # seconds for all monitors of the process together


BEFORE_FORK: Final = 2.0  # seconds for all monitors of the process together


class Living(Protocol):
    """The part of a monitor that matters here."""

    def close(self, timeout: float = ...) -> bool:
        """Finish what was begun, within the timeout."""

    def workers(self) -> Sequence[Worker]:
        """Its threads."""

    def _after_fork(self) -> None:
        """In the child: forget the threads and locks of the parent process."""


_living: weakref.WeakSet[Living] = weakref.WeakSet()
_paused: list[Worker] = []


def remember(monitor: Living) -> None:
    """Have a monitor closed at exit and mended after a fork, for as long as somebody holds it.

    When nobody holds it any more its threads end.
    """
    _living.add(monitor)
    _stop_with(monitor)


def rank_of(environ: Mapping[str, str] = os.environ) -> int:
    """This process among data-parallel ones, as torchrun and accelerate tell it; 0 when alone."""
    if "WORLD_SIZE" not in environ:
        return 0  # RANK alone may mean anything
    text = environ.get("RANK", "0")
    return int(text) if text.isdigit() else 0


def _stop_with(monitor: Living) -> None:
    for worker in monitor.workers():
        weakref.finalize(monitor, worker.stop).atexit = False


def _close_all() -> None:
    deadline = time.monotonic() + AT_EXIT
    for monitor in list(_living):
        monitor.close(timeout=max(deadline - time.monotonic(), 0.0))


def _pause_all() -> None:
    deadline = time.monotonic() + BEFORE_FORK
    for monitor in list(_living):
        for worker in monitor.workers():
            if worker.pause(max(deadline - time.monotonic(), 0.0)):
                _paused.append(worker)


def _resume_all() -> None:
    while _paused:
        _paused.pop().resume()


def _mend_all() -> None:
    _paused.clear()
    forget_fits()
    for monitor in list(_living):
        monitor._after_fork()
        _stop_with(monitor)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(before=_pause_all, after_in_parent=_resume_all, after_in_child=_mend_all)
