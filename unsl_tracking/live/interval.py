"""Python's lock, handed over often while a fit runs.

A thread that waits for Python's lock asks for it only after `sys.getswitchinterval()`, 5 ms. A
training thread gives the lock away with every PyTorch operation and every read or write, and would
wait that long to get it back from a fit: measured with small PyTorch steps, 1253 steps a second
alone became 340 during a fit, and 622 at 0.2 ms (0.05 ms: 421), while fits themselves took less
time. So the interval is short while one runs, in the whole process, and then as it was.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

OFTEN: Final = 2e-4  # seconds
_lock = threading.Lock()
_fits = 0
_before = OFTEN


@contextmanager
def switching_often() -> Iterator[None]:
    """Shorten the interval for a block; blocks in several threads may overlap."""
    _enter()
    try:
        yield
    finally:
        _leave()


def forget_fits() -> None:
    """In a forked child no fit runs, whatever ran in its parent."""
    global _lock, _fits
    _lock = threading.Lock()
    if _fits:
        _fits = 1
        _leave()


def _enter() -> None:
    global _fits, _before
    with _lock:
        _fits += 1
        if _fits == 1:
            _before = sys.getswitchinterval()
            if _before > OFTEN:
                sys.setswitchinterval(OFTEN)


def _leave() -> None:
    global _fits
    with _lock:
        _fits -= 1
        ours = abs(sys.getswitchinterval() - OFTEN) < 1e-6  # else somebody has set it meanwhile
        if _fits == 0 and ours:
            sys.setswitchinterval(_before)
