"""What there is to score: a manifest in TOML, or tables that say it themselves.

A folder may hold `manifest.toml` (docs/benchmarks.md describes it; development.toml beside this
module is one). Without it, the development manifest is used for the files it names, and every other
`*.csv` speaks for itself: columns `dataset, group, run, metric, value` mean what they say,
`training` marks the small-scale part (1), and all other columns that vary are axes.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.accuracy.splits import Split
from unsl_tracking import DataError

BESIDE = Path(__file__).with_name("development.toml")
KEYS = ("dataset", "group", "run", "metric")
_RESERVED = {*KEYS, "value", "training", "count"}
_NEXT = (
    "The tables do not come with the code: name a folder of CSV files with --data DIR or "
    "UNSL_BENCH_DATA=DIR. One CSV with a column per axis, `value` and `training` is enough; "
    "docs/benchmarks.md says how they may look."
)


@dataclass(frozen=True)
class TableSpec:
    """One way of splitting one file into problems.

    sets: the columns whose values tell laws apart. where: column → value(s) that rows must have.
    metrics: patterns; best: metric pattern → the best possible value, for metrics that rise.
    domains: pattern of the set's name → domain (or one name for all).
    chance: metric pattern → score of guessing; sets not clearly above it go to `domain_at_chance`.
    sample: how many sets to draw per group. companion: a metric of the same rows, for methods that
    predict one metric from another. tags: what targets refer to.
    """

    file: str
    source: str
    axes: tuple[str, ...]
    sets: tuple[str, ...]
    split: Split
    name: str = ""
    domains: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    metrics: tuple[str, ...] = ("*",)
    best: Mapping[str, float] = field(default_factory=dict)
    chance: Mapping[str, float] = field(default_factory=dict)
    domain_at_chance: str = "at chance"
    sample: int | None = None
    companion: str | None = None
    secondary: bool = False
    tags: tuple[str, ...] = ()


def data_folder() -> Path:
    """`UNSL_BENCH_DATA`, else `../shared/data` beside the checkout."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    return Path(os.environ.get("UNSL_BENCH_DATA", beside))


def read_specs(folder: Path) -> list[TableSpec]:
    """Every table of the folder that can be scored.

    Raises:
        DataError: no folder, nothing to score in it, or a manifest that breaks a rule.
    """
    if not folder.is_dir():
        raise DataError("the folder of tables must exist", got=str(folder), next_step=_NEXT)
    own = folder / "manifest.toml"
    specs = list(_parse(own if own.exists() else BESIDE))
    if own.exists():
        return specs
    present = [s for s in specs if (folder / s.file).exists()]
    named = {s.file for s in specs}
    spoken = [describe(p) for p in sorted(folder.glob("*.csv")) if p.name not in named]
    if not present and not spoken:
        raise DataError("there must be a table to score", got=str(folder), next_step=_NEXT)
    return present + spoken


def describe(path: Path) -> TableSpec:
    """The spec of a table without a manifest, from its columns.

    With one axis every run is a curve of its own; with several, a group is one law.
    """
    table = pd.read_csv(path)
    numeric = table.select_dtypes("number")
    axes = tuple(str(c) for c in numeric if c not in _RESERVED and numeric[c].nunique() > 1)
    if not axes or "value" not in table:
        raise DataError("a table has a column `value` and at least one axis", got=path.name)
    keys = [k for k in KEYS if k in table and (k != "run" or len(axes) == 1)]
    given = "training" in table
    split = Split(column="training", train=(1,)) if given else Split(by=axes, top=0.2)
    return TableSpec(path.name, path.stem, axes, tuple(keys), split, domains={"*": path.stem})


def first_match(patterns: Mapping[str, Any], name: str) -> Any:
    """The value of the first pattern that the name matches, else None."""
    return next((v for p, v in patterns.items() if fnmatchcase(name, p)), None)


def _parse(path: Path) -> Iterator[TableSpec]:
    known = {f.name for f in fields(TableSpec)} | {"domain"}
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("table", []):
        if unknown := sorted(set(entry) - known):
            raise DataError(f"a table of {path.name} consists of {sorted(known)}", got=unknown)
        if missing := sorted({"file", "axes", "split"} - set(entry)):
            raise DataError(f"every table of {path.name} has file, axes and split", got=missing)
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()
        }
        values["split"] = Split.read(entry["split"])
        values.setdefault("source", Path(entry["file"]).stem)
        values.setdefault("sets", ("group", "metric"))
        domain = values.pop("domain", values["source"])
        values.setdefault("domains", {"*": domain})
        yield TableSpec(**values)
