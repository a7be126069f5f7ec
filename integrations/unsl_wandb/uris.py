"""Addresses: `wandb://entity/project`, and how they are shown."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from unsl_tracking.errors import TrackerError

_HELP = "Write wandb://entity/project, or wandb+http://host:8080/entity/project for another server."
_USERINFO = re.compile(r"(?<=://)[^/\s@]*(?:@[^/\s@]*)*@")
_PAGES = frozenset({"runs", "sweeps", "reports", "reportlist", "table", "workspace", "overview"})
"""What may follow entity and project in an address copied from a browser."""


class Place(NamedTuple):
    """Where to look. None is for what W&B's own settings say: server, default entity."""

    server: str | None = None
    entity: str | None = None
    project: str | None = None


class RunPath(NamedTuple):
    """`entity/project/run`, which is also the id of a `Run` that comes from W&B."""

    entity: str
    project: str
    name: str

    def __str__(self) -> str:
        return "/".join(self)


def read_address(address: str | None) -> Place:
    """The place at an address: None, `wandb://entity/project`, or `https://host/entity/project`.

    Raises `TrackerError` for anything else.
    """
    if not address or address in {"wandb", "wandb:", "wandb://"}:
        return Place()
    parts = urlsplit(address)
    if parts.scheme == "wandb":
        path = unquote(address.partition(":")[2]).strip("/").split("/")
        return _place(None, path, address)
    if parts.scheme in {"http", "https"} and parts.hostname:
        server = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        return _place(server, unquote(parts.path).strip("/").split("/"), address)
    raise TrackerError(
        "A W&B address must name a place", got=without_user(address), next_step=_HELP
    )


def _place(server: str | None, path: list[str], address: str) -> Place:
    names = [part for part in path if part]
    if len(names) > 2 and names[2] in _PAGES:
        names = names[:2]
    if len(names) > 2:
        rule = "A W&B address must end with an entity and a project"
        raise TrackerError(rule, got=without_user(address), next_step=_HELP)
    entity, project = (*names, None, None)[:2]
    return Place(server, entity, project)


def run_path(run_id: str) -> RunPath:
    """The parts of a run's id. Raises `TrackerError` when it is none."""
    parts = run_id.split("/")
    if len(parts) != 3 or not all(parts):
        raise TrackerError("A W&B run's id must be entity/project/run", got=run_id)
    return RunPath(*parts)


def without_user(text: str) -> str:
    """The text with user names and passwords taken out of every address in it."""
    return _USERINFO.sub("", text)
