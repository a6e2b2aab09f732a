"""Edge: where pictures come from, how fast, and what is forgotten."""

from deploy.grafana.panels import (
    GREEN,
    ORANGE,
    RED,
    Dashboard,
    Panel,
    Query,
    Row,
    filled,
    of_role,
    or_none,
    quantile,
    quantiles,
    rate,
    rates,
    share,
)

_REQUESTS = "calotype_edge_requests_total"
_FOUND = f'{_REQUESTS}{{tier=~"memory|disk|store|render"}}'

TRAFFIC = Row(
    "Traffic",
    8,
    (
        Panel(
            "Requests",
            "Answers a second by where the picture was found: in memory, on the edge's disk, in "
            "object storage, or rendered for it.",
            "reqps",
            rates(_REQUESTS, "tier"),
            "stack",
            12,
        ),
        Panel(
            "Hit rate",
            "Of the pictures that were found: the share from memory, from memory or disk, and "
            "without rendering.",
            "percentunit",
            (
                Query(share(rate(f'{_REQUESTS}{{tier="memory"}}'), rate(_FOUND)), "memory"),
                Query(share(rate(f'{_REQUESTS}{{tier=~"memory|disk"}}'), rate(_FOUND)), "disk"),
                Query(
                    share(rate(f'{_REQUESTS}{{tier=~"memory|disk|store"}}'), rate(_FOUND)), "store"
                ),
            ),
            width=6,
            highest=1.0,
        ),
        Panel(
            "Answers",
            "By status. 304 is a browser that has it already.",
            "reqps",
            rates(_REQUESTS, "status"),
            width=6,
        ),
    ),
)

SPEED = Row(
    "Speed",
    8,
    (
        Panel(
            "Latency",
            "From a request to its answer, all tiers together.",
            "s",
            quantiles("calotype_edge_request_seconds"),
            width=8,
            powers=True,
        ),
        Panel(
            "Latency by tier",
            "What nineteen of twenty are quicker than, by where the picture was found.",
            "s",
            (Query(quantile(0.95, "calotype_edge_request_seconds", "tier"), "{{tier}}"),),
            width=8,
            powers=True,
        ),
        Panel(
            "Bytes",
            "Bytes of pictures sent, by tier.",
            "Bps",
            rates("calotype_edge_bytes_total", "tier"),
            "stack",
            8,
        ),
    ),
)

CACHES = Row(
    "Caches",
    7,
    (
        Panel(
            "Filled",
            "How full the caches are, all edges together. That of memory always is, after a while.",
            "percentunit",
            filled("calotype_edge_cache_bytes", "calotype_edge_cache_limit_bytes", "tier"),
            "bars",
            highest=1.0,
            steps=((0, GREEN), (0.95, ORANGE)),
        ),
        Panel(
            "Copies",
            "Bytes that the caches hold.",
            "decbytes",
            (Query("sum by (tier) (calotype_edge_cache_bytes)", "{{tier}}"),),
        ),
        Panel(
            "Evictions",
            "Copies a second that made room for others.",
            "ops",
            rates("calotype_edge_evictions_total", "tier"),
        ),
        Panel(
            "Shared",
            "Requests a second that waited for another's answer, so that one render or one read "
            "served all.",
            "reqps",
            (Query(rate("calotype_edge_collapsed_total"), "shared"),),
        ),
    ),
)

TRUTH = Row(
    "Truth",
    7,
    (
        Panel(
            "Purges",
            "Deletions and replacements heard, a second.",
            "ops",
            (Query(rate("calotype_edge_purges_total"), "purges"),),
        ),
        Panel(
            "Purge delay",
            "From a purge's announcement until this edge has forgotten. A second is promised.",
            "s",
            quantiles("calotype_edge_purge_delay_seconds"),
            steps=((0, GREEN), (1, RED)),
        ),
        Panel(
            "Trusted",
            "Share of edges that hear every purge. The others confirm a copy before they serve it.",
            "percentunit",
            (Query(f"avg({of_role('calotype_edge_trusted', 'edge')})", "trusted"),),
            "stat",
            highest=1.0,
            steps=((0, RED), (1, GREEN)),
            digits=0,
        ),
        Panel(
            "Refused",
            "Answers a second that are refusals and failures, by status.",
            "reqps",
            (
                Query(
                    or_none(rate(f'{_REQUESTS}{{status=~"[45].."}}', "status"), "status"),
                    "{{status}}",
                ),
            ),
        ),
    ),
)

EDGE = Dashboard(
    "edge",
    "Edge",
    "Where pictures come from, how fast they are, and how soon what is deleted is forgotten.",
    (TRAFFIC, SPEED, CACHES, TRUTH),
)
