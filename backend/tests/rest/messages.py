"""The plainest request of the Anthropic dialect."""

PATH = "/v1/messages"
ASKED = {"model": "model", "max_tokens": 16, "messages": [{"role": "user", "content": "hi"}]}
STREAM = {**ASKED, "stream": True}
