"""Replay recorded curves through stop rules: a random search, and the screening of whole pools."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from benchmarks.accuracy.manifest import data_folder
from benchmarks.early_stopping import report
from benchmarks.early_stopping.harness import Figures, run
from benchmarks.early_stopping.pools import read_pools
from benchmarks.early_stopping.rules import CAREFUL, EAGER, RULES
from unsl_tracking import UnslError, __version__

PARTS = ("search", "from-one", "pools")
FROM_ONE = (EAGER, "median", "successive halving", "Hyperband")


def main(argv: Sequence[str] | None = None) -> int:
    """The command; 0 when it ran, 2 for a usage error. Missed targets are printed, not returned."""
    args = _arguments().parse_args(argv)
    try:
        tasks = read_pools(args.data / args.search)
        pools = read_pools(args.data / args.pools, by_fraction=True)
    except UnslError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    told = {"seed": args.seed, "jobs": args.jobs}
    found: dict[str, list[Figures]] = {}
    if "search" in args.parts:
        found["search"] = run(tasks, tuple(RULES), count=args.orderings, **told)
    if "from-one" in args.parts:
        found["from-one"] = run(tasks, FROM_ONE, count=args.orderings, first=1, **told)
    if "pools" in args.parts:
        found["pools"] = run(pools, tuple(RULES), count=args.pool_orderings, **told)
    text = _markdown(args, found)
    print(text)
    if args.out is not None:
        _write(args.out, text, found)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.early_stopping", description=__doc__
    )
    parser.add_argument("--data", type=Path, default=data_folder(), help="folder of tables")
    parser.add_argument("--search", default="taskset_curves.csv", help="table of protocol (a)")
    parser.add_argument("--pools", default="algoperf_curves.csv", help="table of protocol (b)")
    parser.add_argument("--orderings", type=int, default=40, help="of every task [%(default)s]")
    parser.add_argument("--pool-orderings", type=int, default=10, help="of every pool [10]")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="processes [%(default)s]")
    parser.add_argument("--out", type=Path, help="folder for early_stopping.md, .json and plots")
    return parser


def _markdown(args: argparse.Namespace, found: dict[str, list[Figures]]) -> str:
    command = f"python -m benchmarks.early_stopping --orderings {args.orderings}"
    command += f" --pool-orderings {args.pool_orderings} --seed {args.seed}"
    parts = ["# Early stopping", "", f"unsl_tracking {__version__}: `{command}`"]
    for name, title in (("search", "(a) Random search"), ("from-one", "(a) with steps from 1")):
        if name in found:
            parts += ["", f"## {title}", "", report.against_best(found[name]), ""]
            parts += [report.markdown(report.search_table(found[name]))]
    if "pools" in found:
        each = report.each_pool(found["pools"], CAREFUL)
        parts += ["", "## (b) Screening of pools", ""]
        parts += [report.markdown(report.pool_table(found["pools"]))]
        parts += ["", f"### {CAREFUL}", "", report.markdown(each)]
    return "\n".join(parts) + "\n"


def _write(folder: Path, text: str, found: dict[str, list[Figures]]) -> None:
    from benchmarks.early_stopping import plots  # matplotlib, only when asked for

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "early_stopping.md").write_text(text, encoding="utf-8")
    figures = {name: report.to_json(each) for name, each in found.items()}
    text = json.dumps(figures, indent=1, allow_nan=False)
    (folder / "early_stopping.json").write_text(text + "\n", encoding="utf-8")
    if "search" in found:
        plots.regret(found["search"], folder / "early-stopping-regret.png")
    if "pools" in found:
        plots.screening(found["pools"], folder / "early-stopping-pools.png")


if __name__ == "__main__":
    sys.exit(main())
