"""Accounts and credits: what is asked and paid for, and whether the books are right."""

from deploy.grafana.panels import (
    GREEN,
    ORANGE,
    RED,
    Dashboard,
    Panel,
    Query,
    Row,
    or_none,
    per_minute,
    rate,
)

_REFUSED = 'calotype_gateway_requests_total{status=~"401|402|403|413|429"}'


def _credits(*movements: str) -> str:
    return f'sum(calotype_credits_total{{movement=~"{"|".join(movements)}"}})'


def _moved(movement: str) -> str:
    """In the time shown."""
    return f'sum(increase(calotype_credits_total{{movement="{movement}"}}[$__range]))'


BOOKS = Row(
    "Books",
    4,
    (
        Panel(
            "Ledger",
            "Accounts whose credits are not their ledger's sum. Anything but 0 is a fault.",
            "short",
            (Query('max(calotype_reconciler_last_findings{kind="balances"})', "differ"),),
            "stat",
            steps=((0, GREEN), (1, RED)),
        ),
        Panel(
            "Credits earned",
            "Credits captured in the time shown.",
            "short",
            (Query(_moved("capture"), "paid"),),
            "stat",
            steps=((0, GREEN),),
            digits=0,
        ),
        Panel(
            "Refunded",
            "Share of the credits reserved in the time shown that came back.",
            "percentunit",
            (
                Query(
                    f"{_moved('refund')} / clamp_min({_moved('reserve')}, 1)",
                    "refunded",
                ),
            ),
            "stat",
            steps=((0, GREEN), (0.05, ORANGE), (0.2, RED)),
            digits=1,
        ),
        Panel(
            "Reconciled",
            "How long ago the last round of the reconciler ended. One is due every minute.",
            "s",
            (
                Query(
                    'time() - max(calotype_reconciler_last_round_timestamp_seconds{round="round"})',
                    "ago",
                ),
            ),
            "stat",
            steps=((0, GREEN), (180, ORANGE), (600, RED)),
        ),
    ),
)

CREDITS = Row(
    "Credits",
    8,
    (
        Panel(
            "Movements",
            "Credits a minute: reserved when an order is accepted, then captured or refunded.",
            "cpm",
            (Query(per_minute("calotype_credits_total", "movement"), "{{movement}}"),),
            width=12,
        ),
        Panel(
            "In reserve",
            "Credits reserved and not yet captured or refunded, since the counters began.",
            "short",
            (Query(f"{_credits('reserve')} - {_credits('capture', 'refund')}", "reserved"),),
            width=12,
        ),
    ),
)

ASKED = Row(
    "Asked for",
    8,
    (
        Panel(
            "Uploads",
            "Originals offered a minute: accepted, or why not.",
            "cpm",
            (
                Query(
                    or_none(per_minute("calotype_uploads_total", "outcome"), "outcome"),
                    "{{outcome}}",
                ),
            ),
            "stack",
        ),
        Panel(
            "Bytes received",
            "Bytes of originals received.",
            "Bps",
            (Query(rate("calotype_upload_bytes_total"), "received"),),
        ),
        Panel(
            "Generations",
            "Pictures a minute asked of the model, by outcome.",
            "cpm",
            (
                Query(
                    or_none(per_minute("calotype_generations_total", "outcome"), "outcome"),
                    "{{outcome}}",
                ),
            ),
        ),
        Panel(
            "Turned away",
            "Requests a minute without a valid key (401), credits (402), permission (403), of too "
            "many bytes (413) or too often (429).",
            "cpm",
            (Query(or_none(per_minute(_REFUSED, "status"), "status"), "{{status}}"),),
        ),
    ),
)

ORDER = Row(
    "Put right",
    7,
    (
        Panel(
            "Findings",
            "What the reconciler found within the last hour, by kind.",
            "short",
            (
                Query(
                    "sum by (kind) (increase(calotype_reconciler_findings_total[1h])) > 0"
                    ' or on () label_replace(vector(0), "kind", "nothing", "", "")',
                    "{{kind}}",
                ),
            ),
            "bars",
            12,
            digits=0,
        ),
        Panel(
            "Rounds",
            "Rounds of the reconciler a minute; a blind one could not see everything.",
            "cpm",
            (
                Query(
                    per_minute("calotype_reconciler_rounds_total", "round", "outcome"),
                    "{{round}} {{outcome}}",
                ),
            ),
            width=12,
        ),
    ),
)

ACCOUNTS = Dashboard(
    "accounts",
    "Accounts and credits",
    "What is asked and paid for, and whether the books are right.",
    (BOOKS, CREDITS, ASKED, ORDER),
)
