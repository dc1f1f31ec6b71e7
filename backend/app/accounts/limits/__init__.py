"""Limits: how much a caller may use in a time."""
