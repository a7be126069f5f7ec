"""Fit every method on the small-scale part of every table, score it on the large-scale part."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy import harness, report, targets
from benchmarks.accuracy.manifest import data_folder, read_specs
from benchmarks.accuracy.methods import ALL, NAMES, SLOW
from benchmarks.accuracy.tables import only, problems
from unsl_tracking import UnslError, __version__


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 when it ran, 2 for a usage error. Missed targets are printed, not returned."""
    args = _arguments().parse_args(argv)
    begun = time.perf_counter()
    try:
        chosen = _methods(args.methods, args.slow)
        found = only(problems(args.data, read_specs(args.data)), args.only)
    except UnslError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    results = harness.run(
        found, chosen, jobs=args.jobs, by_width=args.loso, progress=harness.to_stderr
    )
    seconds = time.perf_counter() - begun
    text = _markdown(results, args, seconds)
    print(text)
    if args.out is not None:
        _write(args.out, text, results, args.plots)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    folder = data_folder()
    parser.add_argument("--data", type=Path, default=folder, help="folder of tables [%(default)s]")
    parser.add_argument("--only", default="*", help="sets whose source, domain or name match")
    names = ", ".join(NAMES)
    parser.add_argument("--methods", default="all", help=f"comma-separated, of: {names}")
    parser.add_argument("--slow", action="store_true", help=f"add {', '.join(SLOW)}")
    parser.add_argument("--jobs", type=int, default=2, help="processes [%(default)s]")
    parser.add_argument("--out", type=Path, help="folder for accuracy.md, accuracy.json and plots")
    parser.add_argument("--plots", action="store_true", help="draw every set (needs --out)")
    parser.add_argument("--loso", action="store_true", help="refit the width leaving sources out")
    return parser


def _methods(given: str, slow: bool) -> list[str]:
    names = list(ALL) if given == "all" else [n.strip() for n in given.split(",")]
    if unknown := [n for n in names if n not in NAMES]:
        raise UnslError(f"methods are among {', '.join(NAMES)}", got=unknown)
    return [*names, *SLOW] if slow else names


def _markdown(results: list[harness.Result], args: argparse.Namespace, seconds: float) -> str:
    parts = ["# Accuracy of extrapolation", ""]
    command = f"python -m benchmarks.accuracy --only '{args.only}' --methods '{args.methods}'"
    parts += [f"unsl_tracking {__version__}, {len(results)} sets, {seconds:.0f} s with "]
    parts[-1] += f"{args.jobs} processes, seed 0: `{command}`"
    parts += ["", "## Targets", "", *[f"- {line}" for line in targets.check(results)]]
    for domain, table in report.by_domain(results).items():
        parts += ["", f"## {domain}", "", report.table(table)]
    if len({r.problem.domain for r in results}) > 1:
        main_sets = [r for r in results if not r.problem.secondary]
        parts += ["", "## All main sets", "", report.table(report.summary(main_sets))]
    if args.loso:
        parts += ["", "## Leaving one source out", "", report.table(report.loso(results))]
    return "\n".join(parts) + "\n"


def _write(folder: Path, text: str, results: list[harness.Result], plots: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    sets = report.by_set(results)
    (folder / "accuracy.md").write_text(
        f"{text}\n## RMSLE by set\n\n{report.table(sets)}\n", encoding="utf-8"
    )
    figures = json.dumps(report.to_json(results), indent=1)
    (folder / "accuracy.json").write_text(figures.replace("NaN", "null") + "\n", encoding="utf-8")
    if plots:
        from benchmarks.accuracy.plots import draw  # matplotlib, only when asked for

        draw(results, folder)


if __name__ == "__main__":
    sys.exit(main())
