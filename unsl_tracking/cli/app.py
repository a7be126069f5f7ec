"""The commands of `unsl`."""

from __future__ import annotations

from typing import Annotated

import typer

from unsl_tracking import __version__
from unsl_tracking.cli.allocate_command import allocate
from unsl_tracking.cli.backtest_command import backtest
from unsl_tracking.cli.demo_command import demo
from unsl_tracking.cli.errors import CleanErrors
from unsl_tracking.cli.forecast_command import forecast
from unsl_tracking.cli.gate_command import gate
from unsl_tracking.cli.next_runs_command import next_runs
from unsl_tracking.cli.panels_command import panels
from unsl_tracking.cli.report_command import report

app = typer.Typer(
    name="unsl",
    cls=CleanErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Forecasts where a training metric will end, at this scale and at larger ones.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"unsl {__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="UNSL_DEBUG", help="Show tracebacks of errors.")
    ] = False,
) -> None:
    """Options before the command."""
    del version, debug  # the one has been dealt with, the other is read by `CleanErrors`


app.command(name="forecast")(forecast)
app.command(name="backtest")(backtest)
app.command(name="report")(report)
app.command(name="gate")(gate)
app.command(name="allocate")(allocate)
app.command(name="next-runs")(next_runs)
app.command(name="panels")(panels)
app.command(name="demo")(demo)
