"""Where key material lives: adapters of the KMS's KeyStore port. May import: kms, engines, core."""
