"""Measures the gateway: CPU per request and per chunk first, latency and throughput after. See README.md."""
