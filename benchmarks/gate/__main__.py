"""Ask the gate about large runs that are known, with targets around what they reached."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy import harness
from benchmarks.accuracy.manifest import data_folder, read_specs
from benchmarks.accuracy.tables import only, problems
from benchmarks.gate import figures
from benchmarks.gate.cases import CONFIDENCE, DISTANCES, MOST_RUNS, Ladder, run
from unsl_tracking import UnslError, __version__


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 when it ran, 2 for a usage error. Missed targets are printed, not returned."""
    args = _arguments().parse_args(argv)
    try:
        found = only(problems(args.data, read_specs(args.data)), args.only)
    except UnslError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not args.all:
        # Where one curve ends is a question for stop rules; schedules are no ladder.
        found = [p for p in found if not p.secondary and p.domain not in args.without.split(",")]
    ladders = run(found, confidence=args.confidence, jobs=args.jobs, progress=harness.to_stderr)
    text = _report(ladders, args)
    print(text)
    if args.out is not None:
        from benchmarks.gate.plots import draw  # matplotlib, only where it draws

        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "gate.md").write_text(text + "\n", encoding="utf-8")
        figures.save(ladders, args.out / "gate.json")
        draw(figures.frame(ladders), args.out / "gate.png")
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--data", type=Path, default=data_folder(), help="tables [%(default)s]")
    parser.add_argument("--only", default="*", help="sets whose source, domain or name match")
    parser.add_argument("--without", default="schedules", help="domains to leave out [%(default)s]")
    parser.add_argument("--all", action="store_true", help="secondary sets and all domains too")
    parser.add_argument("--confidence", type=float, default=CONFIDENCE, help="[%(default)s]")
    parser.add_argument("--jobs", type=int, default=2, help="processes [%(default)s]")
    parser.add_argument("--out", type=Path, help="folder for gate.md, gate.json and gate.png")
    return parser


def _report(ladders: Sequence[Ladder], args: argparse.Namespace) -> str:
    cases = figures.frame(ladders)
    refused = [ladder for ladder in ladders if ladder.refusal]
    distances = ", ".join(f"{d:g}" for d in DISTANCES)
    parts = [
        "# Verdicts of the gate",
        f"unsl_tracking {__version__}, {len(ladders)} sets ({len(refused)} refused), up to "
        f"{MOST_RUNS} large runs of each, targets at truth · exp(±{{{distances}}}), confidence "
        f"{args.confidence:g}. Sets have equal shares.",
        "\n".join(f"- {line}" for line in figures.targets(cases)),
    ]
    for title, table in figures.sections(cases).items():
        parts += [f"## {title}", figures.markdown(table)]
    return "\n\n".join(parts)


if __name__ == "__main__":
    sys.exit(main())
