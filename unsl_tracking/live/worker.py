"""One thread that does the newest thing asked for, and that nobody has to wait for.

Requests coalesce: however often `wake` is called while the task runs, it runs once more. The thread
starts with the first request, is a daemon (a process never hangs on it), starts again if it was
killed, and ends with `stop` or `close`. No clock that can be set is read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

Task = Callable[[bool], float]
"""Called with True when somebody waits for the result (`flush`, `close`); returns the seconds in
which it may have been in the way of other threads."""

_SLICE: Final = 0.1  # seconds; how often a waiter looks whether the thread is still alive


class Worker:
    """Runs `task` on a thread of its own; `failed` gets what the task raises.

    `share` bounds the part of the time in which the task may be in the way of training: after a
    task that says it was for `d` seconds it rests `d (1 / share − 1)`, unless somebody waits.

    `idle` is True where a `wake` would be news: where the task is not about to run, nor the thread
    resting before it does. To read it costs nothing.
    """

    def __init__(
        self, task: Task, failed: Callable[[Exception], None], *, name: str, share: float = 1.0
    ) -> None:
        self._task = task
        self._failed = failed
        self._name = name
        self._rest = 1.0 / share - 1.0
        self.idle = True
        self._asked = threading.Event()
        self._hurry = threading.Event()
        self._done = threading.Condition()
        self._busy = threading.Lock()
        self._wanted = 0  # tickets handed to those who wait
        self._served = 0
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def alive(self) -> bool:
        """True while the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Ask for the task; returns at once."""
        self.idle = False
        if not self._asked.is_set():
            self._asked.set()
        if self._thread is None or not self._thread.is_alive():
            self._start()

    def flush(self, timeout: float) -> bool:
        """Wait until the task has run on all that was there before this call."""
        if self._stopping or threading.current_thread() is self._thread:
            return False
        deadline = time.monotonic() + timeout
        with self._done:
            self._wanted += 1
            ticket = self._wanted
        self._hurry.set()
        while True:
            self.wake()
            if self._thread is None:  # no thread can be had
                return False
            with self._done:
                if self._served >= ticket:
                    return True
                left = deadline - time.monotonic()
                if left <= 0.0:
                    return False
                self._done.wait(min(left, _SLICE))
                if self._served >= ticket:
                    return True

    def stop(self) -> None:
        """End the thread after what it is doing now; returns at once."""
        self._stopping = True
        self._hurry.set()
        self._asked.set()

    def close(self, timeout: float) -> bool:
        """Run the task once more, then end the thread; True if that was within `timeout`."""
        deadline = time.monotonic() + timeout
        flushed = self.flush(timeout) if self.alive or self._asked.is_set() else True
        self.stop()
        thread = self._thread
        if flushed and thread is not None and thread is not threading.current_thread():
            thread.join(max(deadline - time.monotonic(), 0.0))
        return flushed

    def pause(self, timeout: float) -> bool:
        """Wait for the task to end and let none begin before `resume`; False if it goes on."""
        if threading.current_thread() is self._thread:
            return False
        return self._busy.acquire(timeout=timeout)

    def resume(self) -> None:
        """Let tasks begin again, after a `pause` that was True."""
        self._busy.release()

    def _start(self) -> None:
        with self._done:
            if self._stopping or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
            try:
                self._thread.start()
            except RuntimeError as error:  # no more threads, or the interpreter is ending
                self._thread, self.idle = None, True
                self._failed(error)

    def _loop(self) -> None:
        try:
            self._serve()
        finally:
            self.idle = True  # also where the thread was killed: the next `wake` starts another

    def _serve(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            self.idle = True
            if self._stopping:
                return
            self._hurry.clear()
            with self._done:
                ticket = self._wanted
                forced = ticket > self._served
            cost = 0.0
            try:
                with self._busy:
                    cost = self._task(forced)
            except Exception as error:
                self._failed(error)
            with self._done:
                self._served = max(self._served, ticket)
                waiting = self._wanted > self._served
                self._done.notify_all()
            if self._rest > 0.0 and not waiting:
                self._hurry.wait(cost * self._rest)
