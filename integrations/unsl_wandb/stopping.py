"""Ways to end a W&B run early: from inside the process, and from anywhere.

W&B's own Stop button, `Api().run(path).stop()` and a forecast all end in the same place: the
`stop_fn` of the run's settings, called once on another thread, or, where none was given, an
interrupt of the main thread (Ctrl-C). A `StopFlag` as `stop_fn` is for loops that end themselves.
"""

from __future__ import annotations

import logging
import platform
import signal
import threading
from collections.abc import Callable
from typing import Any

_log = logging.getLogger("unsl_tracking.live")


class StopFlag:
    """Remembers that somebody asked the run to stop; pass it as `wandb.Settings(stop_fn=flag)`.

        flag = unsl_wandb.StopFlag()
        run = wandb.init(settings=wandb.Settings(stop_fn=flag))
        unsl_wandb.attach(run, metric="val_loss", horizon={"step": 10_000}, stop=StopRule(target=2))
        while not flag.asked: ...

    A bound method such as `event.set` would stop as well, but in wandb 0.31.0 `run.settings` then
    raises, because it copies the settings deeply; a flag is not copied.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()

    def __call__(self) -> None:
        """Ask to stop. Safe on any thread, any number of times."""
        self._asked.set()

    # No `__bool__`: W&B takes a `stop_fn` that is false for none.
    @property
    def asked(self) -> bool:
        """Whether somebody asked."""
        return self._asked.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until somebody asks, at most `timeout` seconds; True if somebody did."""
        return self._asked.wait(timeout)

    def __deepcopy__(self, memo: dict[int, Any]) -> StopFlag:
        return self


def stop_function(run: Any) -> Callable[[], object]:
    """What W&B's Stop button does to this run: its `stop_fn`, or an interrupt."""
    # Not `run.settings`, which is a deep copy.
    given = getattr(getattr(run, "_settings", None), "stop_fn", None)
    return given if callable(given) else interrupt


def interrupt() -> None:
    """Interrupt the main thread, as Ctrl-C does: `KeyboardInterrupt` in training.

    A program that a shell has put into the background ignores interrupts, W&B's own included.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        _log.warning(
            "The run should stop, but this process ignores interrupts, as what a shell starts in "
            "the background does. It goes on. Next: pass on_stop=, or a stop_fn in W&B's settings."
        )
        return
    ident = threading.main_thread().ident
    if platform.system() == "Windows" or ident is None:
        signal.raise_signal(signal.SIGINT)
    else:
        signal.pthread_kill(ident, signal.SIGINT)


def stop_run(path: str, *, api: Any = None) -> None:
    """Ask a run to stop, from anywhere: `entity/project/run_id`.

    The training process learns it within about 30 seconds and gets what the Stop button would
    give it. A run that has ended is left as it is.

    Raises:
        wandb.errors.CommError: there is no such run, or the server could not be reached.
    """
    import wandb

    run = (api or wandb.Api()).run(path)
    run.load(force=True)  # an Api object remembers the state of runs that it has seen
    if run.state in ("running", "pending", "preempting"):
        run.stop()
    else:
        _log.info("%s is %s already", path, run.state)
