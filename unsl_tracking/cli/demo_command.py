"""`unsl demo`: the demo's story on a terminal."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from unsl_tracking.cli.console import err, out, plain, progress_bars, show_table
from unsl_tracking.report import numbers as n

_DIR = Path("unsl-demo")


def demo(
    folder: Annotated[
        Path, typer.Option("--dir", help="Where to keep the runs; made when missing.")
    ] = _DIR,
    seed: Annotated[int, typer.Option(help="Of the networks and of the fit.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few seconds of it, with less to see.")
    ] = False,
) -> None:
    """Train small networks, forecast larger ones, train those too, and compare."""
    from unsl_tracking.demo import full_plan, run_demo, small_plan

    console = out()
    plan = small_plan(seed) if quick else full_plan(seed)
    console.print(
        f"[bold]unsl demo[/]: {n.plural(len(plan.ladder), 'small language model')} learn "
        "Python's own source,\n"
        f"their law forecasts {n.plural(len(plan.larger), 'larger one')}, and then training "
        "shows what comes out.\n"
    )
    with progress_bars() as progress:
        result = run_demo(
            folder,
            seed=seed,
            plan=plan,
            progress=progress,
            say=lambda sentence: err().print(f"[dim]{plain(sentence, 400)}[/]", soft_wrap=True),
        )
    _show(console, result.comparisons)
    count = len(result.comparisons)
    console.print(
        f"\n[bold]{result.inside} of {count}[/] inside the 80% interval; each was forecast before "
        f"its run began.\n{result.seconds:.0f} s, {result.ladder_runs} runs to learn from, "
        f"forecasts written into {n.plural(result.written, 'run')}.\n"
    )
    console.print("Look at them in MLflow:\n")
    console.print(f"  [bold]{plain(_ui_command(result.uri), 2000)}[/]", soft_wrap=True)
    console.print(
        f"\n  then open http://127.0.0.1:5000/#/experiments/{result.experiment_id}, pick a run, "
        "and see its description\n  and its artifact unsl/forecast.html.",
        soft_wrap=True,
    )


def _show(console: Console, comparisons: object) -> None:
    from unsl_tracking.demo import Comparison

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("width", "params", "chars", "steps", "forecast", "80% interval", "actual"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    assert isinstance(comparisons, tuple)
    for each in comparisons:
        assert isinstance(each, Comparison)
        answer = each.answer
        low, high = answer.intervals[0.8]
        decimals = n.digits_for(low, high)
        table.add_row(
            str(each.settings.width),
            n.scale(each.settings.params),
            n.scale(each.settings.train_chars),
            str(each.settings.steps),
            f"[bold blue]{n.metric(answer.median, decimals)}[/]",
            n.interval(low, high),
            "–" if answer.actual is None else f"[bold]{n.metric(answer.actual, decimals)}[/]",
            "[green]inside[/]" if answer.inside(0.8) else "[red]outside[/]",
        )
    console.print("\n[bold]val_loss[/] [dim](nats per character, lower is better)[/]\n")
    show_table(console, table)


def _ui_command(uri: str) -> str:
    """The line that opens the MLflow UI, with the program of this environment."""
    beside = Path(sys.executable).with_name("mlflow.exe" if os.name == "nt" else "mlflow")
    found = shutil.which("mlflow")
    same = found is not None and Path(found).parent == beside.parent
    program = "mlflow" if same or not beside.exists() else shlex.quote(str(beside))
    return f"{program} ui --backend-store-uri {shlex.quote(uri)} --port 5000"
