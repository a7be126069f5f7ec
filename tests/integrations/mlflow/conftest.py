"""MLflow as a user runs it: a sqlite file, a real server, and a proxy that makes it misbehave."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

Row = tuple[float, int, int]
NOTE = "mlflow.note.content"


class User:
    """What training code and people do, through MLflow's own client."""

    def __init__(
        self, uri: str, *, database: Path | None = None, artifacts: Path | None = None
    ) -> None:
        from mlflow import MlflowClient

        self.client = MlflowClient(tracking_uri=uri)
        self.database = database
        self.artifacts = artifacts

    def new_experiment(self, name: str) -> None:
        folder = self.artifacts.joinpath(uuid.uuid4().hex).as_uri() if self.artifacts else None
        self.client.create_experiment(name, artifact_location=folder)

    def new_run(
        self,
        experiment: str,
        *,
        name: str = "",
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        from mlflow.entities import Param

        found = self.client.get_experiment_by_name(experiment)
        assert found is not None
        run = self.client.create_run(found.experiment_id, run_name=name, tags=dict(tags or {}))
        all_params = [Param(key, str(value)) for key, value in (params or {}).items()]
        self.client.log_batch(run.info.run_id, params=all_params)
        return str(run.info.run_id)

    def log(self, run_id: str, metric: str, rows: Sequence[Row]) -> None:
        from mlflow.entities import Metric

        all_rows = [Metric(metric, value, timestamp, step) for value, step, timestamp in rows]
        self.client.log_batch(run_id, metrics=all_rows)

    def insert(self, run_id: str, metric: str, rows: Sequence[Row]) -> None:
        """As `log`, past the server: for more rows than a test has time to send."""
        assert self.database
        columns = "(key, run_uuid, is_nan, value, step, timestamp)"
        found = [(metric, run_id, 0, *row) for row in rows]
        with contextlib.closing(sqlite3.connect(self.database)) as opened, opened:
            for table, some in (("metrics", found), ("latest_metrics", found[-1:])):
                opened.executemany(f"insert into {table} {columns} values (?,?,?,?,?,?)", some)

    def finish(self, run_id: str, status: str = "FINISHED") -> None:
        self.client.set_terminated(run_id, status)

    def resume(self, run_id: str) -> None:
        self.client.update_run(run_id, status="RUNNING")

    def delete(self, run_id: str) -> None:
        self.client.delete_run(run_id)

    def read_note(self, run_id: str) -> str:
        return str(self.client.get_run(run_id).data.tags.get(NOTE, ""))

    def write_note(self, run_id: str, text: str) -> None:
        self.client.set_tag(run_id, NOTE, text)

    def files(self, run_id: str) -> list[str]:
        found: list[str] = []
        folders: list[str | None] = [None]
        while folders:
            for file in self.client.list_artifacts(run_id, folders.pop()):
                (folders if file.is_dir else found).append(file.path)
        return found


@dataclass
class Server:
    """A real `mlflow server` in a process of its own."""

    folder: Path
    port: int = field(default_factory=lambda: free_port())
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1"]
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        self.wait()

    def wait(self, seconds: float = 90.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(OSError, urllib.error.URLError):
                urllib.request.urlopen(self.uri + "/health", timeout=1).close()
                return
            assert self.process and self.process.poll() is None, self.log()
            time.sleep(0.05)
        raise AssertionError(self.log())

    def log(self) -> str:
        return (self.folder / "server.log").read_text()[-3000:]

    def kill(self) -> None:
        """As the power button would: the server and its workers, without a word."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, 9)
            self.process.wait(60)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Fault:
    """What the proxy does instead of passing a request on."""

    part: str
    """Of the paths that it concerns."""
    times: float
    status: int = 0
    """Of the answer; 0 closes the connection, -1 closes it halfway through the server's answer."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    method: str = ""
    then: Callable[[], None] = lambda: None


class Proxy:
    """Stands in front of a server and makes it slow or faulty."""

    def __init__(self, target: str) -> None:
        self.host = target.removeprefix("http://")
        self.delay = 0.0
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.lock = threading.Lock()
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.http.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def fail(self, part: str, *, times: float = float("inf"), **how: Any) -> None:
        """Do `how` (see `Fault`) to the next requests that have `part` in their path."""
        self.faults.append(Fault(part, times, **how))

    def count(self, part: str) -> int:
        """How many requests had this in their path."""
        return sum(part in path for _, path in self.requests)

    def fault_for(self, method: str, path: str) -> Fault | None:
        with self.lock:
            self.requests.append((method, path))
            for fault in self.faults:
                if fault.times > 0 and fault.part in path and fault.method in ("", method):
                    fault.times -= 1
                    return fault
        return None

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if self.raw_requestline and self.parse_request():
                    self.forward()
                self.close_connection = True

            def forward(self) -> None:
                fault = proxy.fault_for(self.command, self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                time.sleep(proxy.delay)
                if fault:
                    fault.then()
                if fault and fault.status == 0:
                    return
                if fault and fault.status > 0:
                    self.reply(fault.status, fault.headers, fault.body)
                    return
                to = HTTPConnection(proxy.host, timeout=60)
                to.request(self.command, self.path, body, dict(self.headers))
                answer = to.getresponse()
                kind = {"Content-Type": answer.headers.get("Content-Type", "")}
                content = answer.read()
                to.close()
                self.reply(answer.status, kind, content, cut=fault is not None)

            def reply(
                self, status: int, headers: Mapping[str, str], body: bytes, *, cut: bool = False
            ) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if cut else body)

            def log_message(self, *arguments: Any) -> None:
                pass

        return Handler


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store, made once: MLflow takes seconds for its migrations."""
    pytest.importorskip("mlflow")
    from mlflow import MlflowClient

    file = tmp_path_factory.mktemp("template") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture
def database(template: Path, tmp_path: Path) -> Path:
    """A sqlite store of this test's own."""
    return Path(shutil.copy(template, tmp_path / "mlflow.db"))


@pytest.fixture
def sqlite_uri(database: Path) -> str:
    return f"sqlite:///{database}"


@pytest.fixture
def sqlite_user(sqlite_uri: str, database: Path, tmp_path: Path) -> User:
    return User(sqlite_uri, database=database, artifacts=tmp_path / "artifacts")


@pytest.fixture(scope="session")
def shared_server(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(template, folder / "mlflow.db")
    server = Server(folder)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """A server without experiments but the default one."""
    client = User(shared_server.uri).client
    for experiment in client.search_experiments():
        if experiment.experiment_id != "0":
            client.rename_experiment(experiment.experiment_id, uuid.uuid4().hex)
            client.delete_experiment(experiment.experiment_id)
    return shared_server


@pytest.fixture
def server_user(server: Server) -> User:
    return User(server.uri, database=server.folder / "mlflow.db")


@pytest.fixture
def own_server(database: Path) -> Iterator[Server]:
    """A server on this test's store, which the test starts, and may kill."""
    server = Server(database.parent)
    yield server
    server.kill()


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    proxy = Proxy(server.uri)
    yield proxy
    proxy.close()


@pytest.fixture
def own_proxy(own_server: Server) -> Iterator[Proxy]:
    """In front of the server that the test may kill."""
    proxy = Proxy(own_server.uri)
    yield proxy
    proxy.close()
