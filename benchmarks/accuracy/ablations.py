"""What each part of the method buys: the same fits without it, on the same sets.

    python -m benchmarks.accuracy.ablations --data DIR --jobs 2

A part is taken out by replacing names in the modules that use them, for one process and one thread,
and put back afterwards. A name that is no longer there is an error, so that no row of the table
silently measures the whole method. docs/method.md discusses the result.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.accuracy import harness, report, scores
from benchmarks.accuracy.harness import Score
from benchmarks.accuracy.manifest import data_folder, read_specs
from benchmarks.accuracy.methods import METHODS, OURS, Answer, answer, distribution_of, heaviest
from benchmarks.accuracy.tables import Problem, only, problems
from unsl_tracking import UnslError
from unsl_tracking.fit import Roles, Rung, ladder
from unsl_tracking.fit.prior import Normal, PriorSettings
from unsl_tracking.law import BrokenPowerLaw, Ceiling, RepeatedData, RepeatedTokens

Keep = Callable[[Rung], Rung | None]


class Name(NamedTuple):
    """A name in a module of `unsl_tracking`, and what it stands for meanwhile."""

    module: str
    name: str
    value: Any


@dataclass(frozen=True)
class Part:
    """One part of the method. `refits` is False where only the forecast changes, not the fit.

    change: another way to come from the whole method's answer to one without the part.
    """

    names: tuple[Name, ...] = ()
    refits: bool = True
    method: str = OURS
    change: Callable[[Answer, Problem], Answer | None] | None = None


def _ladder(keep: Keep) -> Name:
    """The ladder with each rung as `keep` returns it, or without it."""

    def fewer(roles: Roles, n_points: int) -> list[Rung]:
        rungs = ladder(roles, n_points)
        return [kept for r in rungs if (kept := keep(r)) is not None] or rungs[:1]

    return Name("fit.search", "ladder", fewer)


def _without(*terms: type) -> Keep:
    return lambda r: None if any(isinstance(t, terms) for t in r.form.terms) else r


def _breaks(rung: Rung) -> int:
    breaks = [t.breaks for t in rung.form.terms if isinstance(t, BrokenPowerLaw)]
    return max(breaks, default=0)


def _share(names: tuple[str, ...]) -> Keep:
    """Share 1 for forms of these names; for all without any."""
    return lambda r: replace(r, share=1.0) if not names or r.form.name in names else r


def _rms(errors: tuple[float, ...]) -> float:
    return float(np.sqrt(np.mean(np.square(errors))))


def _wide_prior(times: float) -> PriorSettings:
    usual = PriorSettings()
    normals = {f.name: getattr(usual, f.name) for f in fields(usual)}
    wider: dict[str, Any] = {
        k: Normal(n.mean, times * n.sd) if isinstance(n, Normal) else times * n
        for k, n in normals.items()
    }
    return replace(usual, **wider)


def _prior(settings: PriorSettings) -> Name:
    return Name("fit.prior", "PriorSettings", lambda: settings)


def _forecast(**values: float) -> Part:
    names = tuple(Name("forecast.predictive", k, v) for k, v in values.items())
    return Part(names, refits=False)


WHOLE = "the whole method"
CF = "CF alone (M2 on one axis)"
PARTS: Mapping[str, Part] = {
    WHOLE: Part(),
    CF: Part(method="CF"),
    "BNSL / UNSL1 alone": Part(method="UNSL1"),
    "heaviest form, no average": Part(refits=False, change=heaviest),
    "no windows": Part((_ladder(lambda r: r if r.window is None else None),)),
    "no nested starts": Part((Name("fit.search", "_SIMPLER", 0),)),
    "no ceilings": Part((_ladder(_without(Ceiling)),)),
    "no second break": Part((_ladder(lambda r: r if _breaks(r) < 2 else None),)),
    "no breaks": Part((_ladder(lambda r: r if _breaks(r) < 1 else None),)),
    "no repeated-data terms": Part((_ladder(_without(RepeatedData, RepeatedTokens)),)),
    "M3 with share 1": Part((_ladder(_share(("M3",))),)),
    "all shares 1": Part((_ladder(_share(())),)),
    "weights from shares alone": Part((Name("fit.mixture", "_POWER", 0.0),)),
    "rising forms keep their share": Part((Name("fit.mixture", "_RISING", 1.0),)),
    "arithmetic RMS over origins": Part(
        (
            Name("fit.mixture", "typical_error", _rms),
            Name("forecast.predictive", "typical_error", _rms),
        )
    ),
    "latest origin only": Part((Name("fit.origins", "_QUANTILES", (0.85,)),)),
    "sharp tilted breaks": Part(
        (_prior(replace(PriorSettings(), tilted_log_sharpness=Normal(-0.5, 0.7))),)
    ),
    "prior 3 times as wide": Part((_prior(_wide_prior(3.0)),)),
    "squared error, not Huber's": Part((Name("fit.levenberg_marquardt", "HUBER", 1e6),)),
    "no autocorrelation": Part((Name("fit.component", "_FEWEST_FOR_AUTOCORRELATION", 10**9),)),
    "members not drawn together": _forecast(KEPT_APART=1.0),
    "no origin errors (Laplace)": _forecast(WIDTH=0.0, WIDTH_ON_SEVERAL_AXES=0.0),
    "no growth with distance": _forecast(GROWTH=0.0),
    "curves' width on several axes": _forecast(WIDTH_ON_SEVERAL_AXES=1.2),
    "no overfitting term in the width": _forecast(OVERFITTING=0.0),
    "flat curves as open as steep ones": _forecast(UNSEEN_WHEN_FLAT=0.18),
    "no heavy tails": _forecast(TAIL=0.0, NARROW=1.0),
}


@contextmanager
def without(part: Part) -> Iterator[None]:
    """The library without a part.

    Raises:
        UnslError: a name to replace is not there.
    """
    homes = [vars(import_module(f"unsl_tracking.{n.module}")) for n in part.names]
    for home, name in zip(homes, part.names, strict=True):
        if name.name not in home:
            raise UnslError("an ablation replaces names that exist", got=name[:2])
    before = [home[name.name] for home, name in zip(homes, part.names, strict=True)]
    try:
        for home, name in zip(homes, part.names, strict=True):
            home[name.name] = name.value
        yield
    finally:
        for home, name, value in zip(homes, part.names, before, strict=True):
            home[name.name] = value


@dataclass
class Ablated:
    """One problem with the scores without each part, by the part's name."""

    problem: Problem
    scores: dict[str, Score] = field(default_factory=dict)


