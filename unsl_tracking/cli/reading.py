"""What commands that read an experiment share: axes, the mode, and opening the tracker."""

from __future__ import annotations

import warnings

from unsl_tracking.cli.arguments import split_list
from unsl_tracking.cli.console import err, plain
from unsl_tracking.cli.errors import UsageError
from unsl_tracking.errors import DataError
from unsl_tracking.experiment import Mode, guess_mode, open_tracker
from unsl_tracking.runs import Tracker
from unsl_tracking.runs.axes import Axis, as_axes


def read_axes(axes: list[str] | None) -> tuple[Axis, ...] | None:
    """The axes of `--axes`; None when it was not given. Raises `UsageError`."""
    try:
        return as_axes(split_list(axes)) if axes else None
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
