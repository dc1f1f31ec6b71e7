"""Resource Monitoring: what the platform takes of its machines."""

from app.integrations.monitoring.dashboards.panels import Json, Panel, Query, Row, dashboard
from app.integrations.monitoring.dashboards.shared import PROVIDER, quantile

_INSTANCE = "{{instance}}"

_MACHINE = Row(
    "Machine",
    [
        Panel(
            title="CPU",
            about="All processes of a platform together; 100 % is one whole core.",
            unit="percent",
            queries=[Query("sum by (instance) (llm_cpu_usage_percent)", _INSTANCE)],
        ),
        Panel(
            title="Memory",
            about="Resident, all processes together.",
            unit="bytes",
            queries=[Query("sum by (instance) (process_resident_memory_bytes)", _INSTANCE)],
        ),
        Panel(
            title="Open files and sockets",
            about="Part of what may be open. At 100 % connections are refused.",
            unit="percentunit",
            top=1,
            limits=[0.7, 0.9],
            queries=[Query("sum by (instance) (process_open_fds / process_max_fds)", _INSTANCE)],
        ),
        Panel(
            kind="gauge",
            title="GPU memory",
            about="Part of each GPU's memory that is in use.",
            unit="percentunit",
            top=1,
            limits=[0.8, 0.9],
            queries=[
                Query(
                    "max by (instance, gpu) (llm_gpu_memory_usage_bytes / llm_gpu_memory_total_bytes)",
                    "GPU {{gpu}}",
                )
            ],
        ),
        Panel(
            title="GPU memory in use",
            about="By whomever.",
            unit="bytes",
            queries=[
                Query("max by (instance, gpu) (llm_gpu_memory_usage_bytes)", "GPU {{gpu}} in use"),
                Query("max by (instance, gpu) (llm_gpu_memory_total_bytes)", "GPU {{gpu}} in all"),
            ],
        ),
        Panel(
            title="Event loop lag",
            about="How late the platform does what is due. Everybody waits for as long.",
            unit="s",
            limits=[0.1, 0.5],
            queries=[
                Query(
                    quantile(share, "llm_event_loop_lag_seconds", "", "instance"), f"p{share * 100:g} {_INSTANCE}"
                )
                for share in (0.5, 0.99)
            ],
        ),
    ],
)

_LOAD = Row(
    "Load",
    [
        Panel(
            title="Calls under way",
            about="Begun and not ended.",
            unit="short",
            queries=[Query("sum by (instance) (llm_active_requests)", _INSTANCE)],
        ),
        Panel(
            title="Requests under way upstream",
            about="By provider, over all of its models.",
            unit="short",
            queries=[Query('sum by (provider) (llm_target_in_flight{provider=~"$provider"})', "{{provider}}")],
        ),
        Panel(
            title="Places taken",
            about="Part of the places of targets that have few. At 100 % calls wait in line.",
            unit="percentunit",
            top=1,
            limits=[0.8, 1],
            queries=[
                Query(
                    'sum by (provider, model) (llm_target_in_flight{provider=~"$provider"}) '
                    '/ sum by (provider, model) (llm_target_slots{provider=~"$provider"})',
                    "{{provider}}/{{model}}",
                )
            ],
        ),
        Panel(
            title="Models in memory",
            about="Of those that come and go.",
            unit="short",
            queries=[Query('max by (provider) (llm_loaded_models{provider=~"$provider"})', "{{provider}}")],
        ),
        Panel(
            title="CPU for a request",
            about="CPU time of the platform's processes, for each call.",
            unit="s",
            queries=[
                Query(
                    "sum(rate(process_cpu_seconds_total[$__rate_interval])) "
                    "/ sum(rate(llm_requests_total[$__rate_interval]))",
                    "CPU a request",
                )
            ],
        ),
        Panel(
            title="Processes",
            about="Serving processes that could be asked at the scrape.",
            unit="short",
            queries=[Query("sum by (instance) (llm_processes)", _INSTANCE)],
        ),
    ],
)


def made() -> Json:
    return dashboard(
        "llm-resources",
        "Resource Monitoring",
        "CPU, memory, GPUs and queues of the platform.",
        [PROVIDER],
        [_MACHINE, _LOAD],
    )
