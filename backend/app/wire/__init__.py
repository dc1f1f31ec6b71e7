"""Formats that are spoken to callers and to providers: pure functions between bytes and the domain."""
