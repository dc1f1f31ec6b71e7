"""Anthropic, and whoever else speaks its Messages API. Start reading at integration.py."""
