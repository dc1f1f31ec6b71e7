"""LLM Platform: every model, every protocol, one process. docs/architecture.md draws the house."""

__version__ = "0.1.0"
