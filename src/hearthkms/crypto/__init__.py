"""Pure functions over pyca/cryptography, the only package that imports it. May import: core."""
