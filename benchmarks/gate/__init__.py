"""How often GO and NO-GO are wrong, and how often the gate decides at all.

    python -m benchmarks.gate --data DIR --out DIR

Ladders whose large runs are known (the tables and splits of `benchmarks.accuracy`): the law is
fitted to the small-scale part, and every large run is asked for with targets on both sides of what
it reached. One way through: problems → cases → figures.
"""
