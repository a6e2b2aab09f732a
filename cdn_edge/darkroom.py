"""Derivatives: found in object storage, or rendered once and kept there under their source."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple, TypeAlias
from uuid import uuid4

from cdn_edge.derived import pack, unpack
from cdn_edge.entry import Entry
from cdn_edge.failures import Failures
from cdn_edge.fleet import Fleet, Work
from cdn_edge.look import look_at
from cdn_edge.sources import Stored, ranked
from models.errors import (
    NotFound,
    Overloaded,
    ServiceError,
    TooManyRequests,
    Unavailable,
)
from models.places import derived_folder
from models.recipe import Recipe, fingerprint
from pipeline.storage import MissingObject, Storage
from pipeline.studio import Studio

FindStored: TypeAlias = Callable[[Entry], Awaitable[list[Stored]]]
"""What derivatives of this variant may start from; NotFound when its image is gone."""
ReadStored: TypeAlias = Callable[[Stored], Awaitable[bytes]]
"""The bytes of one of them. Raises NotFound."""
Hire: TypeAlias = Callable[[], Awaitable[Studio]]
"""The studio, opened when it is first needed."""

_LOOK_SECONDS = 10.0

log = logging.getLogger(__name__)


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

    @property
    def key(self) -> str:
        """Where the derivative is stored; also its name among all edges."""
        folder = derived_folder(self.variant.bucket, self.variant.image, self.variant.etag)
        return f"{folder}/{fingerprint(self.recipe)}"


class Darkroom:
    """Makes derivatives, a bounded number at the same time."""

    def __init__(
        self,
        storage: Storage,
        find: FindStored,
        read: ReadStored,
        hire: Hire,
        fleet: Fleet,
        *,
        most: int,
    ) -> None:
        self._storage = storage
        self._find = find
        self._read = read
        self._hire = hire
        self._fleet = fleet
        self._most = most
        self._inside = 0
        self._failures = Failures(time.monotonic)

    async def derivative(self, order: Order) -> Derived:
        """The derivative. Raises Overloaded, TooManyRequests, or what the picture failed with."""
        found = await self._look(order)
        if found is not None:
            return found
        self._failures.check(order.key)
        with self._entered():
            work = Work(
                look=partial(self._look, order),
                make=partial(self._make, order),
                keep=partial(self._keep, order),
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
            log.warning("a stored derivative is damaged: %s", order.key)
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
        variant = order.variant
        own = _as_stored(variant)
        studio = await self._hire()
        for stored in ranked(order.recipe, own, await self._find(variant)):
            data = await self._whole(stored)
            if data is not None and (stored == own or _looks_like(variant, data)):
                return await _printed(studio, data, order)
        log.error("there is nothing whole to make a derivative from: %s", variant.path)
        raise Unavailable

    async def _whole(self, stored: Stored) -> bytes | None:
        try:
            data = await self._read(stored)
        except NotFound:
            log.warning("a source of derivatives is missing: %s", stored.key)
            return None
        if await asyncio.to_thread(_digest, data) != stored.sha256:
            log.warning("a source of derivatives is damaged: %s", stored.key)
            return None
        return data

    async def _keep(self, order: Order, made: Derived) -> None:
        """Store it; but when its source was deleted meanwhile, whoever did that missed this."""
        try:
            await self._storage.put(order.key, pack(made.entry, made.body), lasting=False)
            if not await order.still():
                await self._storage.delete([order.key])
        except ServiceError as error:
            log.warning("a derivative was not kept: %s", error)

    @contextmanager
    def _entered(self) -> Iterator[None]:
        if self._inside >= self._most:
            raise Overloaded(retry_after=1)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1


async def _printed(studio: Studio, data: bytes, order: Order) -> tuple[Entry, bytes]:
    path = studio.scratch / uuid4().hex
    try:
        await asyncio.to_thread(path.write_bytes, data)
        with await studio.render(path, [order.recipe]) as prints:
            made = prints[0]
            body = await asyncio.to_thread(made.path.read_bytes)
    finally:
        path.unlink(missing_ok=True)
    variant = order.variant
    entry = Entry(
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
    return entry, body


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


def _looks_like(variant: Entry, data: bytes) -> bool:
    """A variant without alpha has a background that its masters do not know of."""
    return variant.format != "jpeg" or not look_at(data).alpha


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
