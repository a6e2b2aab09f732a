"""Fulfil one order: make its prints, store them, finish it in one transaction."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from models.database import Database
from models.errors import BucketFailed, NotFound
from models.events import Original
from models.failpoint import failpoint
from models.made import Made
from models.orders import finish_order
from models.photos import photo_key
from models.places import order_folder
from models.recipe import Recipe, thumbnails
from models.records import Image, Order
from models.traces import span
from models.words import word_for
from pipeline.masters import Task, keep_masters, mezzanines
from pipeline.order import Told
from pipeline.prints import Probe
from pipeline.stores import Objects, Stores
from pipeline.studio import Prints, StoredPrint, Studio

THUMBS = ("thumb_small", "thumb_big")


class Putting(NamedTuple):
    """A print on its way to its object."""

    image: int
    made: Made
    path: Path


async def fulfil(
    task: Task, database: Database, stores: Stores, studio: Studio, told: Told | None = None
) -> bool:
    """Make everything the order asks for; False when somebody else finished it meanwhile.

    Every object has a key that follows from the order alone, so a second try overwrites what the
    first one left. In a customer's bucket an update overwrites what is served, too: between the
    first object and the last the edge does not find what the rows say and waits, and when the
    storage fails for good in that moment, those variants are broken until the next update.
    """
    order = task.order
    place = stores.of(task.bucket)  # one that fails is known before anything is rendered
    async with contextlib.AsyncExitStack() as stack:
        with span("fetch"):
            fetching = stores.own.file(order.staging_key, studio.scratch)
            source = await stack.enter_async_context(fetching)
        with await _made(task, source, studio, told) as prints:
            asked = 1 if order.kind == "photo" else len(list(_recipes(order.asked)))
            puttings = list(_puttings(task, prints[:asked]))
            masters = await keep_masters(task, prints, asked, stores.own)
            failpoint("W2.rendered")
            await _store(place, puttings)
            failpoint("W2.stored")
            original = _seen(order.original, prints.probe)
    made = [[put.made for put in puttings if put.image == n] for n in range(len(order.asked))]
    try:
        with span("commit"):
            return await database.run(finish_order, order.id, original, made, masters)
    except NotFound:  # the image was deleted meanwhile: nobody else knows of these objects
        await stores.own.delete([master.storage_key for master in masters])
        await place.delete([put.made.storage_key for put in puttings])
        raise


async def _made(task: Task, source: Path, studio: Studio, told: Told | None) -> Prints:
    if task.order.kind == "photo":
        return await studio.keep(source)
    recipes = list(_recipes(task.order.asked))
    return await studio.render(source, recipes, told, partial(mezzanines, task))


async def _store(storage: Objects, puttings: Sequence[Putting]) -> None:
    """Store every print; all are tried before a failure is raised, so none is cut off half way."""
    puts = (_put(storage, one) for one in puttings)
    for outcome in await asyncio.gather(*puts, return_exceptions=True):
        if isinstance(outcome, BucketFailed):
            outcome.left = tuple(one.made.storage_key for one in puttings)
        if isinstance(outcome, BaseException):
            raise outcome


async def _put(storage: Objects, one: Putting) -> None:
    with span("put", format=one.made.format, size=one.made.size):
        await storage.put(one.made.storage_key, one.path, one.made.content_type)


def _recipes(asked: Sequence[Sequence[Recipe]]) -> Iterator[Recipe]:
    """The two thumbnails that all images of an order share, then every recipe as asked."""
    yield from thumbnails(asked[0][0].ratio)
    for recipes in asked:
        yield from recipes


def _puttings(task: Task, prints: Sequence[StoredPrint]) -> Iterator[Putting]:
    if task.order.kind == "photo":
        photo = prints[0]
        yield _putting(task, 0, f"{photo.width}x{photo.height}", photo, counted=True)
        return
    rest = iter(prints[len(THUMBS) :])
    for number, recipes in enumerate(task.order.asked):
        for suffix, thumb in zip(THUMBS, prints, strict=False):
            yield _putting(task, number, suffix, thumb, counted=False)
        for _ in recipes:
            made = next(rest)
            yield _putting(task, number, f"{made.width}x{made.height}", made, counted=True)


def _putting(
    task: Task, number: int, suffix: str, stored: StoredPrint, *, counted: bool
) -> Putting:
    image = task.images[number]
    object_key = _object_key(task.order, image, suffix, stored.extension)
    made = Made(
        id_suffix=suffix,
        object_key=object_key,
        storage_key=_storage_key(task, image, object_key),
        format=stored.format,
        content_type=stored.content_type,
        extension=stored.extension,
        width=stored.width,
        height=stored.height,
        size=stored.size,
        sha256=stored.sha256,
        counted=counted,
    )
    return Putting(number, made, stored.path)


def _object_key(order: Order, image: Image, suffix: str, extension: str) -> str:
    """The same at every try; with `unique_keys` one that the image never had before."""
    if image.photo_id:
        return photo_key(image, extension)
    if not order.unique_keys:
        return f"{image.id}-{suffix}.{extension}"
    return f"{image.id}-{word_for(order.id, suffix, extension)}-{suffix}.{extension}"


def _storage_key(task: Task, image: Image, object_key: str) -> str:
    """With us a new place for each order; in a customer's bucket what its owner expects to see."""
    if task.bucket.endpoint is None:
        return f"{order_folder(task.bucket.public_id, image.id, task.order.id)}/{object_key}"
    return f"{task.bucket.prefix}{image.prefix}{object_key}"


def _seen(original: Original, probe: Probe) -> Original:
    return msgspec.structs.replace(
        original,
        format=probe.format,
        extension=probe.extension,
        width=probe.width,
        height=probe.height,
    )
