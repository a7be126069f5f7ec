"""Replays recorded learning curves through stop rules: what is saved, and what is lost by it."""
