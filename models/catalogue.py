"""Every metric there is: its name, what it says, and the labels it may have."""

from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]

# Bounds in seconds, from what was measured: a hit takes 20 us, a render 5 ms to a minute.
HITS = (0.00002, 0.00005, 0.0001, 0.0005, 0.002, 0.01, 0.05, 0.2, 0.5, 1.0, 5.0)
_CALLS = (0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 10.0)
_RENDERS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_REQUESTS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)


class Metric(NamedTuple):
    """One metric. Counters end in _total; seconds and bytes are the only units."""

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    one_for_all: bool = False
    """A gauge about what processes share: the newest sample counts, not the sum of all."""


def _counter(name: str, says: str, *labels: str) -> Metric:
    return Metric(f"calotype_{name}_total", "counter", says, labels)


def _gauge(name: str, says: str, *labels: str) -> Metric:
    return Metric(f"calotype_{name}", "gauge", says, labels)


def _shared(name: str, says: str, *labels: str) -> Metric:
    return Metric(f"calotype_{name}", "gauge", says, labels, one_for_all=True)


def _histogram(name: str, says: str, bounds: tuple[float, ...], *labels: str) -> Metric:
    return Metric(f"calotype_{name}_seconds", "histogram", says, labels, bounds)


GATEWAY = (
    _counter(
        "gateway_requests", "Requests answered, by route template.", "method", "route", "status"
    ),
    _histogram(
        "gateway_request",
        "From a request's head to its answer's end.",
        _REQUESTS,
        "method",
        "route",
        "status",
    ),
    _gauge("gateway_requests_in_flight", "Requests being answered."),
    _counter("gateway_response_bytes", "Bytes of answers' bodies."),
    _counter("uploads", "Originals offered: accepted, or the refusal's code.", "outcome"),
    _counter("upload_bytes", "Bytes of originals received."),
)

ORDERS = (
    _counter(
        "orders",
        "Orders that came into a state: accepted, done, failed, dead (failed, and kept).",
        "state",
    ),
    _counter("order_retries", "Tries of orders that failed and are tried again.", "code"),
    _histogram("order", "From an order's acceptance to its end.", _REQUESTS, "state"),
    _shared("orders_waiting", "Orders in a state that somebody must end: pending, dead.", "state"),
    _shared("backlog_age_seconds", "Age of the oldest unfinished order; 0 without one."),
    _shared("backlog_render_seconds", "Render seconds that the waiting orders will take."),
    _counter("generations", "Pictures asked of the model, by outcome.", "outcome"),
)

BUS = (
    _shared("jetstream_pending_messages", "Messages of the work stream not delivered yet."),
    _shared("jetstream_ack_pending_messages", "Messages delivered and not acknowledged yet."),
    _shared("jetstream_redelivered_messages", "Unacknowledged messages delivered again."),
    _shared("jetstream_dead_messages", "Messages in the dead-letter stream."),
    _counter("jetstream_deliveries", "Messages taken: first, or again.", "turn"),
    _shared("outbox_age_seconds", "Age of the oldest announcement that the bus has not got."),
    _shared("outbox_unsent", "Announcements that the bus has not got; at most 10000 are counted."),
    _counter("outbox_published", "Announcements given to the bus, by outcome.", "outcome"),
)

RENDERS = (
    _histogram("render", "Time in a child, by format and stage.", _RENDERS, "stage", "format"),
    _histogram("render_queue", "Wait for a free child.", _CALLS),
    _gauge("render_children", "Children alive: busy, idle.", "state"),
    _counter("render_children_lost", "Children that ended, by reason.", "reason"),
    _counter("render_busy_seconds", "Time that children were at work."),
    _counter("render_refused", "Calls refused because too many waited."),
    _gauge("render_waiting", "Calls at work or waiting for a child."),
    _gauge("render_memory_lent_bytes", "Memory that renders under way may use."),
    _counter("variants", "Variants made, by format.", "format"),
    _counter("variant_in_bytes", "Bytes of originals that variants were made of.", "format"),
    _counter("variant_out_bytes", "Bytes of variants made.", "format"),
)

