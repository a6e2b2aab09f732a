"""Overview: whether all is well, and the four golden signals of each role."""

from deploy.grafana.panels import (
    GREEN,
    ORANGE,
    RED,
    WINDOW,
    Dashboard,
    Panel,
    Query,
    Row,
    filled,
    of_role,
    per_minute,
    quantiles,
    rate,
    rates,
    share,
)

_REQUESTS = "calotype_gateway_requests_total"
_EDGE = "calotype_edge_requests_total"
_KILLED = 'calotype_render_children_lost_total{reason=~"crashed|killed|timed_out|out_of_memory"}'
_CLASS = '"class", "${1}xx", "status", "(.).."'


def _kept(title: str, says: str, record: str, least: float) -> Panel:
    """A promise: the share that went well within the hour."""
    return Panel(
        title,
        says,
        "percentunit",
        (Query(f"1 - calotype:{record}:ratio_rate1h", title),),
        "stat",
        4,
        1.0,
        ((0, RED), (1 - 5 * (1 - least), ORANGE), (least, GREEN)),
        2,
    )


def _by_class(metric: str) -> str:
    return f"sum by (class) (label_replace(rate({metric}{WINDOW}), {_CLASS}))"


NOW = Row(
    "Now",
    4,
    (
        Panel(
            "Alerts",
            "Alerts that fire. What to do about each is in deploy/RUNBOOK.md.",
            "short",
            (Query('count(ALERTS{alertstate="firing"}) or vector(0)', "firing"),),
            "stat",
            4,
            steps=((0, GREEN), (1, RED)),
        ),
        Panel(
            "Ready",
            "Processes that are ready for their work, of all that answer Prometheus.",
            "percentunit",
            (Query("sum(calotype_ready) / count(calotype_ready)", "ready"),),
            "stat",
            4,
            1.0,
            ((0, RED), (0.99, GREEN)),
            0,
        ),
        _kept("Uploads", "Of the hour's uploads, those not answered 5xx.", "uploads_failed", 0.999),
        _kept("In time", "Of the hour's orders, those done in 10 seconds.", "uploads_slow", 0.99),
        _kept("Edge", "Of the edge's answers in an hour, those not 5xx.", "edge_failed", 0.9995),
        Panel(
            "Oldest order",
            "Age of the oldest unfinished order: nobody should wait long.",
            "s",
            (Query("max(calotype_backlog_age_seconds)", "age"),),
            "stat",
            4,
            steps=((0, GREEN), (30, ORANGE), (120, RED)),
        ),
    ),
)

GATEWAY = Row(
    "Gateway",
    7,
    (
        Panel(
            "Traffic",
            "Requests to the API, by class of their status.",
            "reqps",
            (Query(_by_class(_REQUESTS), "{{class}}"),),
            "stack",
        ),
        Panel(
            "Latency",
            "From a request's head to its answer's end, event streams left out. An upload waits "
            "for its variants.",
            "s",
            quantiles('calotype_gateway_request_seconds{route!~".*/events"}'),
        ),
        Panel(
            "Errors",
            "Share of requests answered 5xx, our fault, and 4xx, the client's.",
            "percentunit",
            (
                Query(share(rate(f'{_REQUESTS}{{status=~"5.."}}'), rate(_REQUESTS)), "5xx"),
                Query(share(rate(f'{_REQUESTS}{{status=~"4.."}}'), rate(_REQUESTS)), "4xx"),
            ),
        ),
        Panel(
            "Saturation",
            "Requests being answered at the same time, by gateway.",
            "short",
            (Query(of_role("calotype_gateway_requests_in_flight", "gateway"), "{{instance}}"),),
        ),
    ),
)

PIPELINE = Row(
    "Pipeline",
    7,
    (
        Panel(
            "Traffic",
            "Orders that were accepted, and how they ended.",
            "ops",
            rates("calotype_orders_total", "state"),
        ),
        Panel(
            "Latency",
            "From an order's acceptance to its last variant. 99 % are promised in 10 seconds.",
            "s",
            quantiles('calotype_order_seconds{state="done"}'),
        ),
        Panel(
            "Errors",
            "A minute: tries that failed, orders that died, render children that were killed.",
            "cpm",
            (
                Query(f"({per_minute('calotype_order_retries_total')}) or vector(0)", "retried"),
                Query(per_minute('calotype_orders_total{state=~"failed|dead"}'), "failed"),
                Query(per_minute(_KILLED), "children killed"),
            ),
        ),
        Panel(
            "Saturation",
            "Share of render children at work, in all roles. At 1 everything else waits.",
            "percentunit",
            (
                Query(
                    "sum by (job) (rate(calotype_render_busy_seconds_total[$__rate_interval]))"
                    " / clamp_min(sum by (job) (calotype_render_children), 1)",
                    "{{job}}",
                ),
            ),
            highest=1.0,
            steps=((0, GREEN), (0.9, ORANGE)),
        ),
    ),
)

EDGE = Row(
    "Edge",
    7,
    (
        Panel(
            "Traffic",
            "Pictures asked for, by where they were found.",
            "reqps",
            rates(_EDGE, "tier"),
            "stack",
        ),
        Panel(
            "Latency",
            "From a request to its answer. A hit takes microseconds, a render up to seconds.",
            "s",
            quantiles("calotype_edge_request_seconds"),
            powers=True,
        ),
        Panel(
            "Errors",
            "Share of answers that are 5xx. 0.05 % may be.",
            "percentunit",
            (Query(share(rate(f'{_EDGE}{{status=~"5.."}}'), rate(_EDGE)), "5xx"),),
            steps=((0, GREEN), (0.0005, RED)),
        ),
        Panel(
            "Saturation",
            "How full the caches are. Full is fine as long as few evictions follow.",
            "percentunit",
            filled("calotype_edge_cache_bytes", "calotype_edge_cache_limit_bytes", "tier"),
            highest=1.0,
            steps=((0, GREEN), (0.95, ORANGE)),
        ),
    ),
)

PROCESSES = Row(
    "Processes",
    7,
    (
        Panel(
            "Processor",
            "Cores in use by each process, without its render children.",
            "short",
            (Query(f"rate(process_cpu_seconds_total{WINDOW})", "{{job}} {{instance}}"),),
            width=8,
            digits=2,
        ),
        Panel(
            "Memory",
            "Resident memory of each process, without its render children.",
            "decbytes",
            (Query("process_resident_memory_bytes", "{{job}} {{instance}}"),),
            width=8,
        ),
        Panel(
            "Open files",
            "Share of the files and connections that each process may have open.",
            "percentunit",
            (Query("process_open_fds / process_max_fds", "{{job}} {{instance}}"),),
            width=8,
        ),
    ),
)

OVERVIEW = Dashboard(
    "overview",
    "Overview",
    "Whether all is well: traffic, latency, errors and saturation of each role.",
    (NOW, GATEWAY, PIPELINE, EDGE, PROCESSES),
)
