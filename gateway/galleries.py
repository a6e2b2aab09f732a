"""Galleries: list, make, look into, change, delete."""

from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, Router, delete, get, patch, post, put
from litestar.connection import ASGIConnection
from litestar.params import QueryParameter
from litestar.response import Stream
from msgspec import UNSET, Meta, UnsetType
from sqlmodel import Session

from gateway.json_body import check_title, read_body
from gateway.views import gallery_view, member_view, ungrouped_view
from models.accounts import Caller, find_bucket
from models.clearing import bury_some, end_gallery, free_some
from models.errors import InvalidFields, Problem
from models.galleries import (
    MOST_IMAGES_AT_ONCE,
    Member,
    Placed,
    change_gallery,
    find_gallery,
    list_galleries,
    make_gallery,
    members_after,
)
from models.library import list_ungrouped, shown_in_order
from models.wire import Wire
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]
Json = dict[str, Any]
Title = Annotated[str, Meta(min_length=1, max_length=256)]

_CHUNK = 100  # images read, and sent, at once


class NewGallery(Wire, frozen=True):
    """What is asked for when a gallery is made."""

    name: Title
    is_public: bool = False
    bucket_key: str | None = None
    image_ids: Annotated[list[str], Meta(max_length=MOST_IMAGES_AT_ONCE)] = msgspec.field(
        default_factory=list
    )


class GalleryChange(Wire, frozen=True):
    """What of a gallery is to be different."""

    name: Title | UnsetType = UNSET
    is_public: bool | UnsetType = UNSET


@get("/galleries", opt={"needs": "galleries-read"})
async def show_all(services: Services, caller: Caller) -> Json:
    """Every gallery of the account, newest first."""

    def read(session: Session) -> Json:
        placed = list_galleries(session, caller.account_id)
        return {"galleries": [gallery_view(one) for one in placed]}

    return await services.database.read(read)


@post("/galleries", opt={"needs": "galleries-create"}, status_code=200)
async def make(request: AnyRequest, services: Services, caller: Caller) -> Stream:
    """Make a gallery, of images there already are if any are named."""
    asked = await read_body(request, NewGallery)
    check_title("name", asked.name)

    def write(session: Session) -> Placed:
        bucket = find_bucket(session, caller.account_id, asked.bucket_key)
        return make_gallery(session, bucket, asked.name, asked.image_ids, is_public=asked.is_public)

    return _streamed(await services.database.run(write), services)


@get("/galleries/ungrouped", opt={"needs": "galleries-read"})
async def show_ungrouped(
    services: Services,
    caller: Caller,
    bucket_key: Annotated[str | None, QueryParameter(name="bucketKey")] = None,
    page: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 200,
) -> Json:
    """A bucket's images that are in no gallery, newest first, as if they were in one.

    The guide gives them all at once. There may be a million, so a page has at most 200: ask for
    `page` 2 and so on until one comes back with fewer than `limit`.
    """
    edge = services.settings.public_edge

    def read(session: Session) -> Json:
        bucket = find_bucket(session, caller.account_id, bucket_key)
        shelves = list_ungrouped(session, bucket, page, limit)
        members = [member_view("ungrouped", shelf, edge) for shelf in shelves]
        return {"gallery": ungrouped_view(bucket) | {"images": members}}

    return await services.database.read(read)


@get("/galleries/{gallery_id:str}", opt={"needs": "galleries-read"})
async def show(gallery_id: str, services: Services, caller: Caller) -> Stream:
    """A gallery with all its images, in the order they were added."""
    placed = await services.database.read(find_gallery, caller.account_id, gallery_id)
    return _streamed(placed, services)


async def change(gallery_id: str, request: AnyRequest, services: Services, caller: Caller) -> Json:
    """Rename a gallery, or show or hide it; what is not named stays."""
    asked = await read_body(request, GalleryChange)
    name = None if asked.name is UNSET else asked.name
    is_public = None if asked.is_public is UNSET else asked.is_public
    if name is None and is_public is None:
        problem = "is missing: give a name or isPublic"
        raise InvalidFields([Problem(field="name", problem=problem)])
    if name is not None:
        check_title("name", name)
    write = partial(
        change_gallery,
        account_id=caller.account_id,
        gallery_id=gallery_id,
        name=name,
        is_public=is_public,
    )
    return gallery_view(await services.database.run(write))


def needed_to_delete(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The permission for a deletion: one more dangerous when the images go too."""
    with_images = _delete_images(connection) == "true"
    return "galleries-delete-with-images" if with_images else "galleries-delete"


def _delete_images(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    given: str = connection.query_params.get("deleteImages", "false")
    return given


@delete("/galleries/{gallery_id:str}", opt={"needs": needed_to_delete}, status_code=200)
async def remove(gallery_id: str, request: AnyRequest, services: Services, caller: Caller) -> None:
    """Delete a gallery and, with `deleteImages=true`, its images for good.

    Asked again after an interruption, it goes on where it was.
    """
    answer = _delete_images(request)
    if answer not in ("true", "false"):
        raise InvalidFields([Problem(field="deleteImages", problem="must be true or false")])
    which = (caller.account_id, gallery_id)
    take_some = bury_some if answer == "true" else free_some
    while not await services.database.run(end_gallery, *which):
        await services.database.run(take_some, *which)


def _streamed(placed: Placed, services: Services) -> Stream:
    """A gallery with its images as JSON, however many they are, in bounded memory."""
    return Stream(_written(placed, services), media_type="application/json", status_code=200)


async def _written(placed: Placed, services: Services) -> AsyncIterator[bytes]:
    head = msgspec.json.encode(gallery_view(placed))
    yield b'{"gallery":' + head.removesuffix(b"}") + b',"images":['
    edge, last, comma = services.settings.public_edge, None, b""
    while True:
        read = partial(_some, gallery_id=placed.gallery.id, last=last, edge=edge)
        last, text = await services.database.read(read)
        if text:
            yield comma + text
            comma = b","
        if last is None:
            break
    yield b"]}}"


def _some(
    session: Session, *, gallery_id: str, last: Member | None, edge: str
) -> tuple[Member | None, bytes]:
    """The next images of a gallery as JSON without brackets, and the last of them if more come."""
    members = members_after(session, gallery_id, last, _CHUNK)
    shelves = shown_in_order(session, [member.image_id for member in members])
    views = [member_view(gallery_id, shelf, edge) for shelf in shelves]
    text = msgspec.json.encode(views)[1:-1]
    return members[-1] if len(members) == _CHUNK else None, text


_change_options: Any = {"opt": {"needs": "galleries-update"}, "status_code": 200}

routes = Router(
    "/",
    route_handlers=[
        show_all,
        make,
        show_ungrouped,
        show,
        put("/galleries/{gallery_id:str}", **_change_options)(change),
        patch("/galleries/{gallery_id:str}", **_change_options)(change),
        remove,
    ],
)