def solve(problem: Problem, chosen: Sequence[str]) -> Ablated:
    """The problem with the whole method, and without each of the chosen parts."""
    found = Ablated(problem)
    whole = answer(METHODS[OURS], problem)
    for name in dict.fromkeys((WHOLE, *chosen)):
        part = PARTS[name]
        with without(part):
            given = whole if not part.refits else answer(METHODS[part.method], problem)
            if given is not None and part.change is not None:
                given = part.change(given, problem)
            elif given is not None and not part.refits and given.law is not None:
                given = _forecast_again(given, problem)
            if given is not None:
                found.scores[name] = harness.score(name, given, problem)
    return found


def _forecast_again(given: Answer, problem: Problem) -> Answer:
    if given.law is None:
        return given
    distribution = distribution_of(given.law.mixture, problem)
    return replace(given, ln_y=distribution.quantile(0.5), distribution=distribution)


def table(results: Sequence[Ablated], chosen: Sequence[str]) -> pd.DataFrame:
    """A row per part: errors by domain, and over all sets against the whole method."""
    return pd.DataFrame([_row(name, results) for name in dict.fromkeys((WHOLE, *chosen))])


def _row(name: str, results: Sequence[Ablated]) -> dict[str, object]:
    good = [r for r in results if not any(s.refusal for s in r.scores.values())]
    row: dict[str, object] = {"without": name}
    for domain in ("vision", "language", "datablations", "c4 error", "double descent"):
        errors = [r.scores[name].rmsle for r in good if r.problem.domain == domain]
        row[domain] = float(np.mean(errors)) if errors else np.nan
    several = [r for r in good if "multi-axis" in r.problem.tags and CF in r.scores]
    ratios = [r.scores[name].rmsle / r.scores[CF].rmsle for r in several]
    row["× CF"] = report.geometric_mean(ratios)
    mine = [r.scores[name] for r in good]
    pairs = [(r.scores[name], r.scores[WHOLE]) for r in good]
    change, spread = _paired([float(np.log(m.rmsle / u.rmsle)) for m, u in pairs])
    row |= {"× RMSLE": float(np.exp(change)), "±": spread}
    row["log score"] = float(np.mean([s.log_score for s in mine])) if mine else np.nan
    row["change"], row["± "] = _paired([m.log_score - u.log_score for m, u in pairs])
    coverage = report.mean_coverage(mine)
    for level in scores.REPORTED:
        row[f"in {level:.0%}"] = float(coverage[scores.LEVELS.index(level)])
    row["s/fit"] = float(np.mean([s.seconds for s in mine])) if mine else np.nan
    return row


def _paired(differences: Sequence[float]) -> tuple[float, float]:
    """Mean and its standard error over sets."""
    if len(differences) < 2:
        return (float(differences[0]) if differences else np.nan), np.nan
    return float(np.mean(differences)), float(np.std(differences, ddof=1) / len(differences) ** 0.5)


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 when it ran, 2 for a usage error."""
    args = _arguments().parse_args(argv)
    texts = [text.strip().lower() for text in args.parts.split(",")]
    chosen = [n for n in PARTS if any(text in n.lower() for text in texts)] + [CF]
    try:
        found = only(problems(args.data, read_specs(args.data)), args.only)
    except UnslError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    main_sets = [p for p in found if not p.secondary]
    one = partial(solve, chosen=tuple(chosen))
    results = harness.each(main_sets, one, jobs=args.jobs, progress=harness.to_stderr)
    text = report.table(table(results, chosen))
    print(f"{len(results)} main sets, seed 0\n\n{text}")
    if args.out is not None:
        args.out.write_text(f"{text}\n", encoding="utf-8")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy.ablations")
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder [%(default)s]")
    parser.add_argument("--only", default="*", help="sets whose source, domain or name match")
    parser.add_argument(
        "--parts",
        default="",
        help="only parts whose name holds one of these texts, comma-separated",
    )
    parser.add_argument("--jobs", type=int, default=2, help="processes [%(default)s]")
    parser.add_argument("--out", type=Path, help="a file for the table")
    return parser


if __name__ == "__main__":
    sys.exit(main())
