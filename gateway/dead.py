"""Dead letters, for the command line: seen, retried, dropped."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from gateway.views import iso
from models.errors import NotFound, ServiceError
from models.events import DEAD_ORDERS, OrderDied
from models.letters import drop_letter, retry_letter
from models.orders import find_order
from models.orphans import sort_originals
from models.records import Order
from pipeline.bus_queue import Letter, dead_letters, drop_dead
from pipeline.services import Services

_read_death = msgspec.json.Decoder(OrderDied).decode


class Dead(NamedTuple):
    """A dead letter: of an order, or a message that nobody understands."""

    letter: Letter
    order_id: str
    reason: str

    @property
    def when(self) -> datetime:
        """When it became one."""
        return self.letter.time

    def is_meant(self, name: str) -> bool:
        """Whether somebody who says `name` means this one."""
        return name in (str(self.letter.seq), self.order_id)


async def all_dead(services: Services) -> AsyncIterator[Dead]:
    """Every dead letter, oldest first."""
    async for letter in dead_letters(services.bus):
        yield _understood(letter)


def _understood(letter: Letter) -> Dead:
    if not letter.subject.startswith(f"{DEAD_ORDERS}."):
        return Dead(letter, "", "a message that nobody understands")
    died = _read_death(letter.data)
    return Dead(letter, died.order_id, f"{died.failure.message} ({died.attempts} attempts)")


async def meant(services: Services, names: tuple[str, ...], *, everyone: bool) -> list[Dead]:
    """The letters of these names, or all. NotFound names one that there is not."""
    dead = [one async for one in all_dead(services)]
    if everyone:
        return dead
    return [_named(dead, name) for name in dict.fromkeys(names)]


def _named(dead: list[Dead], name: str) -> Dead:
    for one in dead:
        if one.is_meant(name):
            return one
    raise NotFound(f"There is no dead letter '{name}'; 'calotype dead list' shows them.")


def row(dead: Dead) -> dict[str, Any]:
    """One line of the list."""
    return {
        "id": dead.letter.seq,
        "order": dead.order_id or None,
        "reason": dead.reason,
        "when": iso(dead.when),
    }


async def everything(dead: Dead, services: Services) -> dict[str, Any]:
    """All that is known of a letter and its order."""
    told = row(dead) | {"message": dead.letter.data.decode(errors="replace")}
    order = await services.database.read(find_order, dead.order_id) if dead.order_id else None
    if order is None:
        return told
    lost = await _is_lost(order, services)
    return told | {"can_be_retried": not lost} | _facts(order)


def _facts(order: Order) -> dict[str, Any]:
    shown = ("account_id", "bucket_id", "kind", "state", "image_id", "cost_free", "cost_paid")
    facts = {name: getattr(order, name) for name in (*shown, "attempts", "staging_key")}
    values = {name: getattr(order, name) for name in ("original", "change", "asked", "failure")}
    moments = {name: iso(getattr(order, name)) for name in ("created_at", "finished_at")}
    return facts | moments | {name: msgspec.to_builtins(one) for name, one in values.items()}


async def retry(dead: Dead, services: Services) -> str:
    """Accept the order of a letter anew, paid anew; the id of the new order.

    Raises what refuses it, and then nothing is changed.
    """
    order = await services.database.read(find_order, dead.order_id) if dead.order_id else None
    if order is None:
        raise ServiceError("there is no order to retry: nobody understands this message")
    if await _is_lost(order, services):
        raise ServiceError("its original is gone: it has to be uploaded again")
    made = await services.database.run(retry_letter, order.id)
    await drop_dead(services.bus, dead.letter.subject)
    return made


async def _is_lost(order: Order, services: Services) -> bool:
    if order.generation is not None and order.generated is None:
        return False  # it will be generated
    return bool(await services.stores.own.missing([order.staging_key]))


async def drop(dead: Dead, services: Services) -> None:
    """Forget a letter, and the original that was kept for it."""
    order = await services.database.read(find_order, dead.order_id) if dead.order_id else None
    if order is not None and order.parked_at is not None:
        await services.database.run(drop_letter, order.id)
        left = await services.database.read(sort_originals, [order.staging_key])
        await services.stores.own.delete(left.unowned)
    await drop_dead(services.bus, dead.letter.subject)
