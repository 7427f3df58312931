"""The door: the one way an operation is resolved, authorised, executed and audited. May import: engines, core."""
