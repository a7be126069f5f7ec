"""Ladders of runs whose largest ones are known, from the development tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

# One of several tables of the same runs.
SWEEPS = (
    "epochai_chinchilla__massivetext__chinchilla",
    "llama_3__raw_loss",
    "misfitting__fineweb_c4__transformer",
)
RECIPES = (
    "rw|hparams=base|warmup=short|decay=chinchilla|count=standard|val",
    "rw|hparams=tuned|warmup=short|decay=const|count=standard|val",
)
LOSSES = ("loss:c4_val", "loss:paloma_ptb", "loss:paloma_dolma_100_programing_languages")
CHEAPER = 0.5  # candidates cost at most this share of the target


@dataclass(frozen=True)
class Ladder:
    """`runs`: a row per run with the axes, `loss` and `cost`, cheapest first.

    `target` is the run to forecast; `candidates` are those that cost at most half as much.
    """

    source: str
    name: str
    axes: tuple[str, ...]
    runs: pd.DataFrame
    target: pd.Series

    @property
    def candidates(self) -> pd.DataFrame:
        cheaper = self.runs["cost"] <= CHEAPER * float(self.target["cost"])
        return self.runs[cheaper].reset_index(drop=True)


def ladders(folder: Path) -> Iterator[Ladder]:
    """All of them; a run's cost is 6·params·tokens."""
    table = pd.read_csv(folder / "isoflops.csv")
    table = table[table["outlier"] != 1]
    for group in SWEEPS:
        rows = table[table["group"] == group]
        yield _ladder("isoflops", group.split("__")[0], ("params", "tokens"), rows)
    table = pd.read_csv(folder / "porian_rw.csv")
    for group in RECIPES:
        rows = table[table["group"] == group]
        name = ", ".join(part.split("=")[1] for part in group.split("|")[1:4])
        yield _ladder("porian", name, ("params", "tokens"), rows)
    table = pd.read_csv(folder / "overtraining_c4.csv")
    for metric in LOSSES:
        rows = table[(table["metric"] == metric) & (table["group"] == "c4_original")]
        yield _ladder("c4", metric.removeprefix("loss:"), ("params", "tokens"), rows)
    table = pd.read_csv(folder / "datablations_repeated.csv")
    rows = table[(table["group"] == "main") & (table["metric"] == "val_loss")]
    yield _ladder("datablations", "main", ("params", "tokens", "unique_tokens"), rows)


def _ladder(source: str, name: str, axes: tuple[str, ...], rows: pd.DataFrame) -> Ladder:
    runs = rows[[*axes, "value"]].rename(columns={"value": "loss"}).astype(float)
    runs["cost"] = 6.0 * runs["params"] * runs["tokens"]
    runs = runs.replace([np.inf, -np.inf], np.nan).dropna().drop_duplicates(list(axes))
    runs = runs.sort_values(["cost", *axes]).reset_index(drop=True)
    largest = runs[runs["cost"] >= 0.9 * runs["cost"].max()]
    return Ladder(source, name, axes, runs, largest.loc[largest["loss"].idxmin()])
