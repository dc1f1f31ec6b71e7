"""The OpenAI dialect: https://platform.openai.com/docs/api-reference"""
