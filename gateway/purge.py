"""Purging on request: every edge forgets its copies, and derivatives are deleted."""

import asyncio
from typing import Annotated, Any

from litestar import Request, Router, post
from msgspec import Meta

from gateway.json_body import read_body
from models.accounts import Caller, find_bucket
from models.errors import InvalidFields, Problem
from models.purging import Doomed, Target, some_doomed, tell_of_purge
from models.wire import Wire
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]
Name = Annotated[str, Meta(min_length=1, max_length=512)]

_TOGETHER = 16
"""Images whose derivatives are deleted at the same time."""


class Purge(Wire, frozen=True):
    """What is to be made and fetched anew: exactly one of the first four."""

    image_id: Name | None = None
    object_key: Name | None = None
    prefix: Name | None = None
    gallery_id: Name | None = None
    bucket_key: Name | None = None


@post("/purge", opt={"needs": "images-delete", "replays": "made again"}, status_code=200)
async def purge(request: AnyRequest, services: Services, caller: Caller) -> dict[str, int]:
    """Purge by image, key, prefix or gallery: how many objects, and how many derivatives.

    Derivatives go from object storage before the edges are told, who would else bring them back.
    """
    target = await _target(await read_body(request, Purge), services, caller)
    objects = derivatives = 0
    after = ""
    while doomed := await services.database.read(some_doomed, caller.account_id, target, after):
        derivatives += await _delete_derivatives(services, doomed)
        await services.database.run(tell_of_purge, doomed)
        objects += sum(len(one.keys) for one in doomed)
        after = doomed[-1].image_id
    return {"objects": objects, "derivatives": derivatives}


async def _target(asked: Purge, services: Services, caller: Caller) -> Target:
    named = [asked.image_id, asked.object_key, asked.prefix, asked.gallery_id]
    if sum(name is not None for name in named) != 1:
        problem = "name one of imageId, objectKey, prefix and galleryId"
        raise InvalidFields([Problem(field="imageId", problem=problem)])
    bucket = await services.database.read(find_bucket, caller.account_id, asked.bucket_key)
    return Target(
        image_id=asked.image_id,
        object_key=asked.object_key,
        gallery_id=asked.gallery_id,
        prefix=asked.prefix or "",
        bucket_id=bucket.id,
    )


async def _delete_derivatives(services: Services, doomed: list[Doomed]) -> int:
    turns = asyncio.Semaphore(_TOGETHER)

    async def delete(folder: str) -> int:
        async with turns:
            return await services.stores.own.delete_under(folder)

    return sum(await asyncio.gather(*(delete(one) for each in doomed for one in each.folders)))


routes = Router("/", route_handlers=[purge])
