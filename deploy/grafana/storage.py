"""Storage and database: what everything else stands on."""

from deploy.grafana.panels import (
    GREEN,
    ORANGE,
    Dashboard,
    Panel,
    Query,
    Row,
    filled,
    or_none,
    quantile,
    rate,
    rates,
)

_OPERATIONS = "calotype_storage_operation_seconds"

OBJECTS = Row(
    "Object storage",
    8,
    (
        Panel(
            "Operations",
            "Operations a second, by what is done where.",
            "ops",
            (
                Query(
                    rate(f"{_OPERATIONS}_count", "backend", "operation"),
                    "{{backend}} {{operation}}",
                ),
            ),
            "stack",
            8,
        ),
        Panel(
            "Latency",
            "What ninety-nine of a hundred are quicker than, by operation.",
            "s",
            (Query(quantile(0.99, _OPERATIONS, "operation"), "{{operation}}"),),
            width=8,
        ),
        Panel(
            "Errors",
            "Operations a second that failed, by why.",
            "ops",
            (
                Query(
                    or_none(rate("calotype_storage_errors_total", "backend", "error"), "error"),
                    "{{backend}} {{error}}",
                ),
            ),
            width=8,
        ),
    ),
)

DATABASE = Row(
    "Database",
    8,
    (
        Panel(
            "Transactions",
            "Transactions a second that read, and that write.",
            "ops",
            rates("calotype_database_transaction_seconds_count", "kind"),
            "stack",
        ),
        Panel(
            "Time",
            "In a transaction, commit included: what ninety-nine of a hundred are quicker than.",
            "s",
            (Query(quantile(0.99, "calotype_database_transaction_seconds", "kind"), "{{kind}}"),),
        ),
        Panel(
            "Turns",
            "How long a transaction waits for a connection or its turn to write, at p99.",
            "s",
            (Query(quantile(0.99, "calotype_database_queue_seconds", "kind"), "{{kind}}"),),
        ),
        Panel(
            "Connections",
            "Share of the connections in use. At 1 transactions wait for each other.",
            "percentunit",
            filled(
                "calotype_database_connections_used", "calotype_database_connections_limit", "kind"
            ),
            highest=1.0,
            steps=((0, GREEN), (0.9, ORANGE)),
        ),
    ),
)

OUTSIDE = Row(
    "Outside",
    7,
    (
        Panel(
            "Database errors",
            "Calls a second that the database did not answer.",
            "ops",
            rates("calotype_database_errors_total", "kind"),
        ),
        Panel(
            "Sources",
            "Originals fetched by URL, a second, by outcome.",
            "ops",
            (
                Query(
                    or_none(rate("calotype_source_fetches_total", "outcome"), "outcome"),
                    "{{outcome}}",
                ),
            ),
        ),
        Panel(
            "Source bytes",
            "Bytes of originals fetched by URL.",
            "Bps",
            (Query(rate("calotype_source_bytes_total"), "fetched"),),
        ),
        Panel(
            "Egress refused",
            "Connections a second that were refused because they led inside.",
            "ops",
            (Query(rate("calotype_egress_refused_total"), "refused"),),
        ),
    ),
)

STORAGE = Dashboard(
    "storage",
    "Storage and database",
    "What everything stands on: object storage, database, and sources outside.",
    (OBJECTS, DATABASE, OUTSIDE),
)
