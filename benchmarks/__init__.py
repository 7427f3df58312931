"""Measurements beside peers, in one interleaved run; never part of the tests. See benchmarks/README.md."""
