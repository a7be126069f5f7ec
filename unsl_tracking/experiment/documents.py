"""From a forecast of an experiment to the document and the files of one of its runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import numpy as np

from unsl_tracking._version import __version__
from unsl_tracking.experiment.result import ExperimentForecast, GroupForecast, RunForecast
from unsl_tracking.forecast import FittedLaw
from unsl_tracking.report import (
    DARK,
    LIGHT,
    Answer,
    Band,
    CurvePicture,
    Document,
    Evidence,
    LawNote,
    LawPicture,
    Notice,
    RunNote,
    band_to_end,
    curve_picture,
    law_picture,
    page,
)
from unsl_tracking.report.document import LEVELS, Array

if TYPE_CHECKING:
    from numpy.typing import NDArray

JSON: Final = "unsl/forecast.json"
PNG: Final = "unsl/forecast.png"
HTML: Final = "unsl/forecast.html"

_MOST_SIBLINGS = 60
"""Curves drawn behind a run's own; more of them are only a grey field."""


def answer_at(
    law: FittedLaw,
    name: str,
    point: Mapping[str, float],
    why: str,
    actual: float | None = None,
) -> Answer:
    """The law's forecast at one point, as an answer."""
    forecast = law.predict(dict(point))
    return Answer(
        name=name,
        point=dict(point),
        why=why,
        median=float(forecast.median),
        intervals={level: _pair(forecast.interval(level)) for level in LEVELS},
        actual=actual,
        warnings=tuple(Notice.of(w, name) for w in forecast.warnings if w not in law.warnings),
    )


def document_of(
    result: ExperimentForecast, group: GroupForecast, forecast: RunForecast
) -> Document:
    """Everything said about one run."""
    return group_document(
        result,
        group,
        tuple(a for a in (group.target, forecast.final) if a is not None),
        run=RunNote(
            forecast.run.id,
            forecast.run.name,
            forecast.run.status,
            forecast.last_step,
            forecast.run.url,
        ),
        curve=_band(group, forecast) if group.along else None,
    )


def group_document(
    result: ExperimentForecast,
    group: GroupForecast,
    answers: tuple[Answer, ...],
    *,
    run: RunNote | None = None,
    curve: Band | None = None,
) -> Document:
    """Everything said about a group of runs and these answers of its law."""
    law = group.law
    summary = law.summary()
    return Document(
        metric=result.metric,
        mode=result.mode,
        mode_why=result.mode_why,
        answers=answers,
        evidence=Evidence(
            runs=len(group.runs) if law.run is None else int(law.data[law.run].nunique()),
            points=len(law.data),
            axes=group.axes,
            group=group.key,
            notes=result.notes,
            dropped=result.dropped,
            rows="curves" if group.along else "ends",
        ),
        law=LawNote(
            equation=summary.equation,
            forms=_rows(summary.forms),
            parameters=_rows(summary.parameters),
        ),
        run=run,
        tracker=result.tracker,
        experiment=result.experiment,
        warnings=tuple(Notice.of(warning, "law") for warning in law.warnings),
        curve=curve,
        provenance={
            "unsl_tracking": __version__,
            "numpy": version("numpy"),
            "scipy": version("scipy"),
            "seed": str(result.seed),
        },
    )


def files_of(document: Document, group: GroupForecast, forecast: RunForecast) -> dict[str, bytes]:
    """forecast.json, .png and .html under their artifact paths."""
    from unsl_tracking.report.plots import forecast_png

    law = _law(group, forecast)
    curve = None if document.curve is None else _curve(group, forecast, document.curve)
    light = forecast_png(document, law, curve, palette=LIGHT)
    dark = forecast_png(document, law, curve, palette=DARK)
    html = page(document, light=light, dark=dark)
    return {
        JSON: document.to_json().encode("utf-8"),
        PNG: light,
        HTML: html.encode("utf-8", "replace"),
    }


def _law(group: GroupForecast, forecast: RunForecast) -> LawPicture:
    return law_picture(
        group.law,
        group.target or forecast.final,
        run=forecast.run.id,
        along=group.along[0] if group.along else None,
        run_column=group.law.run,
    )


def _band(group: GroupForecast, forecast: RunForecast) -> Band:
    along = group.along[0]
    return band_to_end(group.law, forecast.final, along, _observed(group, forecast)[0])


def _curve(group: GroupForecast, forecast: RunForecast, band: Band) -> CurvePicture:
    ids = [each.run.id for each in group.runs if each.run.id != forecast.run.id]
    siblings = _curves(group, ids[:_MOST_SIBLINGS])
    return curve_picture(
        group.law,
        forecast.final,
        along=group.along[0],
        observed=_observed(group, forecast),
        siblings=[siblings[run] for run in sorted(siblings)],
        band=band,
    )


def _observed(group: GroupForecast, forecast: RunForecast) -> tuple[Array, Array]:
    if forecast.curve is not None:
        return forecast.curve
    run_id = forecast.run.id
    return _curves(group, [run_id]).get(run_id, (np.empty(0), np.empty(0)))


def _curves(group: GroupForecast, run_ids: Sequence[str]) -> dict[str, tuple[Array, Array]]:
    """Places along each of these runs and its values, by run id."""
    law, along = group.law, group.along[0]
    rows = law.data[law.data[law.run].isin(run_ids)].sort_values(along, kind="stable")
    return {
        str(run): (own[along].to_numpy(dtype=float), own[law.value].to_numpy(dtype=float))
        for run, own in rows.groupby(law.run, sort=False)
    }


def _pair(
    bounds: tuple[NDArray[np.float64] | float, NDArray[np.float64] | float],
) -> tuple[float, float]:
    return float(bounds[0]), float(bounds[1])


def _rows(frame: object) -> tuple[dict[str, object], ...]:
    import pandas as pd

    assert isinstance(frame, pd.DataFrame)
    return tuple({str(k): v for k, v in row.items()} for row in frame.to_dict(orient="records"))
