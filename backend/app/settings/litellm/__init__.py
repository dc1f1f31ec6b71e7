"""Configurations of the LiteLLM proxy, read as they are: translated into settings of ours, each with the line that
it came from, and with a note for each line that has no counterpart.

What becomes of which name is data: providers.py, parameters.py, sections.py. docs/from-litellm.md is for users.
"""

from app.settings.litellm.source import Note
from app.settings.litellm.translation import Translation, translate

__all__ = ["Note", "Translation", "translate"]
