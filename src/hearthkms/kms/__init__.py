"""The KMS domain. May import: service, engines, core; knows no HTTP, SQL or PKCS#11."""
