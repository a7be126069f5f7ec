"""Replay ladders in the designed order and others: compute until the forecast is sure, and right.

Writes next_runs.json after every ladder, so that a long run can be looked at, and interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # many small matrices: threads only wait

from benchmarks.accuracy.manifest import data_folder
from benchmarks.next_runs.ladders import Ladder, ladders
from benchmarks.next_runs.replay import replay
from benchmarks.next_runs.report import WIDTHS, markdown, plot
from unsl_tracking import __version__


def main(argv: Sequence[str] | None = None) -> int:
    """The command; prints the table."""
    args = _arguments().parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / "next_runs.json"
    results = json.loads(path.read_text()) if args.resume and path.exists() else []
    known = {(r["source"], r["name"]) for r in results}
    for ladder in ladders(args.data):
        if (ladder.source, ladder.name) in known or args.only not in ladder.source + ladder.name:
            continue
        results.append(_replayed(ladder, args.seeds))
        path.write_text(json.dumps(results, indent=1, allow_nan=False))
    text = f"unsl_tracking {__version__}, {len(results)} ladders\n\n{markdown(results)}"
    print(text)
    (args.out / "next_runs.md").write_text(text)
    plot(results, args.out / "next-runs.png")
    return 0


def _replayed(ladder: Ladder, seeds: int) -> dict[str, object]:
    begun = time.process_time()
    orders = {order: [replay(ladder, order)] for order in ("smallest", "largest")}
    final = orders["smallest"][0][-1].width
    orders["random"] = [replay(ladder, "random", s, min(WIDTHS) * final) for s in range(seeds)]
    orders["designed"] = [replay(ladder, "designed", goal=width * final) for width in WIDTHS]
    seconds = time.process_time() - begun
    print(f"{ladder.source} {ladder.name}: {seconds:.0f} CPU seconds", file=sys.stderr, flush=True)
    return {
        "source": ladder.source,
        "name": ladder.name,
        "runs": len(ladder.candidates),
        "orders": {
            order: [[asdict(state) for state in states] for states in all_states]
            for order, all_states in orders.items()
        },
    }


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.next_runs", description=__doc__)
    folder = data_folder()
    parser.add_argument("--data", type=Path, default=folder, help="folder of tables [%(default)s]")
    parser.add_argument("--only", default="", help="ladders whose source and name contain this")
    parser.add_argument("--seeds", type=int, default=3, help="random orders [%(default)s]")
    parser.add_argument("--resume", action="store_true", help="keep ladders that are in --out")
    parser.add_argument("--out", type=Path, default=Path("next_runs"), help="folder [%(default)s]")
    return parser


if __name__ == "__main__":
    sys.exit(main())
