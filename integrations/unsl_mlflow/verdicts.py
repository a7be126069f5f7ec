"""A gate's verdict on an experiment and on the registered models that its runs produced."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from unsl_mlflow.client import Connection
from unsl_mlflow.reader import find_experiment
from unsl_mlflow.writer import MAX_TEXT
from unsl_tracking.runs.verdict import Verdict

_RUNS_AT_ONCE: Final = 50  # ids in one filter: they travel in an address
_PAGE: Final = 200


def write_verdict(
    connection: Connection, experiment: str, run_ids: Sequence[str], verdict: Verdict
) -> tuple[str, ...]:
    """Tag the experiment; tag and alias the newest version of every model of these runs."""
    found = find_experiment(connection, experiment)
    with connection.calling(f"set tags of experiment {experiment!r}", writing=True):
        from mlflow.entities import ExperimentTag

        for name, value in verdict.tags.items():
            tag = ExperimentTag(name, str(value)[:MAX_TEXT])
            if found.tags.get(name) != tag.value:
                connection.store.set_experiment_tag(str(found.experiment_id), tag)
    with connection.calling("set aliases of registered models", writing=True):
        registry = _registry(connection)
        newest = _newest_versions(registry, run_ids)
        for name, version in newest.items():
            _mark(registry, name, version, verdict)
    return (experiment, *(f"{name}:{version}" for name, version in newest.items()))


def _registry(connection: Connection) -> Any:
    """The model registry beside the tracking store, or where MLFLOW_REGISTRY_URI says."""
    from mlflow.tracking._model_registry.utils import _get_store, _resolve_registry_uri

    uri = _resolve_registry_uri(None, connection.uri)
    return _get_store(uri, connection.uri)


def _newest_versions(registry: Any, run_ids: Sequence[str]) -> dict[str, str]:
    """The newest version of each model that one of the runs produced, by the model's name."""
    newest: dict[str, int] = {}
    for each in _versions(registry, run_ids):
        newest[str(each.name)] = max(newest.get(str(each.name), 0), int(each.version))
    return {name: str(version) for name, version in sorted(newest.items())}


def _versions(registry: Any, run_ids: Sequence[str]) -> Iterator[Any]:
    for start in range(0, len(run_ids), _RUNS_AT_ONCE):
        # Ids are MLflow's own (32 hexadecimal digits); anything else cannot be in a registry.
        some = [f"'{each}'" for each in run_ids[start : start + _RUNS_AT_ONCE] if each.isalnum()]
        token = None
        while some:
            page = registry.search_model_versions(
                filter_string=f"run_id IN ({', '.join(some)})", max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                break


def _mark(registry: Any, name: str, version: str, verdict: Verdict) -> None:
    from mlflow.entities.model_registry import ModelVersionTag

    known = registry.get_model_version(name, version).tags
    for key, value in verdict.tags.items():
        if known.get(key) != str(value)[:MAX_TEXT]:
            registry.set_model_version_tag(
                name, version, ModelVersionTag(key, str(value)[:MAX_TEXT])
            )
    aliases = registry.get_registered_model(name).aliases
    for alias in verdict.other_aliases:
        if alias in aliases:
            registry.delete_registered_model_alias(name, alias)
    # Not set anew where it is there already: pipelines wait for the event of its creation.
    if str(aliases.get(verdict.alias)) != version:
        registry.set_registered_model_alias(name, verdict.alias, version)
