"""Laws as strict JSON, and back. No pickle: a stored law may come from anywhere."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from unsl_tracking.errors import DataError
from unsl_tracking.fit import Component, Member, Mixture, Rung
from unsl_tracking.forecast.cautions import ForecastWarning
from unsl_tracking.forecast.incremental import Searched
from unsl_tracking.forecast.metric_scale import MetricScale
from unsl_tracking.law import Form
from unsl_tracking.runs.axes import Axis

SCHEMA = "unsl-law/1"


def dump(law: Mapping[str, Any]) -> str:
    """JSON of the fields of a `FittedLaw`."""
    frame: pd.DataFrame = law["data"]
    document = {
        "schema": SCHEMA,
        "axes": [{"name": a.name, "source": a.source, "kind": a.kind} for a in law["axes"]],
        "value": law["value"],
        "mode": law["scale"].mode,
        "ceiling": law["scale"].ceiling,
        "run": law["run"],
        "forms": None if law["forms"] is None else [f.to_dict() for f in law["forms"]],
        "seed": law["seed"],
        "data": [{"column": str(c), "values": frame[c].tolist()} for c in frame.columns],
        "notes": [w.to_dict() for w in law["notes"]],
        "mixture": _mixture_out(law["mixture"]),
    }
    if law["long"]:  # laws without long curves are written as before these were told apart
        document["long"] = sorted(law["long"])
    searched: Searched = law["searched"]
    document["searched"] = {
        "evidence": searched.evidence,
        "reached": searched.reached.tolist(),
        "spans": searched.spans.tolist(),
    }
    return json.dumps(document, allow_nan=False, sort_keys=True)


def load(text: str) -> dict[str, Any]:
    """The fields of a `FittedLaw`.

    Raises:
        DataError: not JSON, another schema, a missing part, or parts that do not fit together.
    """
    try:
        raw = json.loads(text, parse_constant=_no_constant)
        if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
            found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
            raise DataError(
                f"a stored law has the schema {SCHEMA}",
                got=found,
                next_step="Write it with FittedLaw.to_json of this version.",
            )
        return _consistent(raw) | {
            "axes": tuple(Axis(a["name"], a["source"], a["kind"]) for a in raw["axes"]),
            "scale": MetricScale(raw["mode"], raw["ceiling"]),
            "forms": None
            if raw["forms"] is None
            else tuple(Form.from_dict(f) for f in raw["forms"]),
            "data": pd.DataFrame({c["column"]: c["values"] for c in raw["data"]}),
            "notes": tuple(ForecastWarning(**w) for w in raw["notes"]),
            "mixture": _mixture_in(raw["mixture"]),
            "long": frozenset(raw.get("long", ())),
            "searched": _searched_in(raw["searched"]),
        }
    except DataError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DataError("a stored law is complete JSON", got=f"{error}"[:200]) from error


def _searched_in(raw: Mapping[str, Any]) -> Searched:
    return Searched(
        float(raw["evidence"]),
        np.array(raw["reached"], dtype=float),
        np.array(raw["spans"], dtype=float),
    )


def _mixture_out(mixture: Mixture) -> dict[str, object]:
    # Laws that no backtest has recalibrated are written as before there were backtests.
    width = {} if mixture.width == 1.0 else {"width": mixture.width}
    return width | {
        "horizon": _number_out(mixture.horizon),
        "origin_errors": list(mixture.origin_errors),
        "highest": mixture.highest.tolist(),
        "lowest": mixture.lowest.tolist(),
        "directions": mixture.directions.tolist(),
        "reached": mixture.reached.tolist(),
        "scale": mixture.scale.tolist(),
        "steepness": min(mixture.steepness, np.finfo(float).max),
        "unscheduled": mixture.unscheduled,
        "members": [_member_out(m) for m in mixture.members],
    }


def _member_out(member: Member) -> dict[str, object]:
    c = member.component
    return {
        "form": c.form.to_dict(),
        "share": member.rung.share,
        "window": member.rung.window,
        "weight": member.weight,
        "origin_errors": list(member.origin_errors),
        "theta": c.theta.tolist(),
        "covariance": c.covariance.tolist(),
        "sigma": c.sigma,
        "centre": c.centre.tolist(),
        "prior_sd": c.prior_sd.tolist(),
        "cost": c.cost,
        "converged": c.converged,
    }


def _mixture_in(raw: Mapping[str, Any]) -> Mixture:
    return Mixture(
        members=tuple(_member_in(m) for m in raw["members"]),
        origin_errors=tuple(map(float, raw["origin_errors"])),
        horizon=math.nan if raw["horizon"] is None else float(raw["horizon"]),
        highest=np.array(raw["highest"], dtype=float),
        lowest=np.array(raw["lowest"], dtype=float),
        directions=np.array(raw["directions"], dtype=float),
        reached=np.array(raw["reached"], dtype=float),
        scale=np.array(raw["scale"], dtype=bool),
        steepness=float(raw["steepness"]),
        width=float(raw.get("width", 1.0)),
        unscheduled=raw["unscheduled"],
    )


def _member_in(raw: Mapping[str, Any]) -> Member:
    form = Form.from_dict(raw["form"])
    arrays = {
        n: np.array(raw[n], dtype=float) for n in ("theta", "covariance", "centre", "prior_sd")
    }
    p = len(form.parameters)
    shapes = {"theta": (p,), "covariance": (p, p), "prior_sd": (p,)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise DataError(f"{name} of {form.name} has the shape {shape}", got=arrays[name].shape)
    component = Component(
        form=form,
        sigma=float(raw["sigma"]),
        cost=float(raw["cost"]),
        converged=bool(raw["converged"]),
        **arrays,
    )
    rung = Rung(form, float(raw["share"]), raw["window"])
    return Member(rung, component, float(raw["weight"]), tuple(map(float, raw["origin_errors"])))


def _consistent(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Names and seed; refuses a document whose parts contradict each other."""
    axes = [a["name"] for a in raw["axes"]]
    run = [] if raw["run"] is None else [raw["run"]]
    mixture = raw["mixture"]
    columns = {c["column"]: c["values"] for c in raw["data"]}
    weights = [m["weight"] for m in mixture["members"]]
    rules = {
        "names are text": all(isinstance(n, str) for n in [*axes, raw["value"], *run]),
        "the mode is min or max": raw["mode"] in ("min", "max"),
        "a law to maximise has a ceiling": (raw["mode"] == "max") == (raw["ceiling"] is not None),
        "the data hold every axis and the metric": {*axes, raw["value"], *run} <= set(columns),
        "columns are equally long": len({len(c) for c in columns.values()}) == 1,
        "the seed is an integer ≥ 0": type(raw["seed"]) is int and raw["seed"] >= 0,
        "long curves are named": isinstance(raw.get("long", []), list)
        and all(isinstance(n, str) for n in raw.get("long", [])),
        "forms are given or left out": raw["forms"] is None or len(raw["forms"]) > 0,
        "weights sum to one": min(weights) >= 0.0 and abs(math.fsum(weights) - 1.0) < 1e-9,
        "bounds are given per axis": all(
            np.shape(mixture[part]) == (len(axes),) for part in ("highest", "lowest", "scale")
        ),
        "directions are over the axes": np.shape(mixture["directions"])
        == (len(mixture["reached"]), len(axes)),
        "what was searched is over the directions": np.shape(raw["searched"]["reached"])
        == np.shape(raw["searched"]["spans"])
        == np.shape(mixture["reached"]),
        "the steepness is a number ≥ 0": type(steep := mixture["steepness"]) in (int, float)
        and steep >= 0.0,
        "a law is along a schedule or not": type(mixture["unscheduled"]) is bool,
        "the width is a positive factor": type(width := mixture.get("width", 1.0)) in (int, float)
        and 0.0 < width < 1e6,
        "axes are positive": all(min(columns[a], default=1.0) > 0.0 for a in axes),
        "members are over the axes": all(
            m["form"]["axes"] == axes and len(m["centre"]) == len(axes) for m in mixture["members"]
        ),
        "noise and shares are positive": all(
            m["sigma"] > 0.0 and m["share"] > 0.0 and (m["window"] is None or m["window"] > 0.0)
            for m in mixture["members"]
        ),
    }
    for rule, holds in rules.items():
        if not holds:
            raise DataError(f"in a stored law {rule}")
    return {name: raw[name] for name in ("value", "run", "seed")}


def _no_constant(name: str) -> float:
    raise DataError("a stored law holds finite numbers", got=name)


def _number_out(value: float) -> float | None:
    return None if math.isnan(value) else value
