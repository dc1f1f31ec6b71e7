"""Anthropic messages: https://platform.claude.com/docs/en/api/messages

What the domain has no word for (cache_control, citations, server tools, containers, …) is kept in
extensions["anthropic_messages"]. An answer's blocks of unknown kinds, and further fields of its texts, stand there
as the message's `content`, each with the `index` that it had among the blocks.
"""

FORMAT = "anthropic_messages"