EDGE = (
    _counter(
        "edge_requests", "Answers, by tier: memory, disk, store, render, none.", "tier", "status"
    ),
    _histogram("edge_request", "From a request to its answer.", HITS, "tier"),
    _counter("edge_bytes", "Bytes of answers' bodies, by tier.", "tier"),
    _counter("edge_collapsed", "Requests that waited for another's answer and shared it."),
    _counter("edge_evictions", "Copies that made room, by tier: memory, disk.", "tier"),
    _gauge("edge_cache_bytes", "Bytes of copies, by tier: memory, disk.", "tier"),
    _gauge("edge_cache_limit_bytes", "Bytes that copies may take, by tier.", "tier"),
    _gauge("edge_cache_copies", "Copies in memory."),
    _counter("edge_purges", "Purges heard."),
    _histogram("edge_purge_delay", "From a purge's announcement to its end here.", _CALLS),
    _gauge("edge_trusted", "1 while every purge is heard; 0 while copies are confirmed first."),
)

STORES = (
    _histogram(
        "storage_operation",
        "Operations, by backend: local, s3, customer.",
        _CALLS,
        "backend",
        "operation",
    ),
    _counter("storage_errors", "Operations that failed.", "backend", "operation", "error"),
    _histogram("database_transaction", "Time in the database: read, write.", _CALLS, "kind"),
    _histogram("database_queue", "Wait for a turn at the database.", _CALLS, "kind"),
    _counter("database_errors", "Calls that the database did not answer.", "kind"),
    _gauge("database_connections_used", "Connections in use.", "kind"),
    _gauge("database_connections_limit", "Connections that there may be.", "kind"),
    _counter("source_fetches", "Originals fetched by URL: ok, or the failure's code.", "outcome"),
    _counter("source_bytes", "Bytes of originals fetched by URL."),
    _counter("egress_refused", "Connections refused because of their address."),
)

UPKEEP = (
    _counter("credits", "Credits by movement: grant, reserve, capture, refund.", "movement"),
    _counter("reconciler_findings", "Things found wrong, by kind.", "kind"),
    _shared("reconciler_last_findings", "Things found wrong by the last look, by kind.", "kind"),
    _counter("reconciler_rounds", "Rounds taken: seen everything, or blind.", "round", "outcome"),
    _shared("reconciler_last_round_timestamp_seconds", "When a round ended last.", "round"),
)

PROCESS = (
    _gauge("build_info", "1, for this version in this role.", "version", "role"),
    _gauge("ready", "1 while the process is ready for its work."),
)

METRICS: tuple[Metric, ...] = (
    *GATEWAY,
    *ORDERS,
    *BUS,
    *RENDERS,
    *EDGE,
    *STORES,
    *UPKEEP,
    *PROCESS,
)

_TIERS = (("memory",), ("disk",), ("store",), ("render",), ("none",))
_KINDS = (("read",), ("write",))

KNOWN: dict[str, tuple[tuple[str, ...], ...]] = {
    "calotype_uploads_total": (("accepted",),),
    "calotype_orders_total": (("accepted",), ("done",), ("failed",), ("dead",)),
    "calotype_order_seconds": (("done",), ("failed",)),
    "calotype_generations_total": (("ok",),),
    "calotype_jetstream_deliveries_total": (("first",), ("again",)),
    "calotype_outbox_published_total": (("said",), ("failed",)),
    "calotype_edge_requests_total": tuple((*tier, "200") for tier in _TIERS[:-1]),
    "calotype_edge_request_seconds": _TIERS,
    "calotype_edge_bytes_total": _TIERS,
    "calotype_edge_evictions_total": _TIERS[:2],
    "calotype_database_transaction_seconds": _KINDS,
    "calotype_database_queue_seconds": _KINDS,
    "calotype_database_errors_total": _KINDS,
    "calotype_source_fetches_total": (("ok",),),
    "calotype_credits_total": (("grant",), ("reserve",), ("capture",), ("refund",)),
    "calotype_reconciler_rounds_total": tuple(
        (name, outcome) for name in ("round", "sweep") for outcome in ("ok", "blind")
    ),
}
"""Labels that are there from the beginning: what was never counted is 0, and not missing."""
