"""The template engine behind the pages: everything that came from a run is escaped.

Needs jinja2 (`pip install 'unsl-tracking[report]'`).
"""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import TYPE_CHECKING

from unsl_tracking.errors import MissingDependency
from unsl_tracking.report.palette import Palette

if TYPE_CHECKING:
    from jinja2 import Environment, Template

_COLOUR_FIELDS = tuple(
    field.name for field in dataclasses.fields(Palette) if field.name not in ("band_alphas", "ramp")
)


def template(name: str) -> Template:
    """A template of this folder, by file name."""
    return _environment().get_template(name)


def colours(palette: Palette) -> str:
    """A palette as variables of a style sheet."""
    return "; ".join(f"--{name}: {getattr(palette, name)}" for name in _COLOUR_FIELDS)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError as error:  # pragma: no cover - the minimal-install check runs this
        raise MissingDependency(
            "The HTML page needs jinja2", next_step="pip install 'unsl-tracking[report]'"
        ) from error
    return Environment(
        loader=PackageLoader("unsl_tracking.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def safe(markup: str) -> str:
    """Markup that we wrote ourselves, with every text from a run in it escaped already."""
    from markupsafe import Markup

    return Markup(markup)
