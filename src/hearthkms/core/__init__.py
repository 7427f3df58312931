"""The vocabulary every other package speaks: errors, identifiers, secrets, time and paging.

May import: the standard library alone.
"""
