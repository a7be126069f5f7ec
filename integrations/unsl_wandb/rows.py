"""The rows that calls of `run.log` make, followed from outside.

wandb-core joins calls into rows: `log(data)` ends the row, `log(data, commit=False)` and
`log(data, step=N)` leave it open, a step above the present one ends the row before it, and a call
with a step below the present one is dropped (seen with wandb 0.31.0; a test compares this module
with the rows that the real one writes). Nothing here knows W&B's classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Call(NamedTuple):
    """Where the data of one call went.

    `step` is that of the row, None where the call is dropped; `ends` says that the row is complete.
    """

    step: int | None
    ends: bool


class Steps:
    """Counts `_step` as wandb-core does. `step` is that of the row to come, or the open one."""

    def __init__(self, step: int = 0) -> None:
        self.step = step
        self.open = False  # there is a row that has not ended
        self.explicit = False  # whose step the user gave

    def drops(self, step: int | None) -> bool:
        """Whether a call with this step would be dropped."""
        return step is not None and step < self.step

    def take(self, step: int | None, commit: bool | None) -> Call:
        """Follow one call."""
        if self.drops(step):
            return Call(None, False)
        if step is not None:
            if step > self.step:
                self.explicit = False
            self.step = step
        ends = step is None if commit is None else bool(commit)
        call = Call(self.step, ends)
        self.explicit = not ends and (self.explicit or step is not None)
        self.open = not ends
        self.step += ends
        return call


class Observation(NamedTuple):
    """A value of the metric, at a W&B step and at the places on further axes."""

    step: int
    value: Any
    places: dict[str, Any]


class RowJoin:
    """Picks a metric and axes out of rows, as soon as a row has all of them.

    A row that ends without an axis gets the last value that the axis had, as W&B itself does for
    step metrics; `missing` collects the axes that have had none, for rows that are left out.
    """

    def __init__(self, metric: str, axes: tuple[str, ...] = ()) -> None:
        self.metric, self._axes = metric, axes
        self._row: int | None = None
        self._value: Any = None
        self._new: set[str] = set()  # axes that this row has
        self._known: dict[str, Any] = {}
        self.missing: set[str] = set()

    def take(self, data: Mapping[str, Any], call: Call) -> Iterator[Observation]:
        """The observations that this call completes: none, one, or that of the row before too."""
        if call.step is None:
            return
        if call.step != self._row:
            yield from self.end()
            self._row = call.step
        for name in self._axes:
            if (place := value_of(data, name)) is not None:
                self._known[name] = place
                self._new.add(name)
        if (value := value_of(data, self.metric)) is not None:
            self._value = value
        if self._value is not None and self._new.issuperset(self._axes):
            yield Observation(call.step, self._value, dict(self._known))
            self._value = None
        if call.ends:
            yield from self.end()

    def end(self) -> Iterator[Observation]:
        """The observation of the open row, if it has one."""
        row, value = self._row, self._value
        self._row, self._value, self._new = None, None, set()
        if row is None or value is None:
            return
        if unknown := set(self._axes) - self._known.keys():
            self.missing |= unknown
        else:
            yield Observation(row, value, dict(self._known))


def value_of(data: Mapping[str, Any], name: str) -> Any:
    """The value that W&B shows under this name: `{"val": {"loss": 1}}` is its `val.loss`."""
    if name in data:
        return data[name]
    head, dot, rest = name.partition(".")
    inner = data.get(head) if dot else None
    return value_of(inner, rest) if isinstance(inner, Mapping) else None
