"""Pipeline: what waits, what is rendered, and what goes wrong with it."""

from deploy.grafana.panels import (
    GREEN,
    ORANGE,
    RED,
    Dashboard,
    Panel,
    Query,
    Row,
    mean,
    or_none,
    per_minute,
    quantiles,
    rate,
    rates,
)

BACKLOG = Row(
    "Backlog",
    7,
    (
        Panel(
            "Orders",
            "Orders a second by what became of them. Accepted and done should lie on each other.",
            "ops",
            rates("calotype_orders_total", "state"),
        ),
        Panel(
            "Oldest order",
            "How long the oldest unfinished order has waited, and the oldest word to NATS.",
            "s",
            (
                Query("max(calotype_backlog_age_seconds)", "order"),
                Query("max(calotype_outbox_age_seconds)", "outbox"),
            ),
            steps=((0, GREEN), (120, RED)),
        ),
        Panel(
            "Work waiting",
            "Render seconds before the newest order. Divided by the children it is the wait; "
            "more pipelines when it grows.",
            "s",
            (Query("max(calotype_backlog_render_seconds)", "of one child"),),
        ),
        Panel(
            "JetStream",
            "Messages of the work stream: not taken yet, in hand, delivered again, dead.",
            "short",
            tuple(
                Query(f"max(calotype_jetstream_{name}_messages)", legend)
                for name, legend in (
                    ("pending", "pending"),
                    ("ack_pending", "in hand"),
                    ("redelivered", "again"),
                    ("dead", "dead"),
                )
            ),
        ),
    ),
)

RENDERS = Row(
    "Renders",
    7,
    (
        Panel(
            "Variants",
            "Variants made a second, by format.",
            "ops",
            rates("calotype_variants_total", "format"),
            "stack",
        ),
        Panel(
            "Stages",
            "Where a render's time goes: child seconds a second. Libvips reads lazily: decoding "
            "that nobody shares counts as resizing.",
            "short",
            rates("calotype_render_seconds_sum", "stage"),
            "stack",
            digits=2,
        ),
        Panel(
            "Encoding",
            "Mean seconds to encode one variant, by format.",
            "s",
            (Query(mean('calotype_render_seconds{stage="encode"}', "format"), "{{format}}"),),
        ),
        Panel(
            "Bytes",
            "Originals in, and the variants that came of them.",
            "Bps",
            (
                Query(rate("calotype_variant_in_bytes_total"), "in"),
                Query(rate("calotype_variant_out_bytes_total"), "out"),
            ),
        ),
    ),
)

CHILDREN = Row(
    "Render children",
    7,
    (
        Panel(
            "Children",
            "Processes that render, busy and idle.",
            "short",
            (Query("sum by (state) (calotype_render_children)", "{{state}}"),),
            "stack",
        ),
        Panel(
            "Queue",
            "How long a job waits for a free child.",
            "s",
            quantiles("calotype_render_queue_seconds"),
        ),
        Panel(
            "Lost",
            "Children a minute that ended: killed for time or memory, crashed, or retired by age.",
            "cpm",
            (Query(per_minute("calotype_render_children_lost_total", "reason"), "{{reason}}"),),
        ),
        Panel(
            "Admitted",
            "Memory that the renders under way may take. What would take too much waits.",
            "decbytes",
            (Query("sum by (job) (calotype_render_memory_lent_bytes)", "{{job}}"),),
        ),
    ),
)

TROUBLE = Row(
    "Trouble",
    7,
    (
        Panel(
            "Retries",
            "Tries of orders that failed, a minute, by cause.",
            "cpm",
            (
                Query(
                    or_none(per_minute("calotype_order_retries_total", "code"), "code"),
                    "{{code}}",
                ),
            ),
        ),
        Panel(
            "Deliveries",
            "Messages taken from the stream: for the first time, and again.",
            "ops",
            rates("calotype_jetstream_deliveries_total", "turn"),
        ),
        Panel(
            "Dead letters",
            "Orders that failed at their last attempt and wait to be retried or dropped.",
            "short",
            (Query('max(calotype_orders_waiting{state="dead"})', "dead"),),
            "stat",
            steps=((0, GREEN), (1, ORANGE)),
        ),
        Panel(
            "Outbox",
            "Announcements given to NATS, a second, by outcome.",
            "ops",
            rates("calotype_outbox_published_total", "outcome"),
        ),
    ),
)

PIPELINE = Dashboard(
    "pipeline",
    "Pipeline",
    "What waits, what is rendered and how long that takes, and what goes wrong.",
    (BACKLOG, RENDERS, CHILDREN, TROUBLE),
)
