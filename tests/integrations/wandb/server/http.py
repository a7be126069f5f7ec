"""The routes: GraphQL, the stream of a run's rows, uploads and downloads."""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from tests.integrations.wandb.server.graphql import Query
from tests.integrations.wandb.server.history import parquet
from tests.integrations.wandb.server.mutations import MutationRoot
from tests.integrations.wandb.server.nodes import QueryRoot
from tests.integrations.wandb.server.store import Run, receive

if TYPE_CHECKING:
    from tests.integrations.wandb.server.server import WandbServer

_STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")
_STORAGE = re.compile(r"/storage/(run|blob|parquet)/([^/]+)(?:/(.+))?")


def handler(server: WandbServer) -> type[BaseHTTPRequestHandler]:
    """A handler class of `server`."""

    class Handler(_Handler):
        owner = server

    return Handler


class _Handler(BaseHTTPRequestHandler):
    owner: WandbServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else every small answer waits 40 ms for an acknowledgement
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.owner.opened(self.connection)

    def finish(self) -> None:
        self.owner.closed(self.connection)
        try:
            super().finish()
        except OSError:
            pass  # the client has gone

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError, ValueError, OSError):
            self.close_connection = True  # the client has gone, or we were killed

    def do_POST(self) -> None:
        path, body = urlsplit(self.path).path, self._body()
        query = None
        if path == "/graphql":
            sent = json.loads(body)
            query = Query(sent["query"], sent.get("variables"), sent.get("operationName"))
        if self._is_faulty(path, query.name if query else ""):
            return
        if path.startswith("/sdk/otel/"):  # the SDK's own telemetry
            self._answer(200, b"", kind="application/x-protobuf")
        elif self._key() != self.owner.key:
            self._answer(401, {"errors": [{"message": "invalid API key"}]})
        elif query is not None:
            self._answer(200, self._execute(query))
        elif found := _STREAM.fullmatch(path):
            self._stream([unquote(part) for part in found.groups()], json.loads(body))
        else:
            self._answer(404, {"error": "no such path"})

    def do_PUT(self) -> None:
        path, body = urlsplit(self.path).path, self._body()
        if self._is_faulty(path, ""):
            return
        found = _STORAGE.fullmatch(path)
        store = self.owner.store
        if found is None or found[1] == "parquet":
            self._answer(404, {"error": "no such path"})
            return
        with store.lock:
            if found[1] == "blob":
                store.blobs[found[2]] = body
            else:
                self._run_numbered(found[2]).files[unquote(found[3])] = body
        self._answer(200, b"")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if self._is_faulty(path, ""):
            return
        found = _STORAGE.fullmatch(path)
        store = self.owner.store
        data: bytes | None = None
        with store.lock:
            if found and found[1] == "blob":
                data = store.blobs.get(found[2])
            elif found and found[1] == "run":
                data = self._run_numbered(found[2]).files.get(unquote(found[3]))
            elif found:
                data = parquet(self._run_numbered(found[2]), int(found[3]))
        if data is None:
            self._answer(404, {"error": "no such file"})
            return
        self._send_range(data)

    do_HEAD = do_GET

    def _execute(self, query: Query) -> dict[str, Any]:
        store = self.owner.store
        root_class = MutationRoot if query.is_mutation else QueryRoot
        with store.lock:
            try:
                data = self.owner.executor.run(query, root_class(store, self.owner.uri))
            except Exception as error:
                return {"data": None, "errors": [{"message": str(error), "path": [query.name]}]}
        return {"data": data}

    def _stream(self, path: list[str], sent: Mapping[str, Any]) -> None:
        entity, project, name = path
        store = self.owner.store
        shared = (self.headers.get("X-WANDB-USE-ASYNC-FILESTREAM") or "").lower() == "true"
        with store.lock:
            found = store.project(entity, project)
            run = found.runs.get(name) if found else None
            answer = receive(run, sent, shared=shared) if run else None
        if answer is None:
            self._answer(404, {"error": "run not found"})
        else:
            self._answer(200, answer)

    def _run_numbered(self, number: str) -> Run:
        return next(run for run in self.owner.store.all_runs() if run.number == int(number))

    def _is_faulty(self, path: str, operation: str) -> bool:
        """Wait as long as the server is slow; True when a fault was the answer."""
        faults = self.owner.faults
        fault = faults.next_for(f"{self.command} {path} {operation}".strip())
        time.sleep(faults.delay)
        if fault is None:
            return False
        if fault.status:
            self._answer(fault.status, fault.body, headers=fault.headers)
        self.close_connection = True
        return True

    def _key(self) -> str | None:
        given = self.headers.get("Authorization") or ""
        if not given.startswith("Basic "):
            return None
        return base64.b64decode(given.removeprefix("Basic ")).decode().partition(":")[2]

    def _body(self) -> bytes:
        if (self.headers.get("Transfer-Encoding") or "").lower() == "chunked":
            data = b""
            while size := int(self.rfile.readline().partition(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(data) if self.headers.get("Content-Encoding") == "gzip" else data

    def _send_range(self, data: bytes) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        headers = {"Accept-Ranges": "bytes"}
        if asked is None:
            self._answer(200, data, headers=headers, kind="application/octet-stream")
            return
        first, last = int(asked[1]), min(int(asked[2] or len(data) - 1), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        part = data[first : last + 1]
        self._answer(206, part, headers=headers, kind="application/octet-stream")

    def _answer(
        self,
        status: int,
        content: object,
        *,
        headers: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *arguments: Any) -> None:
        pass
