"""OpenAI text completions, the older format: https://platform.openai.com/docs/api-reference/completions

Errors are those of app.wire.openai_chat.errors. Every field without a place in the domain is kept in
extensions["openai_completions"].
"""

FORMAT = "openai_completions"
