"""Finding the adapter behind a word (`mlflow`) or an address (`sqlite:///runs.db`).

Adapters announce themselves by the entry point group `unsl_tracking.trackers`; the core imports
none of them by name. An adapter is called with a URI, or with nothing for its own default (for
MLflow the environment variable MLFLOW_TRACKING_URI).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Final, NamedTuple

from unsl_tracking.errors import DataError, MissingDependency, UnslError
from unsl_tracking.runs import MemoryTracker, Tracker

GROUP: Final = "unsl_tracking.trackers"
_DEFAULT: Final = "mlflow"
"""Who answers for http://, https:// and database addresses that name no tracker."""

_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9.+-]*):(?P<rest>.*)", re.DOTALL)
_EXTRAS: Final = {"mlflow": "mlflow", "wandb": "wandb", "wandb-offline": "wandb"}
"""Adapters that come with this distribution, and the extra that each needs."""

Factory = Callable[..., Tracker]


class Plugin(NamedTuple):
    """Where an adapter says it is (`package.module:Class`), and how to import it."""

    place: str
    load: Callable[[], Factory]


@lru_cache(maxsize=1)
def tracker_plugins() -> Mapping[str, Plugin]:
    """Known words and their adapters, which are imported only when one is asked for."""
    found = {"memory": Plugin("unsl_tracking.runs:MemoryTracker", lambda: MemoryTracker)}
    for point in sorted(entry_points(group=GROUP), key=lambda each: (each.name, each.value)):
        known = found.get(point.name)
        if known is None:
            found[point.name] = Plugin(point.value, point.load)
        elif point.name != "memory" and known.place != point.value:
            warnings.warn(
                f"two tracker plugins are called {point.name!r}: {known.place} is used, "
                f"{point.value} is not",
                stacklevel=2,
            )
    return found


def open_tracker(address: str) -> Tracker:
    """The tracker at a word or an address. Raises `DataError`, `MissingDependency`, `TrackerError`.

    `mlflow` is the tracker's own default place, `sqlite:///x.db` and `http://host:5000` are
    MLflow's, `wandb://entity` belongs to the plugin called wandb, `mlflow+http://host` names it.
    """
    plugins = tracker_plugins()
    if address in plugins:
        return _factory(address)()
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise DataError(
            f"A tracker must be one of {', '.join(sorted(plugins))}, or an address",
            got=address,
            next_step=_hint(address),
        )
    word, plus, scheme = found["scheme"].lower().partition("+")
    if word in plugins:
        return _factory(word)(f"{scheme}:{found['rest']}" if plus else address)
    return _factory(_DEFAULT)(address)


def _hint(address: str) -> str:
    if address in _EXTRAS:
        return f"pip install 'unsl-tracking[{_EXTRAS[address]}]'"
    if address.endswith((".db", ".sqlite", ".sqlite3")):
        return f"Write an MLflow database as sqlite:///{address}"
    return "Addresses look like sqlite:///mlflow.db or http://localhost:5000"


def _factory(word: str) -> Factory:
    plugin = tracker_plugins().get(word)
    if plugin is None:
        raise MissingDependency(
            f"The tracker plugin `{word}` must be installed",
            next_step=f"pip install 'unsl-tracking[{_EXTRAS.get(word, word)}]'",
        )
    try:
        return plugin.load()
    except UnslError:
        raise
    except ImportError as error:
        extra = f"pip install 'unsl-tracking[{_EXTRAS[word]}]'" if word in _EXTRAS else ""
        raise MissingDependency(
            f"The tracker plugin `{word}` ({plugin.place}) must be importable",
            got=str(error),
            next_step=extra,
        ) from error
    except Exception as error:
        raise MissingDependency(
            f"The tracker plugin `{word}` ({plugin.place}) must load without an error",
            got=f"{type(error).__name__}: {error}",
            next_step="It is broken: update it or remove it.",
        ) from error
