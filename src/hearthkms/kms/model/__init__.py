"""What the KMS keeps: keys, their material, aliases. Frozen values, no behaviour beyond what they are."""
