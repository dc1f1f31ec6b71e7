"""Virtual keys: what callers show, and what may be done with it."""
