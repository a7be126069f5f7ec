"""How well laws extrapolate, and how honest their intervals are.

    python -m benchmarks.accuracy --data DIR --out DIR --plots

One way through: tables (a manifest, splits) → methods (ours and the baselines) → scores → report.
docs/benchmarks.md says how to score your own tables.
"""
