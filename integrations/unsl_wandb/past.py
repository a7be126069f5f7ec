"""The curve of a resumed run goes on: the state of its monitor is a file of the run."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Final

from unsl_tracking import RunMonitor
from unsl_tracking.errors import NotFound
from unsl_wandb.rows import Observation

_WAIT: Final = 30.0  # seconds that a finish or a flush waits for the file
_log = logging.getLogger("unsl_tracking.live")


class Past:
    """Loads the state on a thread of its own; what is logged meanwhile waits, and nobody else.

    Without the state, because there is none or the server is away, the curve begins anew.
    """

    def __init__(self, monitor: RunMonitor, read: Callable[[], bytes]) -> None:
        self._monitor, self._read = monitor, read
        self._lock = threading.Lock()
        self._waiting: list[Observation] | None = []
        self._thread = threading.Thread(target=self._load, name="unsl-past", daemon=True)
        self._thread.start()

    def keep(self, seen: Observation) -> bool:
        """Keep a value for later; False once the past is there, or given up."""
        with self._lock:
            if self._waiting is None:
                return False
            self._waiting.append(seen)
            return True

    def wait(self, timeout: float = _WAIT) -> None:
        """Wait for the past; after the timeout go on without it."""
        self._thread.join(timeout)
        self._go_on()

    def _load(self) -> None:
        try:
            state = json.loads(self._read())
            with self._lock:
                if self._waiting is not None:
                    self._monitor.load_state_dict(state)
        except NotFound:
            _log.info("The resumed run has no curve of unsl_wandb's yet; it begins now.")
        except Exception as error:
            _log.warning(
                "The curve of the resumed run could not be read (%s: %s); it begins anew.",
                *(type(error).__name__, error),
            )
        self._go_on()

    def _go_on(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting or [], None
            for seen in waiting:
                self._monitor.log(seen.step, seen.value, **seen.places)
