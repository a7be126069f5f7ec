"""What the server does instead of answering, for a while."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """`part` of the operation's name or of the path says which requests it concerns."""

    part: str
    times: float = float("inf")
    status: int = 503
    """Of the answer; 0 closes the connection without one."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"error": "unavailable"}'


class Faults:
    """The faults of a server, and a list of what was asked of it."""

    def __init__(self) -> None:
        self.delay = 0.0
        """Seconds before each answer."""
        self.requests: list[str] = []
        """`POST /graphql Runs`, `PUT /files/…`, in order."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Let it concern the next requests."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Answer everything again."""
        with self._lock:
            self._faults.clear()

    def next_for(self, request: str) -> Fault | None:
        """Note the request; the fault that it meets, if any."""
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times > 0 and fault.part in request:
                    fault.times -= 1
                    return fault
        return None
