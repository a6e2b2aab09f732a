"""The masters of an order's images: what their derivatives will start from."""

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

from models.keeping import Mastered
from models.places import order_folder
from models.recipe import Recipe
from models.records import Bucket, Image, Order
from pipeline.mezzanine import is_whole, mezzanine_of
from pipeline.prints import Probe
from pipeline.storage import Storage
from pipeline.studio import Prints, StoredPrint


class Task(NamedTuple):
    """An order with everything that belongs to it."""

    order: Order
    bucket: Bucket
    images: list[Image]


def mezzanines(task: Task, probe: Probe) -> list[Recipe]:
    """The recipe of each image's working copy, where the bucket has them."""
    return [recipe for _, recipe in _mezzanines(task, probe)] if task.bucket.mezzanine else []


def _mezzanines(task: Task, probe: Probe) -> Iterator[tuple[int, Recipe]]:
    for number, recipes in enumerate(task.order.asked):
        if recipe := mezzanine_of(probe, recipes[0]):
            yield number, recipe


async def keep_masters(task: Task, prints: Prints, asked: int, storage: Storage) -> list[Mastered]:
    """Store what came after the `asked` prints, and the original where the bucket keeps it.

    A photo has none: it is its own, and its original has the metadata that it was freed of.
    """
    if task.order.kind == "photo":
        return []
    numbers = [number for number, _ in _mezzanines(task, prints.probe)]
    copies = zip(numbers, prints[asked:], strict=False)
    puts = [_keep_mezzanine(task, number, made, storage, prints.probe) for number, made in copies]
    if task.bucket.keep_originals:
        images = range(len(task.order.asked))
        puts += [_keep_original(task, number, prints.probe, storage) for number in images]
    return list(await asyncio.gather(*puts))


async def _keep_mezzanine(
    task: Task, number: int, made: StoredPrint, storage: Storage, probe: Probe
) -> Mastered:
    key = f"{_folder(task, number)}/mezzanine.{made.extension}"
    await storage.put(key, made.path, made.content_type)
    return Mastered(
        image=number,
        kind="mezzanine",
        whole=is_whole(probe, task.order.asked[number][0]),
        storage_key=key,
        format=made.format,
        width=made.width,
        height=made.height,
        size=made.size,
        sha256=made.sha256,
    )


async def _keep_original(task: Task, number: int, probe: Probe, storage: Storage) -> Mastered:
    """A copy for each image: it goes when its image goes, whatever becomes of the others."""
    key = f"{_folder(task, number)}/original.{probe.extension}"
    await storage.copy(task.order.staging_key, key)
    return Mastered(
        image=number,
        kind="original",
        whole=is_whole(probe, task.order.asked[number][0]),
        storage_key=key,
        format=probe.format,
        width=probe.width,
        height=probe.height,
        size=task.order.original.size,
        sha256=task.order.original.sha256,
    )


def _folder(task: Task, number: int) -> str:
    return order_folder(task.bucket.public_id, task.images[number].id, task.order.id)
