"""Confirm on a real W&B server what panels, reports, laws and verdicts rely on.

    python -m unsl_wandb.confirm_panels wandb://ENTITY/unsl-confirm

Fits a small ladder that it makes up, and shows it in that project (a minute): a saved view, a
report, artifacts, and one run that holds them. Says for each thing that we rely on whether it
holds, and what to look at. Nothing is deleted: the project may be. Exits with 1 where something
does not hold. Needs `wandb login`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from unsl_tracking.errors import TrackerError
from unsl_tracking.experiment import ExperimentForecast, forecast_experiment
from unsl_tracking.runs.memory import MemoryTracker
from unsl_tracking.runs.verdict import Verdict
from unsl_wandb.home import NAME, place_of, summary_of
from unsl_wandb.panels import VIEW
from unsl_wandb.presets import keep
from unsl_wandb.report import title_of
from unsl_wandb.tracker import WandbTracker
from unsl_wandb.views import REPORT, WORKSPACE, find_view

METRIC: Final = "val_loss"
Check = tuple[str, Callable[[], object]]
LOOK: Final = """To look at:
 - {panels}
   a section "Forecast: val_loss" on top: words, three charts that are empty (no run was attached),
   curves with their ends, and the scaling law with an orange bar at params=1e8.
   The charts look as those in docs/images/wandb-*.png; axes have titles and numbers.
 - {report}
   the same charts below "Forecast"
 - Artifacts tab: scaling-law-val_loss has the alias unsl-no-go; an automation can wait for it.
After `python -m unsl_wandb.confirm_live --keep` in a project, `unsl panels -m loss` there fills the
first three charts."""


GO: Final = Verdict("GO", {"unsl.gate": "GO"})
NO_GO: Final = Verdict("NO-GO", {"unsl.gate": "NO-GO"})


def main() -> int:
    """Run all checks; 1 where one fails."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("address", help="wandb://entity/project; the project may be new")
    options = parser.parse_args()
    tracker = WandbTracker(options.address, patience=30.0)
    project = tracker.experiment
    if not project:
        parser.error("the address must name a project")
    connection = tracker._connection
    connection.sdk_api().create_project(project, connection.entity)
    result = made_up(project)
    pages: dict[str, str] = {}
    failed = 0
    for what, holds in checks(tracker, result, project, pages):
        try:
            good, why = bool(holds()), ""
        except TrackerError as failure:
            good, why = False, f": {failure}"
        failed += not good
        print(f"{'holds ' if good else 'FAILS '} {what}{why}", flush=True)
    print(LOOK.format(**{"panels": "no panels", "report": "no report", **pages}))
    print(f"{failed} failed" if failed else "all hold")
    return 1 if failed else 0


def made_up(project: str) -> ExperimentForecast:
    """A forecast of five runs, the last of which goes on."""
    tracker = MemoryTracker()
    for params in (1e5, 3e5, 1e6, 3e6, 1e7):
        run = tracker.new_run(project, name=f"model {params:g}", params={"params": params})
        steps = [round(20 * 1.6**i) for i in range(6 if params == 1e7 else 11)]
        values = [0.5 + 30 * params**-0.4 + 6 * float(step) ** -0.45 for step in steps]
        tracker.log(run, METRIC, [(v, s, s) for v, s in zip(values, steps, strict=True)])
        if params < 1e7:
            tracker.finish(run)
    axes = ["params", "step"]
    return forecast_experiment(tracker, project, METRIC, axes=axes, at={"params": 1e8})


def checks(
    tracker: WandbTracker, result: ExperimentForecast, project: str, pages: dict[str, str]
) -> Iterator[Check]:
    """What we rely on, in the order in which it can be tried."""
    connection = tracker._connection
    place = place_of(connection, project)
    ids = [run.run.id for run in result.groups[0].runs]

    def published() -> bool:
        pages["panels"] = tracker.publish_panels(result)
        return find_view(connection, place, WORKSPACE, name=VIEW) is not None

    def reported() -> bool:
        pages["report"] = tracker.publish_report(result)
        return find_view(connection, place, REPORT, title=title_of(METRIC)) is not None

    def same() -> bool:
        before = _state(tracker, project)
        again = tracker.publish_panels(result), tracker.publish_report(result)
        return again == (pages["panels"], pages["report"]) and _state(tracker, project) == before

    def marked(verdict: Verdict) -> bool:
        tracker.set_verdict(project, ids, verdict)
        law = connection.sdk_api().artifact(f"{'/'.join(place)}/scaling-law-{METRIC}:latest")
        return verdict.alias in law.aliases and not set(verdict.other_aliases) & set(law.aliases)

    yield "a saved view is made, and found by its name", published
    yield "a report is made, and found by its title", reported
    yield "tables are in the summary of our run", lambda: _has_tables(tracker, project)
    yield "the same again changes nothing", same
    yield (
        "a chart that is there already is not made twice, and has the id entity/name",
        lambda: keep(connection, place.entity, "scaling-law") == _chart_id(tracker),
    )
    yield "our run is not listed among the runs", lambda: not _lists_ours(tracker, project)
    yield "a verdict is an alias of the law", lambda: marked(GO)
    yield "another one takes its place", lambda: marked(NO_GO)
    yield "the same law makes no new version", lambda: tracker.keep_laws(result) == ()


def _has_tables(tracker: WandbTracker, project: str) -> bool:
    connection = tracker._connection
    found = summary_of(connection, place_of(connection, project)).get(f"unsl/{METRIC}/scaling-law")
    return isinstance(found, dict) and found.get("_type") == "table-file"


def _chart_id(tracker: WandbTracker) -> str:
    from unsl_wandb.presets import load

    return f"{tracker._connection.entity}/{load('scaling-law').name}"


def _lists_ours(tracker: WandbTracker, project: str) -> bool:
    return any(run.id.endswith(f"/{NAME}") for run in tracker.runs(project))


def _state(tracker: WandbTracker, project: str) -> list[Any]:
    connection = tracker._connection
    place = place_of(connection, project)
    views = [
        find_view(connection, place, WORKSPACE, name=VIEW),
        find_view(connection, place, REPORT, title=title_of(METRIC)),
    ]
    return [*views, summary_of(connection, place)]


if __name__ == "__main__":
    sys.exit(main())
