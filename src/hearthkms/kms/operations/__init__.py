"""The KMS operations, one family a file; this is their index."""

from __future__ import annotations

from hearthkms.kms.operations import aliases, data_keys, keys, policies, rotation, states, symmetric, tags
from hearthkms.service.operation import Operation

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for family in (keys, states, aliases, tags, policies, symmetric, data_keys, rotation)
    for operation in family.OPERATIONS
}
"""Every operation that is built, by name."""
