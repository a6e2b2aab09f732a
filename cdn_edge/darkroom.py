"""Derivatives: found in object storage, or rendered once and kept there under their source."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

import structlog

from cdn_edge.checked import Checked
from cdn_edge.derived import pack, unpack
from cdn_edge.entry import Entry
from cdn_edge.failures import Failures
from cdn_edge.fleet import Fleet, Work
from cdn_edge.look import Look
from cdn_edge.looks import Looks
from cdn_edge.promise import promised
from cdn_edge.sources import Stored, ranked, recipe_from
from models.errors import (
    NotFound,
    Overloaded,
    ServiceError,
    TooManyRequests,
    Unavailable,
)
from models.places import derived_folder
from models.recipe import Recipe, fingerprint
from pipeline.prints import Probe
from pipeline.storage import MissingObject, Storage
from pipeline.studio import StoredPrint, Studio

FindStored: TypeAlias = Callable[[Entry], Awaitable[list[Stored]]]
"""What derivatives of this variant may start from; NotFound when its image is gone."""
OpenStored: TypeAlias = Callable[[Stored, Path], AbstractAsyncContextManager[Path]]
"""One of them as a file, in a scratch folder if need be. Raises NotFound."""
IsStill: TypeAlias = Callable[[Entry], Awaitable[bool]]
"""Whether this variant is still its image's."""
Hire: TypeAlias = Callable[[], Awaitable[Studio]]
"""The studio, opened when it is first needed."""

_LOOK_SECONDS = 10.0
_MOST_STOCKED = 10_000
_LARGE = 1 << 20
"""Bytes just written that are read in a thread; fewer are there sooner than a thread is."""

log = structlog.get_logger(__name__)


class Derived(NamedTuple):
    """A derivative and how we came by it, in the words of Cache-Status."""

    entry: Entry
    body: bytes
    how: str


class Order(NamedTuple):
    """What is asked of the darkroom: a recipe, from a variant, on whose account."""

    variant: Entry
    recipe: Recipe
    admit: Callable[[], Awaitable[None]]
    """Called before a render: may raise TooManyRequests."""
    still: Callable[[], Awaitable[bool]]
    """Whether the variant is still what it was; asked when its derivative was stored."""

    key: str
    """Where the derivative is stored; also its name among all edges."""


def derivative_key(variant: Entry, recipe: Recipe) -> str:
    """The one place of this derivative of this variant, under its image."""
    folder = derived_folder(variant.bucket, variant.image, variant.etag)
    return f"{folder}/{fingerprint(recipe)}"


