"""The platform's dashboards for Grafana, as code: `DASHBOARDS` holds each as Grafana reads it, by its uid.

python -m app.integrations.monitoring.dashboards monitoring      # writes what lies there
"""

from collections.abc import Mapping
from typing import Any

from app.integrations.monitoring.dashboards import costs, integrations, models, overview, resources

DASHBOARDS: Mapping[str, dict[str, Any]] = {
    found["uid"]: found for found in (each.made() for each in (overview, models, resources, costs, integrations))
}
