"""What the platform talks to: one folder each, none of which imports another."""
