"""Mechanics that every upper layer shares: integration framework, HTTP transport, time. Knows no wire format."""
