"""Files of a run, wherever its artifacts are kept."""

from __future__ import annotations

import mimetypes
import posixpath
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from unsl_mlflow.client import Connection
from unsl_tracking.errors import NotFound, TrackerError


def write_artifact(connection: Connection, run_id: str, path: str, data: bytes) -> None:
    """Write a file of the run; what was there under that path is replaced."""
    inside = _path_inside(path)
    with connection.calling(f"write {path!r} into run {run_id!r}", writing=True):
        repository = _repository(connection, run_id)
        if _is_served(repository):
            _request(connection, repository, inside, "PUT", data=data)
            return
        with tempfile.TemporaryDirectory(prefix="unsl_mlflow_") as folder:
            file = Path(folder, inside.name)
            file.write_bytes(data)
            parent = str(inside.parent) if inside.parent.name else None
            repository.log_artifact(str(file), artifact_path=parent)


def read_artifact(connection: Connection, run_id: str, path: str) -> bytes:
    """The content of a file of the run. Raises `NotFound` when it has no such file."""
    inside = _path_inside(path)
    with connection.calling(f"read {path!r} of run {run_id!r}"):
        repository = _repository(connection, run_id)
        try:
            if _is_served(repository):
                return _request(connection, repository, inside, "GET")
            with tempfile.TemporaryDirectory(prefix="unsl_mlflow_") as folder:
                # A repository on this machine answers with its own file instead of a copy.
                return Path(repository.download_artifacts(str(inside), folder)).read_bytes()
        except (OSError, TrackerError) as failure:
            # Repositories raise whatever their storage does; what the folder holds settles it.
            if isinstance(failure, ConnectionError) or _has(repository, inside):
                raise
            raise _no_such_file(repository, run_id, path) from failure
        except Exception as failure:
            if getattr(failure, "error_code", "") != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise _no_such_file(repository, run_id, path) from failure


def _repository(connection: Connection, run_id: str) -> Any:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    run = connection.store.get_run(run_id)
    return get_artifact_repository(run.info.artifact_uri, tracking_uri=connection.uri)


def _is_served(repository: Any) -> bool:
    """True when files go through a tracking server, to which we talk with our own patience."""
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

    return isinstance(repository, HttpArtifactRepository)


def _request(
    connection: Connection, repository: Any, path: PurePosixPath, method: str, **content: Any
) -> bytes:
    from mlflow.utils.rest_utils import verify_rest_response

    from unsl_mlflow.rest import Http

    http = Http(repository.artifact_uri, patience=connection.patience)
    endpoint = "/" + quote(str(path))
    if method == "PUT":
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        content["extra_headers"] = {"Content-Type": kind}
    answer = http.request(endpoint, method, **content)
    if answer.status_code >= 400:
        verify_rest_response(answer, endpoint)
    return bytes(answer.content)


def _has(repository: Any, path: PurePosixPath) -> bool:
    parent = str(path.parent) if path.parent.name else None
    return any(file.path == str(path) for file in repository.list_artifacts(parent))


def _no_such_file(repository: Any, run_id: str, path: str) -> NotFound:
    folder = posixpath.dirname(path) or None
    there = ", ".join(file.path for file in repository.list_artifacts(folder)) or "none"
    return NotFound(
        f"The file must be among the artifacts of run {run_id!r}",
        got=path,
        next_step=f"Files there: {there}.",
    )


def _path_inside(path: str) -> PurePosixPath:
    inside = PurePosixPath(path)
    if not inside.name or inside.is_absolute() or ".." in inside.parts or "\\" in path:
        raise TrackerError(
            "An artifact's path must stay inside its run",
            got=path,
            next_step="Use folder/name.ext, without a leading slash and without `..`.",
        )
    return inside
