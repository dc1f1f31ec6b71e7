"""Tiers and budgets: those of the configuration, and those that administrators set while the platform runs."""
