"""Data sets, metrics and runs: how good is a tracker, and how fast."""
