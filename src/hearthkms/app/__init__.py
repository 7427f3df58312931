"""The composition root: from settings to running processes; the one package that knows every adapter."""
