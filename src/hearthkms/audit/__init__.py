"""Audit records, their hash chain, the logs they are kept in, and the proof that nothing was done to them.

May import: core. `chain` is shared with the ledger, which the storage adapter keeps; the composition root
gives the functions that sign and check checkpoints. docs/spec/audit-chain.md specifies every byte.
"""
