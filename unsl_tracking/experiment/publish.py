"""What a tracker may do beside `Tracker`: show forecasts on pages of its own.

The core finds these methods on the tracker object; which tracker that is, it does not know.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from unsl_tracking.experiment.backtest import ExperimentBacktest
from unsl_tracking.experiment.result import ExperimentForecast


@runtime_checkable
class ShowsPanels(Protocol):
    """A tracker whose project pages can have panels of ours."""

    def publish_panels(
        self, result: ExperimentForecast, tested: ExperimentBacktest | None = None
    ) -> str:
        """Create or update panels that show this forecast; the address of the page.

        The same forecast again changes nothing, and what users have made there stays.
        """


@runtime_checkable
class PublishesReports(Protocol):
    """A tracker that has reports of its own."""

    def publish_report(
        self,
        result: ExperimentForecast,
        tested: ExperimentBacktest | None = None,
        *,
        lead: str = "",
    ) -> str:
        """Create or update a report about this forecast; its address.

        `lead` is markdown for its beginning. The same again changes nothing.
        """


@runtime_checkable
class KeepsLaws(Protocol):
    """A tracker that keeps fitted laws as versions of a thing of its own."""

    def keep_laws(self, result: ExperimentForecast) -> tuple[str, ...]:
        """Keep every group's law and forecasts; names of what had changed since the last time."""
