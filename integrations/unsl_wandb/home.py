"""The one run of ours in a project: it holds the tables of charts, and logs our artifacts.

W&B knows artifacts and tables only as something that a run has logged. Users' runs are not touched
for them; so there is a run `unsl-forecasts`, of the job type `unsl`, which `WandbTracker.runs`
leaves out. It is made anew or resumed only where there is something new to write.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from unsl_tracking.errors import NotFound, TrackerError, TrackerUnavailable
from unsl_wandb.client import Connection
from unsl_wandb.failures import short
from unsl_wandb.values import parsed

NAME: Final = "unsl-forecasts"
JOB_TYPE: Final = "unsl"
DIGESTS: Final = "unsl.digests"
_WAIT: Final = 120
"""Seconds for the server to take an artifact, or the end of our run, after which it has failed."""
Table = tuple[list[Any], list[Any]]
"""Columns, and rows of as many values."""
_NOTES: Final = (
    "The forecasts of unsl_tracking for this project: tables of the Forecast panels, and the "
    "artifacts with the fitted laws. It trains nothing. Deleting it does no harm."
)
_LOOK: Final = """
query UnslHome($entity: String!, $project: String!, $run: String!) {
  project(name: $project, entityName: $entity) { name run(name: $run) { id summaryMetrics } }
}"""


class Place(NamedTuple):
    """A project of an entity."""

    entity: str
    project: str


@dataclass(frozen=True, slots=True)
class Item:
    """An artifact to log. Only its files and name make it a new one, not what is said about it."""

    name: str
    type: str
    description: str
    files: Mapping[str, bytes]
    metadata: Mapping[str, object] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its name among the digests."""
        return f"artifact:{self.name}"

    @property
    def digest(self) -> str:
        """Of its files."""
        return digest({path: hashlib.sha256(data).hexdigest() for path, data in self.files.items()})


def place_of(connection: Connection, experiment: str) -> Place:
    """`project` or `entity/project`, with the connection's own entity where there is none."""
    entity, slash, project = experiment.rpartition("/")
    return Place(entity if slash else connection.entity, project)


def is_ours(name: str, job_type: object) -> bool:
    """Whether a run of this id and job type is the one that we keep."""
    return name == NAME and job_type == JOB_TYPE


def summary_of(connection: Connection, place: Place) -> dict[str, Any]:
    """The summary of our run; {} where there is none. Raises `NotFound` for an unknown project."""
    variables = {**place._asdict(), "run": NAME}
    data = connection.query(_LOOK, variables, f"look for our run in project {place.project!r}")
    if data.get("project") is None:
        raise NotFound(
            f"The project must exist at {connection.server}",
            got="/".join(place),
            next_step="Check its name and the entity's, or log a run to it first.",
        )
    return parsed((data["project"].get("run") or {}).get("summaryMetrics"))


def digest(content: object) -> str:
    """The same content, the same digest."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@contextmanager
def open_home(connection: Connection, place: Place) -> Iterator[Any]:
    """The SDK's run, to log with; it is finished afterwards.

    Raises `TrackerError` for whatever the SDK raises, and `TrackerUnavailable` where it was the
    server that did not answer.
    """
    import wandb

    doing = f"write our run in project {place.project!r}"
    settings = wandb.Settings(
        base_url=connection.server,
        api_key=connection.key,
        mode="online",
        console="off",
        silent=True,
        save_code=False,
        disable_git=True,
        x_disable_stats=True,
        x_disable_meta=True,
        init_timeout=60,
        finish_timeout=_WAIT,  # without it, a server that has gone is waited for without end
        finish_timeout_raises=True,
    )
    try:
        run = wandb.init(
            entity=place.entity,
            project=place.project,
            id=NAME,
            name=NAME,
            job_type=JOB_TYPE,
            notes=_NOTES,
            resume="allow",
            reinit="create_new",
            settings=settings,
        )
    except Exception as failure:
        raise of_sdk(connection, doing, failure) from failure
    try:
        try:
            yield run
        finally:
            run.finish()
    except TrackerError:
        raise
    except Exception as failure:
        raise of_sdk(connection, doing, failure) from failure


def write_home(
    connection: Connection,
    place: Place,
    tables: Mapping[str, Table] | None = None,
    artifacts: Sequence[Item] = (),
    marks: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Log tables and artifacts that have changed since the last time; names of those.

    `marks` are digests of other things, to be asked for with `is_marked`.

    Raises `NotFound` for an unknown project, else `TrackerError`.
    """
    before = parsed(summary_of(connection, place).get(DIGESTS))
    now = {name: digest(table) for name, table in (tables or {}).items()}
    now |= {item.key: item.digest for item in artifacts} | dict(marks or {})
    changed = [name for name, value in now.items() if before.get(name) != value]
    if not changed:
        return ()
    with open_home(connection, place) as run:
        _log_tables(run, {name: each for name, each in (tables or {}).items() if name in changed})
        for item in artifacts:
            if item.key in changed:
                _log_artifact(run, item)
        run.summary.update({DIGESTS: json.dumps(before | now, sort_keys=True)})
    return tuple(changed)


def is_marked(connection: Connection, place: Place, marks: Mapping[str, str]) -> bool:
    """Whether these marks were the last ones that were written."""
    known = parsed(summary_of(connection, place).get(DIGESTS))
    return all(known.get(name) == value for name, value in marks.items())


def _log_tables(run: Any, tables: Mapping[str, Table]) -> None:
    import wandb

    if tables:  # one row of the history, whose values W&B also puts into the summary
        run.log(
            {
                name: wandb.Table(columns=columns, data=rows)
                for name, (columns, rows) in tables.items()
            }
        )


def _log_artifact(run: Any, item: Item) -> None:
    import wandb

    artifact = wandb.Artifact(item.name, item.type, item.description, dict(item.metadata))
    for path, data in item.files.items():
        with artifact.new_file(path, mode="wb") as file:
            file.write(data)
    run.log_artifact(artifact, aliases=["latest", *item.aliases]).wait(timeout=_WAIT)


def of_sdk(connection: Connection, doing: str, failure: Exception) -> TrackerError:
    """What the SDK's exception means.

    It tells an outage from a bad key only by its words, so the server is asked: an outage or a bad
    key comes from there.
    """
    try:
        connection.query("query { viewer { id } }", {}, doing)
    except TrackerError as plainer:
        return plainer
    kind = TrackerUnavailable if "timed out" in str(failure).lower() else TrackerError
    return kind(f"W&B at {connection.server} must be able to {doing}", got=short(failure))
