"""What commands that read an experiment share: what is read, and opening the tracker."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from unsl_tracking.cli.arguments import read_point, split_list
from unsl_tracking.cli.console import err, plain
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.errors import DataError
from unsl_tracking.experiment import (
    ExperimentForecast,
    Mode,
    forecast_experiment,
    guess_mode,
    open_tracker,
)
from unsl_tracking.experiment.reading import Progress
from unsl_tracking.runs import Tracker
from unsl_tracking.runs.axes import Axis, as_axes
from unsl_tracking.runs.names import kind_of


@dataclass(frozen=True)
class Selection:
    """What of an experiment is read, as the options say it."""

    metric: str
    axes: tuple[Axis, ...] | None
    group: list[str] | None
    ignore: list[str]
    mode: Mode
    mode_why: str
    filter: str | None
    ceiling: float | None = None

    @classmethod
    def of(
        cls,
        metric: str,
        axes: list[str] | None,
        group: list[str] | None,
        ignore: list[str] | None,
        mode: str | None,
        filter_: str | None,
        ceiling: float | None = None,
    ) -> Selection:
        """Check the options, before anything is opened. Raises `UsageError`."""
        best, why = read_mode(mode, metric)
        split = None if group is None else split_list(group)
        check_ceiling(ceiling, best)
        return cls(metric, read_axes(axes), split, split_list(ignore), best, why, filter_, ceiling)

    def words(self) -> list[str]:
        """The options that say this again, but for the metric and the mode."""
        told = {
            "--axes": None if self.axes is None else ",".join(map(_as_option, self.axes)),
            "--group": None if self.group is None else ",".join(self.group),
            "--ignore": ",".join(self.ignore) or None,
            "--filter": self.filter,
            "--ceiling": None if self.ceiling is None else f"{self.ceiling:.12g}",
        }
        return [word for name, value in told.items() if value is not None for word in (name, value)]

    def forecast(
        self,
        tracker: Tracker,
        experiment: str,
        *,
        at: Mapping[str, float] | None = None,
        horizon: Mapping[str, float] | None = None,
        seed: int,
        progress: Progress,
    ) -> ExperimentForecast:
        """Read the experiment and fit its laws."""
        return forecast_experiment(
            tracker,
            experiment_in(tracker, experiment),
            self.metric,
            axes=self.axes,
            group_by=self.group,
            ignore=self.ignore,
            at=at,
            horizon=horizon,
            mode=self.mode,
            mode_why=self.mode_why,
            filter=self.filter,
            ceiling=self.ceiling,
            seed=seed,
            progress=progress,
        )


def _as_option(axis: Axis) -> str:
    kind = "" if axis.kind == kind_of(axis.name) else f"[{axis.kind}]"
    return f"{axis.name}{kind}" if axis.source is None else f"{axis.name}{kind}={axis.source}"


def read_axes(axes: list[str] | None) -> tuple[Axis, ...] | None:
    """The axes of `--axes`; None when it was not given. Raises `UsageError`."""
    try:
        return as_axes(split_list(axes)) if axes else None
    except DataError as error:
        raise UsageError.of(error) from error


def read_ends(
    at: list[str] | None, horizon: list[str] | None
) -> tuple[dict[str, float] | None, dict[str, float] | None]:
    """The points of `--at` and `--horizon`. Raises `UsageError`."""
    try:
        return read_point("--at", at), read_point("--horizon", horizon)
    except DataError as error:
        raise UsageError.of(error) from error


def read_mode(asked: str | None, metric: str) -> tuple[Mode, str]:
    """The mode, and why it is that where it was guessed. Raises `UsageError`."""
    if asked is None:
        return guess_mode(metric)
    if asked == "min":
        return "min", ""
    if asked == "max":
        return "max", ""
    raise UsageError("--mode must be min or max", got=asked)


def check_ceiling(ceiling: float | None, mode: Mode) -> None:
    """Raises `UsageError` for a ceiling of a metric to minimise."""
    if ceiling is not None and mode == "min":
        raise UsageError(
            "--ceiling is of a metric to maximise", got=ceiling, next_step="Add --mode max."
        )


def open_at(address: str) -> Tracker:
    """Open the tracker; what plugins warn about goes to stderr in one line each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            tracker = open_tracker(address)
        except DataError as error:
            raise UsageError.of(error) from error
    for warning in caught:
        if issubclass(warning.category, UserWarning):
            err().print(f"[yellow]Warning[/] {plain(warning.message)}")
    return tracker


def experiment_in(tracker: Tracker, asked: str) -> str:
    """The experiment that was asked for, or the one that the tracker's address names.

    Raises `UsageError` where there is neither. An adapter whose addresses can name an experiment
    has it as a property `experiment`.
    """
    named = getattr(tracker, "experiment", None)
    if asked or named:
        return asked or str(named)
    raise UsageError(
        "An experiment must be named",
        got=f"only {tracker.uri}",
        next_step=f"Add --experiment NAME: {', '.join(tracker.experiments()[:20]) or 'none yet'}.",
    )
