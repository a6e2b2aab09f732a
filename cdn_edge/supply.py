"""Where answers come from: memory, disk, what is stored, and what the darkroom makes of that."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from cdn_edge.absences import Absences
from cdn_edge.answers import UNCONFIRMED, Copy
from cdn_edge.asked import Asked
from cdn_edge.cache import Cache
from cdn_edge.darkroom import Darkroom, IsStill, Order, derivative_key
from cdn_edge.dialect import AUTO
from cdn_edge.entry import Entry
from cdn_edge.flights import Flight, Flights
from cdn_edge.keys import Address
from cdn_edge.look import look_at
from cdn_edge.source import Source
from cdn_edge.watch import Watch
from cdn_edge.wish import Source as Kind
from cdn_edge.wish import Wish, keeps_pixels, needs_look, recipe_of
from models.errors import BadRequest, Gone, NotFound, Unavailable
from models.recipe import Recipe, Resize
from models.wire import Wire

COLLAPSED = "collapsed"
"""Ends the status of who waited for another's answer and shared it."""
_MOST_ENTRIES = 20_000


class Limits(Wire, frozen=True):
    """How long the edge waits, in seconds, and how much it does at once."""

    find_seconds: float = 2.0
    fetch_seconds: float = 10.0
    absent_seconds: float = 5.0
    """A missing key is not looked up again for so long: nobody announces a new image's keys."""
    gone_seconds: float = 60.0
    confirmed_seconds: float = 1.0
    """While distrusting, what the database confirmed is good for so long."""
    misses: int = 512
    fetches: int = 64


class Found(NamedTuple):
    """A copy and how we came by it, in the words of Cache-Status and Server-Timing."""

    copy: Copy
    status: str
    timing: str
    age: str | None = None


class Making(NamedTuple):
    """The darkroom, who lets an account have another render, and who knows what is still there."""

    darkroom: Darkroom
    admit: Callable[[str], Awaitable[None]]
    still: IsStill


