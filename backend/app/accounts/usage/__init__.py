"""The ledger: what was asked and what it cost, to the call. See docs/usage.md."""
