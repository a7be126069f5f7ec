"""Waiting that ends: what would wait for ever fails instead, and says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

LIMIT = 120.0  # seconds; the machine may be very busy


def until(true: Callable[[], object], limit: float = LIMIT) -> None:
    """Wait until it is true."""
    end = time.monotonic() + limit
    while not true():
        assert time.monotonic() < end, f"waited in vain for {limit:.0f} s"
        time.sleep(0.01)


def at_once(*work: Callable[[], object], limit: float = LIMIT) -> None:
    """Do all of it at once, each on a thread of its own, and wait for the last."""
    threads = [threading.Thread(target=each, daemon=True) for each in work]
    for thread in threads:
        thread.start()
    end = time.monotonic() + limit
    for thread in threads:
        thread.join(max(end - time.monotonic(), 0.0))
    left = sum(thread.is_alive() for thread in threads)
    assert left == 0, f"{left} of {len(threads)} threads had not ended after {limit:.0f} s"
