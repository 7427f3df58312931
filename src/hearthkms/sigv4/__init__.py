"""Signature Version 4: canonical request, signing, verification. May import: core."""
