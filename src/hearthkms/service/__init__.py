"""The door: the one way an operation is resolved, authorised, executed and audited.

May import: the engines (iam, sigv4, crypto, audit, telemetry) and core.
"""
