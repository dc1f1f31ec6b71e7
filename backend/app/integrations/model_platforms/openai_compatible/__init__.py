"""Servers and clouds that speak the OpenAI dialect: catalogue.py has the vendors, integration.py is the door."""
