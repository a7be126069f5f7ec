"""The charts in `specs/`: Vega-Lite presets that W&B keeps for an entity."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from unsl_wandb.client import Connection
from unsl_wandb.home import of_sdk

SPECS: Final = (
    "run-curves",
    "final-over-steps",
    "doomed-over-steps",
    "predicted-actual",
    "scaling-law",
)
_TITLES: Final = {
    "run-curves": "Forecast: runs and their ends",
    "final-over-steps": "Forecast: final value over steps",
    "doomed-over-steps": "Forecast: P(doomed)",
    "predicted-actual": "Forecast: predicted against actual",
    "scaling-law": "Forecast: scaling law",
}
_PLACE: Final = re.compile(r"\$\{(field|string):([\w-]+)\}")
_THERE: Final = re.compile(r"exist|duplicate|unique|taken", re.IGNORECASE)
"""How a server may say that it has a preset of that name; its content is then the same, because the
name ends in a hash of it."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A spec with the name under which an entity keeps it."""

    spec: str
    text: str

    @property
    def name(self) -> str:
        """`unsl-scaling-law-1a2b3c4d`: the same content, the same name."""
        return f"unsl-{self.spec}-{hashlib.sha256(self.text.encode()).hexdigest()[:8]}"

    def places(self, kind: str) -> set[str]:
        """Names of the fields (`kind` "field") or texts ("string") that a panel has to give."""
        return {name for found, name in _PLACE.findall(self.text) if found == kind}

    def filled(
        self,
        fields: Mapping[str, str],
        strings: Mapping[str, str],
        rows: Sequence[Mapping[str, object]],
    ) -> dict[str, Any]:
        """The spec as it is drawn, with its rows. Raises `KeyError` for a place without a value.

        W&B does this in the browser; we do it to look at the charts.
        """

        def value(found: re.Match[str]) -> str:
            text = (fields if found[1] == "field" else strings)[found[2]]
            return json.dumps(text)[1:-1]

        spec: dict[str, Any] = json.loads(_PLACE.sub(value, self.text))
        return spec | {"data": {"values": [dict(row) for row in rows]}}


def load(spec: str) -> Preset:
    """The preset of a file in `specs/`, in its shortest form."""
    text = (files("unsl_wandb") / "specs" / f"{spec}.json").read_text(encoding="utf-8")
    return Preset(spec, json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")))


def keep(connection: Connection, entity: str, spec: str) -> str:
    """See to it that the entity has the preset; its id, `entity/name`.

    Raises `TrackerError` where it cannot be kept there.
    """
    preset = load(spec)
    try:
        made = connection.sdk_api().create_custom_chart(
            entity=entity,
            name=preset.name,
            display_name=_TITLES[spec],
            spec_type="vega2",
            access="private",
            spec=preset.text,
        )
    except Exception as failure:  # the SDK raises several kinds, without a common base
        if not _THERE.search(str(failure)):
            doing = f"keep the chart {preset.name!r}"
            raise of_sdk(connection, doing, failure) from failure
        made = ""
    # The SDK's docstring promises entity/name; whatever else a server answers is no panel's id.
    return str(made) if str(made).startswith(f"{entity}/") else f"{entity}/{preset.name}"
