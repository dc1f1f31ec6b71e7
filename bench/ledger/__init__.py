"""Proof that the ledger loses no call and counts none twice, whatever kills the platform: `make prove-ledger`."""
