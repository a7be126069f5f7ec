"""Options that several commands share: which runs to read, and as what."""

from __future__ import annotations

from typing import Annotated

import typer

READ = "What to read"
ASK = "What to forecast"
DO = "What to do with it"
SUFFIXES = " Numbers may end in k, M, B (or G) or T."

Tracker = Annotated[
    str,
    typer.Argument(
        help="A tracker (mlflow: the server of MLFLOW_TRACKING_URI) or an address such as "
        "sqlite:///mlflow.db, http://localhost:5000 or wandb://entity/project."
    ),
]
Experiment = Annotated[
    str,
    typer.Option(
        "--experiment",
        "-e",
        help="The experiment's name. Not needed where the address names it (wandb://…/project).",
        show_default=False,
        rich_help_panel=READ,
    ),
]
Metric = Annotated[
    str, typer.Option("--metric", "-m", help="The metric's name.", rich_help_panel=READ)
]
Axes = Annotated[
    list[str] | None,
    typer.Option(
        help="Scaling axes: names, or name=source with a source such as metric:tokens_seen or "
        "'batch_size * step'; name\\[kind] says whether it is scale, hyper or repeat. "
        "Detected when left out; then only the ends of finished runs are fitted where the "
        "learning rate falls along runs.",
        rich_help_panel=READ,
    ),
]
Group = Annotated[
    list[str] | None,
    typer.Option(
        help="Keys whose values split the runs into groups; empty for one group.",
        rich_help_panel=READ,
    ),
]
Ignore = Annotated[
    list[str] | None,
    typer.Option(help="Further keys that do not split groups.", rich_help_panel=READ),
]
Filter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        help="Which runs, in the tracker's own language (mlflow: params.optimizer = 'adam', "
        'wandb: {"config.optimizer": "adam"}).',
        rich_help_panel=READ,
    ),
]
Mode = Annotated[
    str | None,
    typer.Option(help="min or max; guessed from the metric's name.", rich_help_panel=READ),
]
Ceiling = Annotated[
    float | None,
    typer.Option(
        help="The best value of a metric to maximise: 100 for percent. 1 when left out.",
        rich_help_panel=READ,
    ),
]
Horizon = Annotated[
    list[str] | None,
    typer.Option(help="Where the runs end: step=100000.", rich_help_panel=ASK),
]
Given = Annotated[
    list[str] | None,
    typer.Option(help="Numbers that a cost names: gpus=64.", rich_help_panel=ASK),
]
Seed = Annotated[int, typer.Option(help="Of the fit.", rich_help_panel=ASK)]
Json = Annotated[
    bool, typer.Option("--json", help="Print JSON and nothing else.", rich_help_panel=DO)
]
