"""The server itself: on a free port of the loopback, and as mortal as a real one."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Sequence
from http.server import ThreadingHTTPServer

from tests.integrations.wandb.server.faults import Fault, Faults
from tests.integrations.wandb.server.graphql import Executor
from tests.integrations.wandb.server.http import handler
from tests.integrations.wandb.server.store import ENTITY, Json, Run, Store

KEY = "0123456789abcdef0123456789abcdef01234567"
"""The only key that is let in. It opens nothing else."""


class WandbServer:
    """Starts at once. `kill` and `start` keep what was stored, and the port.

    Faults: `server.faults.delay = 0.5`, `server.fail("Runs", times=2, status=429, headers={…})`.
    """

    def __init__(self, *, port: int = 0, key: str = KEY) -> None:
        self.key = key
        self.store = Store()
        self.faults = Faults()
        self.executor = Executor()
        self._http: ThreadingHTTPServer | None = None
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.port = port
        self.start()

    @property
    def uri(self) -> str:
        """For WANDB_BASE_URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def unknown_fields(self) -> dict[str, int]:
        """Fields that clients asked for and that are not here (they were answered with null)."""
        return dict(self.executor.unknown)

    def environment(self, folder: object) -> dict[str, str]:
        """Variables for a process that logs here, with everything it writes below `folder`."""
        return {
            "WANDB_BASE_URL": self.uri,
            "WANDB_API_KEY": self.key,
            "WANDB_ENTITY": ENTITY,
            "WANDB_DIR": f"{folder}",
            "WANDB_CACHE_DIR": f"{folder}/cache",
            "WANDB_CONFIG_DIR": f"{folder}/config",
            "WANDB_DATA_DIR": f"{folder}/data",
            "WANDB_ARTIFACT_DIR": f"{folder}/artifacts",
            "WANDB_ERROR_REPORTING": "false",
            "WANDB_SILENT": "true",
            "WANDB_CONSOLE": "off",
            "WANDB_X_DISABLE_STATS": "true",
            "HOME": f"{folder}",
        }

    def fail(self, part: str, *, times: float = float("inf"), **how: object) -> None:
        """Do `how` (see `Fault`) to the next requests whose path or operation has `part`."""
        self.faults.add(Fault(part, times, **how))  # type: ignore[arg-type]

    def count(self, part: str) -> int:
        """How many requests had this in their path or operation."""
        return sum(part in request for request in list(self.faults.requests))

    def run(self, path: str) -> Run:
        """The run at `entity/project/id`."""
        with self.store.lock:
            return self.store.find_run(path)

    def put(
        self,
        project: str,
        name: str,
        rows: Sequence[Json],
        *,
        config: Json | None = None,
        state: str = "finished",
    ) -> Run:
        """A run as if a process had sent these rows, for tests of reading with many of them."""
        with self.store.lock:
            run = self.store.make_run(self.store.make_project(ENTITY, project), name)
            run.write_lines(len(run.lines), [json.dumps(row) for row in rows])
            run.summary = {key: value for row in rows for key, value in row.items()}
            run.config |= {key: {"value": value} for key, value in (config or {}).items()}
            run.state = state
        return run

    def start(self) -> None:
        """Listen, on the same port as before."""
        end = time.monotonic() + 30
        while True:
            try:
                http = ThreadingHTTPServer(("127.0.0.1", self.port), handler(self))
                break
            except OSError:  # somebody's connection still holds the port
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)
        http.daemon_threads = True
        http.block_on_close = False
        self.port = int(http.server_address[1])
        self._http = http
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()

    def kill(self) -> None:
        """Stop listening and cut every open connection."""
        http, self._http = self._http, None
        if http is None:
            return
        http.shutdown()
        http.server_close()
        with self._lock:
            open_now = list(self._connections)
        for connection in open_now:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def opened(self, connection: socket.socket) -> None:
        """Called by the handler."""
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Called by the handler."""
        with self._lock:
            self._connections.discard(connection)
