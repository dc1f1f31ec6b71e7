"""OpenAI Responses: https://platform.openai.com/docs/api-reference/responses

A conversation is a list of items: messages, calls of tools, their outputs, reasoning. The domain groups what an
assistant did in one turn into one message; each part keeps what its item alone knows in
extensions["openai_responses"]. Items of a kind that the domain does not know are UnknownPart.
"""

FORMAT = "openai_responses"
