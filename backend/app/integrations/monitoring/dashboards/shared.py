"""What several dashboards ask for: variables, and how series are chosen by them."""

from app.integrations.monitoring.dashboards.panels import Variable

MODEL = Variable("model", "Model", "llm_requests_total", "model")
PROVIDER = Variable("provider", "Provider", "llm_requests_total", "provider")
TENANT = Variable("tenant", "Tenant", "llm_requests_total", "tenant")
INTEGRATION = Variable("integration", "Integration", "llm_integration_state", "integration")

OF = 'model=~"$model",provider=~"$provider"'
OF_TENANT = f'{OF},tenant=~"$tenant"'
GEN_AI = 'gen_ai_original_model=~"$model"'


def rate(metric: str, labels: str, by: str = "") -> str:
    """By the second, over what one pixel stands for."""
    return f"sum{f' by ({by}) ' if by else ' '}(rate({metric}{{{labels}}}[$__rate_interval]))"


def quantile(share: float, histogram: str, labels: str, by: str = "") -> str:
    per = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', labels, per)})"


def part(of: str, whole: str) -> str:
    """0 where there is nothing of it."""
    return f"({of} or 0 * {whole}) / {whole}"
