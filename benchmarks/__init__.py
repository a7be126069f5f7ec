"""Measurements of unsl_tracking: `accuracy` (errors and intervals) and `speed`."""
