"""Calotype's streams on JetStream, and who reads them how."""

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DeliverPolicy,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from models.events import DEAD, DELETIONS, EVENTS, ORDERS, PURGES

WORK_STREAM = "CALOTYPE_WORK"
EVENT_STREAM = "CALOTYPE_EVENTS"
PURGE_STREAM = "CALOTYPE_PURGES"
DEAD_STREAM = "CALOTYPE_DEAD"
PIPELINE = "pipeline"

_HOUR = 3600.0
_MONTH = 30 * 24 * _HOUR


def streams(replicas: int) -> tuple[StreamConfig, ...]:
    """Every stream there is, so many copies of each."""
    return (
        StreamConfig(
            name=WORK_STREAM,
            subjects=[f"{ORDERS}.>", f"{DELETIONS}.>"],
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            storage=StorageType.FILE,
            num_replicas=replicas,
        ),
        StreamConfig(
            name=EVENT_STREAM,
            subjects=[f"{EVENTS}.>"],
            max_age=_HOUR,  # outcomes: who waits for one looks in the database when it is silent
            storage=StorageType.FILE,
            num_replicas=replicas,
        ),
        StreamConfig(
            name=PURGE_STREAM,
            subjects=[f"{PURGES}.>"],
            max_age=_MONTH,  # an edge that was away for longer starts with an empty cache
            storage=StorageType.FILE,
            num_replicas=replicas,
        ),
        StreamConfig(
            name=DEAD_STREAM,
            subjects=[f"{DEAD}.>"],
            storage=StorageType.FILE,
            num_replicas=replicas,
        ),
    )


def follower(after: int) -> ConsumerConfig:
    """Who hears every purge after one."""
    return ConsumerConfig(
        ack_policy=AckPolicy.NONE,
        deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        inactive_threshold=60,
        mem_storage=True,
        num_replicas=1,
    )


def consumer(ack_wait: float) -> ConsumerConfig:
    """Who shares the work; what nobody spoke for in so many seconds is delivered again."""
    # Attempts are counted by the worker: a server that stops delivering would strand an order.
    return ConsumerConfig(
        durable_name=PIPELINE,
        ack_policy=AckPolicy.EXPLICIT,
        deliver_policy=DeliverPolicy.ALL,
        ack_wait=ack_wait,
        max_deliver=-1,
        max_ack_pending=1000,
    )
