"""The history of the schema: one file a version, in `versions`, run by `storage.migrate`."""
