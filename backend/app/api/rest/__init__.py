"""HTTP: the OpenAI dialect under /v1, and the platform's own endpoints."""
