"""The Anthropic dialect: https://platform.claude.com/docs/en/api/overview"""
