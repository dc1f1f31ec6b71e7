"""Integrations that keep what the platform has to remember."""
