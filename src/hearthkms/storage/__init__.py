"""SQLite and PostgreSQL behind the domain's ports. May import: kms, engines, core."""
