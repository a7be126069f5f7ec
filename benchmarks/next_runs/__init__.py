"""Replays of real ladders: what the order of `next_runs` saves, and whether `allocate` is right."""
