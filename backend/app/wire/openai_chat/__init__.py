"""OpenAI chat completions: https://platform.openai.com/docs/api-reference/chat

And the fields that servers of this format have added to it: reasoning (DeepSeek, vLLM, llama.cpp, OpenRouter),
top_k, stop_reason. Every other field is kept in extensions["openai_chat"].
"""

FORMAT = "openai_chat"
