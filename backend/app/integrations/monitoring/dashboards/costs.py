"""Cost Analysis: what is spent, by whom, and what is left."""

from app.integrations.monitoring.dashboards.panels import Json, Panel, Query, Row, dashboard
from app.integrations.monitoring.dashboards.shared import MODEL, OF_TENANT, PROVIDER, TENANT, part, rate

_CACHED = f'{OF_TENANT},type="cached"'
_INPUT = f'{OF_TENANT},type="input"'


def _spent(by: str) -> str:
    return f"sum by ({by}) (increase(llm_cost_total{{{OF_TENANT}}}[$__range]))"


def _an_hour(by: str) -> str:
    return f"{rate('llm_cost_total', OF_TENANT, by)} * 3600"


_SUM = Row(
    "In the time shown",
    [
        Panel(
            kind="stat",
            width=6,
            title="Spent",
            about="As far as prices are known.",
            unit="currencyUSD",
            queries=[Query(f"sum(increase(llm_cost_total{{{OF_TENANT}}}[$__range]))")],
        ),
        Panel(
            kind="stat",
            width=6,
            title="An hour",
            about="At the present rate.",
            unit="currencyUSD",
            queries=[Query(f"{rate('llm_cost_total', OF_TENANT)} * 3600")],
        ),
        Panel(
            kind="stat",
            width=6,
            title="A request",
            about="On average.",
            unit="currencyUSD",
            queries=[
                Query(
                    f"sum(increase(llm_cost_total{{{OF_TENANT}}}[$__range])) "
                    f"/ sum(increase(llm_requests_total{{{OF_TENANT}}}[$__range]))"
                )
            ],
        ),
        Panel(
            kind="stat",
            width=6,
            title="A million tokens",
            about="Input and output together, on average.",
            unit="currencyUSD",
            queries=[
                Query(
                    f"1e6 * sum(increase(llm_cost_total{{{OF_TENANT}}}[$__range])) "
                    f'/ sum(increase(llm_tokens_total{{{OF_TENANT},type=~"input|output"}}[$__range]))'
                )
            ],
        ),
    ],
)

_WHO = Row(
    "By whom and for what",
    [
        Panel(
            title="By model",
            about="US dollars an hour.",
            unit="currencyUSD",
            stacked=True,
            queries=[Query(_an_hour("model"), "{{model}}")],
        ),
        Panel(
            title="By provider",
            about="US dollars an hour.",
            unit="currencyUSD",
            stacked=True,
            queries=[Query(_an_hour("provider"), "{{provider}}")],
        ),
        Panel(
            title="By tenant",
            about="US dollars an hour, by team.",
            unit="currencyUSD",
            stacked=True,
            queries=[Query(_an_hour("tenant"), "{{tenant}}")],
        ),
        Panel(
            kind="table",
            width=12,
            title="Spent by tenant and model",
            about="In the time shown.",
            unit="currencyUSD",
            columns=[("tenant", "Tenant"), ("model", "Model"), ("provider", "Provider"), ("Value", "Spent")],
            queries=[Query(f"sort_desc({_spent('tenant, model, provider')})")],
        ),
        Panel(
            width=12,
            title="Tokens by tenant",
            about="Read and written in a second.",
            unit="short",
            queries=[Query(rate("llm_tokens_total", f'{OF_TENANT},type=~"input|output"', "tenant"), "{{tenant}}")],
        ),
    ],
)

_BUDGETS = Row(
    "Budgets",
    [
        Panel(
            kind="bargauge",
            width=12,
            title="Spent part of budgets",
            about="Where each key or team has one of its own: of whoever spent most of it.",
            unit="percentunit",
            top=1,
            limits=[0.8, 1],
            queries=[Query("max by (budget) (llm_budget_used_ratio)", "{{budget}}")],
        ),
        Panel(
            kind="bargauge",
            width=6,
            title="Budgets",
            about="What may be spent in the period of each.",
            unit="currencyUSD",
            queries=[Query("max by (budget) (llm_budget_limit_dollars)", "{{budget}}")],
        ),
        Panel(
            width=6,
            title="Input from providers' caches",
            about="Part of the input tokens that providers had already read.",
            unit="percentunit",
            top=1,
            queries=[
                Query(
                    part(rate("llm_tokens_total", _CACHED, "model"), rate("llm_tokens_total", _INPUT, "model")),
                    "{{model}}",
                )
            ],
        ),
    ],
)


def made() -> Json:
    return dashboard(
        "llm-costs",
        "Cost Analysis",
        "What is spent, by whom, and what is left of budgets.",
        [MODEL, PROVIDER, TENANT],
        [_SUM, _WHO, _BUDGETS],
    )
