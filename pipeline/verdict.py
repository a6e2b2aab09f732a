"""What a failure of an order means: tried again or not, and what is said if it is the end."""

from datetime import timedelta
from typing import NamedTuple

import structlog

from models.columns import now
from models.errors import (
    BucketFailed,
    BucketRefused,
    ModelAnswerBroken,
    ModelAway,
    ModelBusy,
    ModelTooSlow,
    NoModel,
    RenderCrashed,
    RenderOutOfMemory,
    RenderTimedOut,
    ServiceError,
    WorkersDied,
)
from models.events import Failure
from models.records import Order
from pipeline.storage import MissingObject

log = structlog.get_logger(__name__)

# The child, the model or the customer's storage failed, not the image for certain: another try may
# succeed.
_WORTH_ANOTHER_TRY = (
    RenderCrashed,
    RenderTimedOut,
    RenderOutOfMemory,
    BucketFailed,
    ModelAnswerBroken,
    ModelAway,
    ModelBusy,
    ModelTooSlow,
    NoModel,
)

# Workers are killed more often than they are poisoned, and their neighbours die with them.
_DEATHS_AN_ATTEMPT = 3


class Patience(NamedTuple):
    """How often an order is tried, how long it may take, and a customer's storage be away."""

    attempts: int
    bucket_seconds: float
    job_seconds: float = 600.0


class Verdict(NamedTuple):
    """Whether the order may be tried again, up to so many times (None: no end), and its failure.

    `rest` is the seconds that a model wants to be left alone.
    """

    again: bool
    most: int | None
    failure: Failure
    left: tuple[str, ...] = ()
    rest: float = 0.0


def is_suspect(order: Order) -> bool:
    """Whether so many died over this order that it is to be alone with the next one.

    Then nobody dies with it, and it is not blamed for what others did.
    """
    return order.begun >= _DEATHS_AN_ATTEMPT


def refuse_deadly(order: Order, patience: Patience) -> None:
    """Raise WorkersDied when too many who began this order were never heard of again."""
    if order.begun >= patience.attempts * _DEATHS_AN_ATTEMPT:
        raise WorkersDied


def judge(error: Exception, order: Order, patience: Patience) -> Verdict:
    """What this failure of an order means."""
    if isinstance(error, WorkersDied):
        return Verdict(again=True, most=0, failure=_failure(error))
    if isinstance(error, ServiceError):
        again = isinstance(error, _WORTH_ANOTHER_TRY)
        left = error.left if isinstance(error, BucketFailed) else ()
        most = None if _is_waited_for(error, order, patience) else patience.attempts
        return Verdict(again, most, _failure(error), left, _rest(error))
    if isinstance(error, MissingObject):
        log.error("the original is gone from staging", object=str(error))
        return Verdict(again=False, most=0, failure=_failure(ServiceError()))
    log.error("unexpected failure", exc_info=error)
    return Verdict(again=True, most=patience.attempts, failure=_failure(ServiceError()))


def _rest(error: ServiceError) -> float:
    return float(error.retry_after or 0) if isinstance(error, ModelBusy) else 0.0


def _failure(error: ServiceError) -> Failure:
    return Failure(status=error.status, code=error.code(), message=error.sentence)


def _is_waited_for(error: Exception, order: Order, patience: Patience) -> bool:
    """A customer's storage that is away may come back; one that refuses us will not."""
    if not isinstance(error, BucketFailed) or isinstance(error, BucketRefused):
        return False
    return now() - order.created_at < timedelta(seconds=patience.bucket_seconds)