class Darkroom:
    """Makes derivatives, a bounded number at the same time."""

    def __init__(
        self,
        storage: Storage,
        find: FindStored,
        open_stored: OpenStored,
        hire: Hire,
        fleet: Fleet,
        *,
        most: int,
    ) -> None:
        self._storage = storage
        self._find = find
        self._open = open_stored
        self._stock: OrderedDict[tuple[str, str], list[Stored]] = OrderedDict()
        self._probes: OrderedDict[str, Probe] = OrderedDict()
        self._checked = Checked()
        self._hire = hire
        self._fleet = fleet
        self._most = most
        self._inside = self._present = 0
        self._failures = Failures(time.monotonic)
        self.looks = Looks(time.monotonic)

    @property
    def full(self) -> bool:
        """Whether who asks for what is not known would be refused. For any thread."""
        return self._present >= self._most and not self.looks.allowed

    async def derivative(self, order: Order) -> Derived:
        """The derivative. Raises Overloaded, TooManyRequests, or what the picture failed with."""
        self._present += 1
        try:
            return await self._derivative(order)
        finally:
            self._present -= 1

    async def _derivative(self, order: Order) -> Derived:
        found = await self._look(order)
        self.looks.taken(found=found is not None)
        if found is not None:
            return found
        self._failures.check(order.key)
        with self._entered():
            work = Work(
                look=partial(self._look, order),
                make=partial(self._make, order),
                keep=partial(self._keep, order),
                confirm=partial(self._confirm, order),
            )
            return await self._fleet.once(order.key, work)

    async def _look(self, order: Order) -> Derived | None:
        """What is stored, if it is whole."""
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                data = await self._storage.get(order.key)
        except MissingObject:
            return None
        except TimeoutError as error:
            raise Unavailable from error
        whole = await asyncio.to_thread(unpack, data, order.variant.etag)
        if whole is None:
            log.warning("a stored derivative is damaged", object=order.key)
            return None
        return Derived(*whole, "fwd=uri-miss; detail=stored")

    async def _make(self, order: Order) -> Derived:
        await order.admit()
        try:
            entry, body = await self._render(order)
        except (Unavailable, TooManyRequests, NotFound):
            raise
        except ServiceError as error:
            self._failures.note(order.key, error)
            raise
        return Derived(entry, body, "fwd=uri-miss; stored; detail=rendered")

    async def _render(self, order: Order) -> tuple[Entry, bytes]:
        """From the best of what is there; what is missing or damaged is passed over."""
        own = _as_stored(order.variant)
        order = order._replace(recipe=promised(order.recipe, own.size))
        studio = await self._hire()
        for stored in ranked(order.recipe, own, await self._stocked(order.variant)):
            try:
                async with self._open(stored, studio.scratch) as path:
                    look = await self._checked.look(path, stored.sha256)
                    if look is not None and _shows_the_same(look, stored, own):
                        mine = order._replace(recipe=recipe_from(stored, order.recipe))
                        return await self._printed(studio, path, stored.sha256, mine)
            except NotFound:
                self._stock.pop(_generation(order.variant), None)
            log.warning("a source of derivatives is missing or damaged", object=stored.key)
        log.error("there is nothing whole to make a derivative from", object=order.variant.path)
        raise Unavailable

    async def _printed(
        self, studio: Studio, path: Path, sha256: str, order: Order
    ) -> tuple[Entry, bytes]:
        """A file with this hash; what its header says is asked for once."""
        known = self._probes.get(sha256)
        with await studio.render(path, [order.recipe], known=known, name=sha256) as prints:
            while known is None and len(self._probes) >= _MOST_STOCKED:
                self._probes.popitem(last=False)
            self._probes[sha256] = prints.probe
            made = prints[0]
            large = made.size > _LARGE
            read = made.path.read_bytes
            body = await asyncio.to_thread(read) if large else read()
        return _entry(order, made), body

    async def _stocked(self, variant: Entry) -> list[Stored]:
        """What there is to start from: the same for as long as the variant is the same."""
        generation = _generation(variant)
        known = self._stock.get(generation)
        if known is None:
            known = await self._find(variant)
            while len(self._stock) >= _MOST_STOCKED:
                self._stock.popitem(last=False)
            self._stock[generation] = known
        return known

    async def _keep(self, order: Order, made: Derived) -> None:
        with _noted():
            await self._storage.put(order.key, pack(made.entry, made.body), lasting=False)

    async def _confirm(self, order: Order) -> None:
        """When its source was deleted meanwhile, whoever did that has missed the derivative."""
        with _noted():
            if not await order.still():
                await self._storage.delete([order.key])

    @contextmanager
    def _entered(self) -> Iterator[None]:
        if self._inside >= self._most:
            raise Overloaded(retry_after=1)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


@contextmanager
def _noted() -> Iterator[None]:
    """The answer was given: what cannot be kept is made again."""
    try:
        yield
    except ServiceError as error:
        log.warning("a derivative was not kept", reason=str(error))


def _entry(order: Order, made: StoredPrint) -> Entry:
    variant = order.variant
    return Entry(
        path=order.key,
        content_type=made.content_type,
        etag=made.sha256,
        size=made.size,
        last_modified=variant.last_modified,
        immutable=variant.immutable,
        format=made.format,
        width=made.width,
        height=made.height,
        source=variant.etag,
    )


def _generation(variant: Entry) -> tuple[str, str]:
    """An image as it is until it is replaced. Other images may have the same bytes."""
    return variant.image, variant.etag


def _as_stored(variant: Entry) -> Stored:
    return Stored(
        kind="variant",
        key=variant.path,
        format=variant.format,
        width=variant.width,
        height=variant.height,
        sha256=variant.etag,
        store=variant.store,
    )


def _shows_the_same(look: Look, stored: Stored, own: Stored) -> bool:
    """A variant without alpha has a background, which the image's masters do not know of."""
    return own.format != "jpeg" or stored == own or not look.alpha
