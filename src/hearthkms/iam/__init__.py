"""Principals, policy documents and the decision. May import: core."""
