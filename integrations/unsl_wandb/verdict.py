"""A gate's verdict where W&B's automations look: aliases and metadata of artifacts.

The project has an artifact `unsl-gate` of a type of that name, whose newest version is the last
verdict. The newest version of each law (`scaling-law`) of that metric that was fitted to the
runs in question has it too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from unsl_tracking.runs.verdict import Verdict
from unsl_wandb.client import Connection
from unsl_wandb.home import Item, Place, of_sdk, place_of, write_home
from unsl_wandb.law_artifact import LAW

GATE: Final = "unsl-gate"
_COLLECTIONS: Final = """
query UnslArtifacts($entity: String!, $project: String!, $type: String!) {
  project(name: $project, entityName: $entity) {
    artifactType(name: $type) { artifactCollections(first: 100) { edges { node { name } } } }
  }
}"""


def set_verdict(
    connection: Connection, experiment: str, run_ids: Sequence[str], verdict: Verdict
) -> tuple[str, ...]:
    """Put the verdict on the project and on the laws of these runs; names of what has it.

    Raises `NotFound` when there is no such project. Writing the same again changes nothing.
    """
    place = place_of(connection, experiment)
    content = {"verdict": verdict.word, **verdict.tags}
    gate = Item(
        name=GATE,
        type=GATE,
        description="The last verdict of `unsl gate`.",
        files={"verdict.json": json.dumps(content, indent=1, sort_keys=True).encode()},
        metadata=content,
        aliases=(verdict.alias,),
    )
    write_home(connection, place, artifacts=[gate])
    names = [experiment]
    try:
        _mark(_newest(connection, place, GATE), verdict, content)
        for artifact in _laws_of(connection, place, run_ids, verdict.metrics):
            _mark(artifact, verdict, content)
            names.append(f"{artifact.collection.name}:{artifact.version}")
    except Exception as failure:
        doing = f"put a verdict on the artifacts of project {place.project!r}"
        raise of_sdk(connection, doing, failure) from failure
    return tuple(names)


def _laws_of(
    connection: Connection, place: Place, run_ids: Sequence[str], metrics: Sequence[str]
) -> Iterator[Any]:
    """The newest version of every law of these metrics that was fitted to one of these runs."""
    variables = {**place._asdict(), "type": LAW}
    data = connection.query(_COLLECTIONS, variables, f"list the laws of {place.project!r}")
    kind = (data.get("project") or {}).get("artifactType") or {}
    edges = (kind.get("artifactCollections") or {}).get("edges") or ()
    wanted = set(run_ids)
    for name in sorted(str(edge["node"]["name"]) for edge in edges):
        artifact = _newest(connection, place, name)
        if metrics and artifact.metadata.get("metric") not in metrics:
            continue
        if wanted.intersection(artifact.metadata.get("runs") or ()):
            yield artifact


def _newest(connection: Connection, place: Place, name: str) -> Any:
    return connection.sdk_api().artifact(f"{'/'.join(place)}/{name}:latest")


def _mark(artifact: Any, verdict: Verdict, content: Mapping[str, str]) -> None:
    """Give it the verdict's alias and metadata. The user's own of both stay.

    An alias belongs to one version of a collection, so setting it takes it from an older one; those
    that say something else are taken from whichever version has them.
    """
    _take_away(artifact, verdict.other_aliases)
    aliases = [alias for alias in artifact.aliases if alias not in verdict.other_aliases]
    aliases += [] if verdict.alias in aliases else [verdict.alias]
    said = {name: str(text) for name, text in content.items()}
    old = {k: v for k, v in artifact.metadata.items() if not k.startswith("unsl.gate")}
    metadata = {**old, **said}
    if set(aliases) != set(artifact.aliases) or metadata != dict(artifact.metadata):
        artifact.aliases, artifact.metadata = aliases, metadata
        artifact.save()


def _take_away(artifact: Any, aliases: Sequence[str]) -> None:
    """From older versions; W&B keeps them there when a newer one is logged."""
    for older in artifact.collection.artifacts():
        stays = [alias for alias in older.aliases if alias not in aliases]
        if older.version != artifact.version and len(stays) < len(older.aliases):
            older.aliases = stays
            older.save()
