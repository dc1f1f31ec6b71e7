"""The platform's own endpoints: probes, integrations, models, administration."""
