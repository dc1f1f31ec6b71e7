"""The log of what administrators did: written with the deed, never changed."""
