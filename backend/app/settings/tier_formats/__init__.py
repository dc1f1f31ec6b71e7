"""Tiers as others write them: Models-as-a-Service's ConfigMap, and Kuadrant's policies."""
