"""What a forecast of an experiment consists of: groups of runs, each with a law and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from unsl_tracking.experiment.mode import Mode
from unsl_tracking.forecast import FittedLaw
from unsl_tracking.report import Answer, AxisNote, Document
from unsl_tracking.report.document import Array
from unsl_tracking.runs import Run


@dataclass(frozen=True, slots=True)
class RunForecast:
    """Where one run ends. `last_step` is the step of its last logged value of the metric.

    `curve` holds places along the run and values (n,) of a run that the law was not fitted to.
    """

    run: Run
    final: Answer
    last_step: int
    curve: tuple[Array, Array] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A group or a run that is not forecast, and why. `known` is the evidence there is."""

    name: str
    reason: str
    runs: int = 1
    known: Mapping[str, object] = field(default_factory=dict)

    def to_dict(self) -> dict[str, object]:
        """Without what is known, which need not be JSON."""
        return {"name": self.name, "reason": self.reason, "runs": self.runs}


@dataclass(frozen=True, slots=True)
class GroupForecast:
    """Runs that agree on everything but the axes, and the law they share.

    `along` names the axes that grow while a run trains, `target` is the answer at the asked scale.
    """

    key: Mapping[str, str]
    law: FittedLaw
    runs: tuple[RunForecast, ...]
    along: tuple[str, ...]
    axes: tuple[AxisNote, ...]
    target: Answer | None = None

    @property
    def label(self) -> str:
        """`optimizer=adam, arch=gpt`, or "all runs"."""
        return ", ".join(f"{name}={value}" for name, value in self.key.items()) or "all runs"


@dataclass(frozen=True, slots=True)
class ExperimentForecast:
    """Forecasts of every group of an experiment, with an account of how its runs were read.

    `axes` maps each chosen axis to why it is one, `not_axes` each candidate that is not to why not;
    `dropped` holds (what, why) of rows and runs that were left out.
    """

    tracker: str
    experiment: str
    metric: str
    mode: Mode
    mode_why: str
    seed: int
    groups: tuple[GroupForecast, ...]
    refused: tuple[Refused, ...] = ()
    axes: Mapping[str, str] = field(default_factory=dict)
    not_axes: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    dropped: tuple[tuple[str, str], ...] = ()

    def documents(self) -> dict[str, Document]:
        """The document of every forecast run, by run id."""
        from unsl_tracking.experiment.documents import document_of

        return {
            forecast.run.id: document_of(self, group, forecast)
            for group in self.groups
            for forecast in group.runs
        }
