"""Submit: the one use case behind upload, update, generate and photo."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from models.database import Database
from models.errors import ServiceError, Unavailable, revived
from models.events import outcome_subject
from models.failpoint import failpoint
from models.orders import Draft, accept_order, find_order
from models.recipe import Recipe
from models.records import Order
from models.traces import span
from models.trail import on_behalf
from pipeline.services import Services

# The bus may have lost the outcome; the database has not. Looked for less and less often.
_LOOK_SECONDS = 1.0
_LONGEST_PAUSE = 4.0


def cost_of(asked: Sequence[Sequence[Recipe]]) -> int:
    """Credits: one for each format of each size. Thumbnails are free."""
    return sum(len(recipes) for recipes in asked)


@contextlib.asynccontextmanager
async def refused(services: Services, staging_key: str) -> AsyncIterator[None]:
    """Empty staging when the block refuses the order.

    One whose acceptance could not be learned (the database went away in that moment) keeps its
    original: the reconciler knows what to do.
    """
    try:
        yield
    except Unavailable:
        raise
    except ServiceError:
        await services.stores.own.delete([staging_key])
        raise


async def submit(draft: Draft, services: Services, patience: float | None = None) -> Order:
    """Accept the order and wait for its end; the order as it then is.

    `patience` is in seconds; without it, settings say how long. Raises what refused the order,
    and then nothing is left of it.
    """
    async with services.bus.listening(outcome_subject(draft.order_id)) as outcomes:
        async with refused(services, draft.staging_key):
            with span("transaction"):
                await services.database.run(accept_order, draft)
        failpoint("G2.committed")
        seconds = services.settings.answer_seconds if patience is None else patience
        with span("wait"):
            return await _wait_for(draft.order_id, outcomes, services.database, seconds)


async def end_of(order_id: str, services: Services, patience: float) -> Order:
    """Wait for the end of an order that was accepted before; the order as it then is."""
    async with services.bus.listening(outcome_subject(order_id)) as outcomes:
        with on_behalf(order_id=order_id), span("wait"):
            return await _wait_for(order_id, outcomes, services.database, patience, look_first=True)


async def _wait_for(
    order_id: str,
    outcomes: asyncio.Queue[bytes],
    database: Database,
    seconds: float,
    *,
    look_first: bool = False,
) -> Order:
    deadline = asyncio.get_running_loop().time() + seconds
    pause = 0 if look_first else _LOOK_SECONDS
    while True:
        left = deadline - asyncio.get_running_loop().time()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(outcomes.get(), max(0, min(left, pause)))
        pause = min(_LONGEST_PAUSE, pause * 2 or _LOOK_SECONDS)
        order = await look(order_id, database)
        if order is not None and (order.state != "pending" or left <= 0):
            return order
        if left <= 0:
            raise Unavailable


async def look(order_id: str, database: Database) -> Order | None:
    """The order, or None while the database is away: who waits outlives a short break."""
    with contextlib.suppress(Unavailable):
        return await database.read(find_order, order_id)
    await asyncio.sleep(_LOOK_SECONDS)
    return None


def failure_of(order: Order) -> ServiceError | None:
    """The error a failed order is answered with, None for any other."""
    if order.state != "failed" or order.failure is None:
        return None
    return revived(order.failure.code, order.failure.message)
