"""Both benchmarks of speed in turn: fits, then reading.

    python -m benchmarks.speed [--quick] [--json fit.json] [--runs N] [--points N] [--repeats N]

Each benchmark gets the flags that it knows. Exits with 1 where reading missed its target.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks.speed import fit, read_mlflow


def main(argv: Sequence[str] | None = None) -> int:
    """Run both and print their tables."""
    fits, reading = fit.arguments(), read_mlflow.arguments()
    both = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description="Both benchmarks of speed in turn: fits, then reading.",
        parents=[fits, reading],
    )
    given = both.parse_args(argv)
    print("# Fits\n", flush=True)
    fit.run(given)
    print("\n# Reading from MLflow\n", flush=True)
    return read_mlflow.run(given)


if __name__ == "__main__":
    sys.exit(main())
