"""Audit records, their hash chain, and the log they are kept in. May import: core."""
