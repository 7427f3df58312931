"""`python -m hearthkms` is the `hearthkms` command."""

from hearthkms.cli import main

main()
