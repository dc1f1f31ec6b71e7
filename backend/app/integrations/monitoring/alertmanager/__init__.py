"""Alertmanager: what alerts there are, silences, and the platform's own alerts where no Prometheus tells them."""
