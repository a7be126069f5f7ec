"""A training process: settings come in as lines of JSON, validation losses go out the same way.

    {"width": 64, "train_chars": 50000, "steps": 1000, "seed": 0}
    -> {"step": 60, "value": 3.1}  …  {"done": true, "seconds": 1.2}

Run as `python -m unsl_tracking.demo.worker` with one BLAS thread, so that a result does not depend
on the number of cores.
"""

from __future__ import annotations

import json
import sys
import time

from unsl_tracking.demo.corpus import load_corpus
from unsl_tracking.demo.network import Settings, train
from unsl_tracking.demo.plan import evaluation_steps


def main() -> None:
    """Train what stdin asks for until it closes."""
    text, validation = load_corpus()
    for line in sys.stdin:
        settings = Settings(**json.loads(line))
        started = time.perf_counter()
        for step, value in train(settings, text, validation, evaluation_steps(settings.steps)):
            print(json.dumps({"step": step, "value": value}), flush=True)
        seconds = round(time.perf_counter() - started, 3)
        print(json.dumps({"done": True, "seconds": seconds}), flush=True)


if __name__ == "__main__":
    main()
