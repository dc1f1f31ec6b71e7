"""Fakes and contracts for tests, ours and those of plugin authors. Nothing of the platform imports this."""
