"""Integrations that watch: metrics, traces, dashboards, alerts."""