class Supply:
    """Gives a copy of what is asked; what it gave it remembers until that is forgotten.

    Only while `trusted` is a cached copy given without asking whether it is still the right one.
    """

    def __init__(
        self, source: Source, cache: Cache, limits: Limits, making: Making | None = None
    ) -> None:
        self.trusted = False
        self._source = source
        self._cache = cache
        self._get = cache.get
        self._limits = limits
        self._making = making
        self._absences = Absences(time.monotonic)
        self._flights: Flights[Found] = Flights(limits.misses)
        self._finds: Flights[Entry] = Flights(limits.misses)
        self._entries: OrderedDict[str, Entry] = OrderedDict()

    async def obtain(self, asked: Asked) -> Found:
        """A copy. Raises NotFound, Gone, Unavailable, and what the darkroom does."""
        copy = self._get(asked.name)
        if copy is not None and (self.trusted or copy.confirmed_until > time.monotonic()):
            return Found(copy, "hit; detail=memory", "memory")
        if absent := self.absence(asked.address.path):
            raise absent
        found, joined = await self._flights.join(asked.name, partial(self._bring, asked))
        return found._replace(status=f"{found.status}; {COLLAPSED}") if joined else found

    def absence(self, path: str) -> NotFound | Gone | None:
        """What was found out of this path a moment ago, if that was nothing. For any thread."""
        status = self._absences.get(path) if self.trusted else None
        if status is None:
            return None
        return Gone() if status == Gone.status else NotFound()

    @property
    def full(self) -> bool:
        """Whether nothing new is made just now. For any thread, as all that follows from it."""
        return self._making is not None and self._making.darkroom.full

    def lacks(self, name: str) -> bool:
        """Whether what caches call so is not here, and nobody is bringing it."""
        here = self._get(name) is not None or self._cache.has_on_disk(name)
        return not here and not self._flights.flying(name)

    async def bucket_of(self, address: Address) -> str:
        """The bucket that an object is in: its path says so, but for photos."""
        return address.bucket or (await self.obtain(Asked(address))).copy.entry.bucket

    async def forget(self, path: str, *, below: bool) -> None:
        """This path, or all `below` it, and every derivative, means something else from now on."""
        self._forget_work(path, below=below)
        await self._cache.drop(path, below=below)
        self._forget_work(path, below=below)

    def _forget_work(self, path: str, *, below: bool) -> None:
        if below:
            self._flights.forget_prefix(path)
            self._finds.forget_prefix(path)
            self._absences.drop_prefix(path)
            for known in [known for known in self._entries if known.startswith(path)]:
                del self._entries[known]
        else:
            self._flights.forget(path)
            self._flights.forget_prefix(f"{path}?")
            self._finds.forget(path)
            self._absences.drop(path)
            self._entries.pop(path, None)

    async def _bring(self, asked: Asked, flight: Flight[Found]) -> Found:
        """What is on disk if it may be trusted, what is confirmed, or else the stored bytes."""
        watch = Watch()
        on_disk, ticket = await self._cache.read(asked.name)
        watch.lap("disk")
        if on_disk and self._making:
            self._making.darkroom.looks.taken(found=True)
        if on_disk and self.trusted:
            return self._keep(asked, flight, Found(on_disk, "hit; detail=disk", watch.text()))
        kept = self._get(asked.name) or on_disk
        try:
            entry = await self._entry(asked.address, flight)
        except Unavailable:
            if kept is None:
                raise
            return Found(kept, "hit; detail=unconfirmed", watch.text(), UNCONFIRMED)
        watch.lap("find")
        if kept and entry.etag in (kept.entry.source, kept.entry.etag):
            same = entry if asked.plain else kept.entry
            found = Found(Copy(same, kept.body), "hit; detail=confirmed", watch.text())
            return self._keep(asked, flight, found)
        take = self._take if asked.plain else self._derive
        found = await take(asked, entry, watch)
        self._cache.write(asked.name, found.copy, ticket)
        return self._keep(asked, flight, found)

    async def _entry(self, address: Address, flight: Flight[Found]) -> Entry:
        """What the database says; while every purge is heard, once for all derivatives of it."""
        if not self.trusted:
            return await self._find(address, flight)
        known = self._entries.get(address.path)
        if known is None:
            known, _ = await self._finds.join(address.path, partial(self._remembered, address))
        return known

    async def _remembered(self, address: Address, flight: Flight[Entry]) -> Entry:
        entry = await self._find(address, flight)
        if not flight.stale:
            while len(self._entries) >= _MOST_ENTRIES:
                self._entries.popitem(last=False)
            self._entries[address.path] = entry
        return entry

    async def _find(self, address: Address, flight: Flight[Any]) -> Entry:
        try:
            return await self._source.find(address)
        except (NotFound, Gone) as error:
            if not flight.stale:
                gone = error.status == Gone.status
                seconds = self._limits.gone_seconds if gone else self._limits.absent_seconds
                self._absences.put(address.path, error.status, seconds)
            raise

    async def _take(self, asked: Asked, entry: Entry, watch: Watch) -> Found:
        entry, body = await self._source.fetch(asked.address, entry)
        watch.lap("fetch")
        return Found(Copy(entry, body), "fwd=uri-miss", watch.text())

    async def _derive(self, asked: Asked, entry: Entry, watch: Watch) -> Found:
        if self._making is None or asked.wish is None:
            raise BadRequest("Nothing is converted here.")
        recipe = recipe_of(asked.wish, await self._kind(asked, entry))
        if recipe is None:
            return await self._as_it_is(asked)
        order = Order(
            variant=entry,
            recipe=recipe,
            admit=partial(self._making.admit, asked.account),
            still=partial(self._making.still, entry),
            key=derivative_key(entry, recipe),
        )
        made = await self._making.darkroom.derivative(order)
        watch.lap("derive")
        if _is_worse(asked.wish, recipe, made.entry, entry):
            return await self._as_it_is(asked)
        return Found(Copy(made.entry, made.body), made.how, watch.text())

    async def _kind(self, asked: Asked, entry: Entry) -> Kind:
        """What the wish is about; its bytes are looked at only where that matters."""
        if asked.wish is None or not needs_look(asked.wish, entry.format):
            return Kind(entry.format)
        found = await self.obtain(Asked(asked.address))
        return Kind(entry.format, *await asyncio.to_thread(look_at, found.copy.body))

    async def _as_it_is(self, asked: Asked) -> Found:
        """The variant itself is the answer."""
        found = await self.obtain(Asked(asked.address))
        return found._replace(copy=Copy(found.copy.entry, found.copy.body))

    def _keep(self, asked: Asked, flight: Flight[Found], found: Found) -> Found:
        """Remember a copy, unless it was purged while it was on its way."""
        if not flight.stale:
            found.copy.confirmed_until = time.monotonic() + self._limits.confirmed_seconds
            self._cache.keep(asked.name, found.copy)
        return found


def _is_worse(wish: Wish, recipe: Recipe, made: Entry, variant: Entry) -> bool:
    """Whether only a format or a quality was asked for, and what there was is smaller and will do.

    A format that we chose ourselves need not be that: who reads WebP reads what is plain.
    """
    if made.size <= variant.size or not _shows_the_same(recipe, made, variant):
        return False
    if wish.wanted.format != AUTO:
        return made.format == variant.format
    return variant.format in _READ_BY[wish.reads or "plain"]


def _shows_the_same(recipe: Recipe, made: Entry, variant: Entry) -> bool:
    """Whether the pixels are the variant's: a size asked for may be the one it has."""
    sized = msgspec.structs.replace(recipe, resize=Resize())
    same = (made.width, made.height) == (variant.width, variant.height)
    return keeps_pixels(sized) and same and recipe.resize.padding == Resize().padding


_PLAIN = ("jpeg", "png", "gif")
_READ_BY = {"plain": _PLAIN, "webp": (*_PLAIN, "webp"), "avif": (*_PLAIN, "webp", "avif")}
