"""The values in W&B's config, summary and history, as text, numbers and flat names."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

_NOT_JSON: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""JSON has no such numbers; W&B's answers have these words instead, or the bare words."""
INTERNAL: Final = frozenset({"_wandb", "_step", "_timestamp", "_runtime", "wandb_version"})


def number(value: Any) -> float | None:
    """The number that was logged; None for everything else (texts, pictures, tables)."""
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:  # an integer beyond every float
            return math.copysign(math.inf, value)
    return _NOT_JSON.get(value) if isinstance(value, str) else None


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested keys joined by dots; what is no table of values (a picture, a histogram) stays out."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if not isinstance(value, Mapping):
            found[key] = value
        elif "_type" not in value:
            found.update((f"{key}.{inner}", each) for inner, each in flat(value).items())
    return found


def parsed(text: Any) -> dict[str, Any]:
    """A JSON object that came as text; {} for nothing."""
    content = json.loads(text) if isinstance(text, str) and text else text
    return dict(content) if isinstance(content, Mapping) else {}


def config_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The user's config with flat names; the server has `{key: {"value": …, "desc": …}}`."""
    plain = {
        key: each["value"] if isinstance(each, Mapping) and "value" in each else each
        for key, each in sent.items()
        if key not in INTERNAL
    }
    return flat(plain)


def as_text(value: Any) -> str:
    """A config value as a param: text as it is, everything else as Python or JSON writes it."""
    if isinstance(value, (list, Mapping)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def milliseconds(text: Any) -> int | None:
    """A time of the server (`2026-05-01T12:34:56Z`, UTC also without the Z) since 1970."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)
