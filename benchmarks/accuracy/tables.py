"""From a table to problems: a small-scale part to fit, a large-scale part to be scored on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.accuracy.manifest import TableSpec, first_match
from unsl_tracking import Axis, DataError, UnslError

Array = NDArray[np.float64]
VALUE = "value"
COMPANION = "companion"
FEWEST_TO_FIT = 5
_CLEARLY_ABOVE_CHANCE = 0.05
_SEED = 0  # of the sets that are drawn where a table has too many of them


@dataclass(frozen=True)
class Problem:
    """One law to extrapolate. train and test have a column per axis and the error `value` > 0."""

    source: str
    domain: str
    name: str
    axes: tuple[str, ...]
    train: pd.DataFrame
    test: pd.DataFrame
    tags: tuple[str, ...] = ()
    secondary: bool = False

    @property
    def scale(self) -> tuple[str, ...]:
        """The axes along which one scales up."""
        return tuple(a for a in self.axes if Axis(a).kind != "hyper")

    def log_x(self, part: pd.DataFrame) -> Array:
        """Logs of the axes (n, m)."""
        return np.asarray(np.log(part[list(self.axes)].to_numpy(dtype=float)), dtype=float)

    def log_size(self, part: pd.DataFrame) -> Array:
        """Sum of the logs of the scale axes (n,)."""
        return np.asarray(np.log(part[list(self.scale)].to_numpy(dtype=float)).sum(1), dtype=float)


def problems(folder: Path, specs: Sequence[TableSpec]) -> list[Problem]:
    """Every problem of the tables, in order.

    Raises:
        DataError: a table lacks a column that its spec names.
    """
    found: list[Problem] = []
    for spec in specs:
        found += _of_table(spec, _rows(folder / spec.file, spec))
    return found


def only(found: Sequence[Problem], pattern: str) -> list[Problem]:
    """The problems whose source, domain or name matches.

    Raises:
        UnslError: there are none.
    """
    chosen = [
        p for p in found if any(fnmatchcase(text, pattern) for text in (p.source, p.domain, p.name))
    ]
    if not chosen:
        known = sorted({p.source for p in found} | {p.domain for p in found})
        raise UnslError(
            "--only must match a set", got=pattern, next_step=f"There is {', '.join(known)}."
        )
    return chosen


def _rows(path: Path, spec: TableSpec) -> pd.DataFrame:
    """The rows that count: those the spec selects, with the metric turned into an error."""
    table = pd.read_csv(path)
    by = set(spec.split.by) | ({spec.split.column} if spec.split.column else set())
    needed = {*spec.axes, *spec.sets, *spec.where, *by, VALUE}
    if missing := sorted(needed - set(table.columns)):
        raise DataError(f"{path.name} has the columns its manifest names", got=missing)
    for column, wanted in spec.where.items():
        table = table[table[column].isin(wanted if isinstance(wanted, list) else [wanted])]
    if spec.companion is not None:
        table = _with_companion(table, spec.companion)
    if "metric" in table:
        kept = [first_match({p: True for p in spec.metrics}, str(m)) for m in table["metric"]]
        table = table[np.array([bool(k) for k in kept], dtype=bool)]
        best = table["metric"].map(lambda m: first_match(spec.best, str(m))).astype(float)
        table = table.assign(value=table[VALUE].where(best.isna(), best - table[VALUE]))
    return table.reset_index(drop=True)


def _with_companion(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Adds the column `companion`: another metric of the same run, for what predicts from it."""
    loss = table[table["metric"] == metric].set_index("run")[VALUE]
    return table.assign(**{COMPANION: table["run"].map(loss)})


def _of_table(spec: TableSpec, rows: pd.DataFrame) -> Iterator[Problem]:
    groups: list[tuple[Any, pd.DataFrame]] = [((Path(spec.file).stem,), rows)]
    if spec.sets:
        groups = list(rows.groupby(list(spec.sets), sort=False, dropna=False))
    chosen = _sampled([key for key, _ in groups], spec) if spec.sample else None
    for key, group in groups:
        if chosen is not None and key not in chosen:
            continue
        problem = _problem(spec, " ".join(map(str, key)), group)
        if problem is not None:
            yield problem


def _sampled(keys: list[tuple[object, ...]], spec: TableSpec) -> set[tuple[object, ...]]:
    """At most `sample` sets for every value of the first of the columns that tell sets apart."""
    rng = np.random.default_rng(_SEED)
    chosen: set[tuple[object, ...]] = set()
    for first in dict.fromkeys(k[0] for k in keys):
        mine = [k for k in keys if k[0] == first]
        drawn = rng.choice(len(mine), size=min(spec.sample or 0, len(mine)), replace=False)
        chosen |= {mine[i] for i in drawn}
    return chosen


def _problem(spec: TableSpec, name: str, group: pd.DataFrame) -> Problem | None:
    """One set as a problem; None where nothing can be fitted or scored."""
    numbers = group[[*spec.axes, VALUE]].to_numpy(dtype=float)
    usable = np.isfinite(numbers).all(axis=1) & (numbers > 0.0).all(axis=1)
    ends_well = bool(usable[-1]) if spec.split.score == "last" else True
    group = group[usable]
    if len(group) <= FEWEST_TO_FIT or not ends_well:
        return None
    large = spec.split.large(group)
    if (~large).sum() < FEWEST_TO_FIT or not large.any():
        return None
    columns = [*spec.axes, VALUE, *([COMPANION] if spec.companion else [])]
    train = group.loc[~large, columns].reset_index(drop=True)
    test = group.loc[spec.split.scored(group, large), columns].reset_index(drop=True)
    domain, secondary = _domain(spec, name, group[~large])
    if spec.name:
        name = f"{name}, {spec.name}"
    axes = tuple(a for a in spec.axes if train[a].nunique() > 1)
    if not axes:
        return None
    return Problem(spec.source, domain, name, axes, train, test, spec.tags, secondary)


def _domain(spec: TableSpec, name: str, train: pd.DataFrame) -> tuple[str, bool]:
    """The domain of a set; scores that barely differ from guessing get one of their own."""
    domain = str(first_match(spec.domains, name) or spec.source)
    metric = str(train["metric"].iloc[0]) if "metric" in train else ""
    chance = first_match(spec.chance, metric)
    if chance is None:
        return domain, spec.secondary
    size = np.log(train[list(spec.axes)].to_numpy(dtype=float)).sum(axis=1)
    largest = train.loc[size >= np.quantile(size, 0.75), VALUE]
    score = float(first_match(spec.best, metric) or 0.0) - float(largest.mean())
    if score > chance + _CLEARLY_ABOVE_CHANCE:
        return domain, spec.secondary
    return spec.domain_at_chance, True
