"""Logs and metrics. May import: core."""
