"""Every error that unsl_tracking raises on purpose.

    UnslError
    ├── DataError (ValueError)            a value, column or name breaks a rule
    │   └── AxisError                     an axis cannot be read, parsed or used
    ├── TooLittleEvidence (ValueError)    refusing to forecast; `.known` says what is there
    ├── TrackerError                      a tracker answered, but not with what was asked for
    │   ├── NotFound (LookupError)        no such experiment, run, metric or artifact
    │   ├── TrackerReadOnly               the store refuses to be written to
    │   └── TrackerUnavailable (ConnectionError)   no answer, after retries
    └── MissingDependency (ImportError)   an extra is not installed

Each message names the rule, the value that broke it and the next step.
"""

from __future__ import annotations

from collections.abc import Mapping

_NOTHING = object()


class UnslError(Exception):
    """Base class. `rule` is what must hold, `got` what was found, `next_step` what to do."""

    def __init__(self, rule: str, *, got: object = _NOTHING, next_step: str = "") -> None:
        self.rule = rule
        self.got = None if got is _NOTHING else got
        self.next_step = next_step
        found = "" if got is _NOTHING else f", but got {got!r}"
        super().__init__(f"{rule}{found}.{f' {next_step}' if next_step else ''}")


class DataError(UnslError, ValueError):
    """A value, column or name breaks a rule."""


class AxisError(DataError):
    """An axis cannot be read, parsed or used."""


class TooLittleEvidence(UnslError, ValueError):
    """Too few points, or too short a span, to forecast honestly. `known` carries what there is."""

    def __init__(
        self,
        rule: str,
        *,
        known: Mapping[str, object],
        got: object = _NOTHING,
        next_step: str = "",
    ) -> None:
        super().__init__(rule, got=got, next_step=next_step)
        self.known = dict(known)


class TrackerError(UnslError):
    """A tracker answered, but not with what was asked for."""


class NotFound(TrackerError, LookupError):
    """No such experiment, run, metric or artifact."""


class TrackerReadOnly(TrackerError):
    """The store refuses to be written to."""


class TrackerUnavailable(TrackerError, ConnectionError):
    """No answer from the tracker, after retries."""


class MissingDependency(UnslError, ImportError):
    """An extra is not installed."""
