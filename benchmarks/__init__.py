"""Speed against other ways of doing the same: `python -m benchmarks`."""

BASE = "models/base"
"""The model that every way runs."""
