"""The policy of a gate in a file: `unsl.toml`, or `[tool.unsl]` of `pyproject.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from unsl_tracking.decide.policy import GatePolicy
from unsl_tracking.errors import DataError
from unsl_tracking.runs.expression import near_names

OWN: Final = "unsl.toml"
SHARED: Final = "pyproject.toml"
_TABLES: Final = ("gate",)


def find_policy(folder: Path) -> Path | None:
    """`unsl.toml` of the folder, else its `pyproject.toml` where that has a table `[tool.unsl]`."""
    own, shared = folder / OWN, folder / SHARED
    if own.is_file():
        return own
    if shared.is_file() and "unsl" in _mapping(_parsed(shared).get("tool")):
        return shared
    return None


def read_policy(path: Path) -> GatePolicy:
    """The policy in a file. A `pyproject.toml` has it under `[tool.unsl]`, any other file bare.

    Raises:
        DataError: no such file, no TOML, unknown keys, or values that break a rule.
    """
    content = _parsed(path)
    if path.name == SHARED:
        content = _mapping(_mapping(content.get("tool")).get("unsl"))
    for name in content:
        if name not in _TABLES:
            raise DataError(
                f"{path.name} holds the tables {', '.join(_TABLES)}",
                got=name,
                next_step=near_names(name, _TABLES),
            )
    table = content.get("gate")
    if not isinstance(table, Mapping):
        prefix = "tool.unsl." if path.name == SHARED else ""
        raise DataError(f"{path.name} has a table [{prefix}gate]", got=table)
    return GatePolicy.read(table, path.name)


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError("a policy is a file that can be read", got=str(path)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is TOML ({error})", got=str(path)) from error


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
