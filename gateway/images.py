"""Images: upload, get, delete."""

import unicodedata
from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.datastructures import State
from sqlmodel import Session

from gateway.admission import Door
from gateway.form import Form, Limits, read_form, read_json
from gateway.submit import cost_of, failure_of, submit
from gateway.views import image_answer, images_answer, order_view, statistics_view
from models.accounts import Caller, find_bucket
from models.errors import EmptyFile, InvalidFields, NotAnImage, NotFound, Problem, ServiceError
from models.events import Original
from models.forms import read_recipes
from models.library import bury_image, find_image, shelves_of
from models.orders import Draft, find_order, refuse_full_storage
from models.records import Account, Order, new_id
from models.settings import Settings
from pipeline.services import Services
from pipeline.sniff import sniff
from pipeline.storage import STAGING

AnyRequest = Request[Any, Any, State]

FIELDS = (
    "name",
    "description",
    "contentType",
    "ratio",
    "resizeOptions",
    "formatOptions",
    "bucketKey",
)
LONGEST_NAME = 256
LONGEST_DESCRIPTION = 4096


@post("/images", opt={"needs": "images-create"}, status_code=200)
async def upload(
    request: AnyRequest, services: Services, caller: Caller, door: Door
) -> Response[Any]:
    """Take a picture, make its variants, answer when they are there."""
    await services.database.read(refuse_full_storage, caller.account_id)
    order_id = new_id()
    async with door.entered(request.headers.get("content-length")):
        form = await receive(request, services, f"{STAGING}/{order_id}")
    try:
        draft = await _draft(form, order_id, caller, services, request)
    except ServiceError:
        await services.storage.delete([f"{STAGING}/{order_id}"])
        raise
    order = await submit(
        draft, services.database, services.bus, services.storage, services.settings.answer_seconds
    )
    return await answer_order(order, services)


@get("/images/{image_id:str}", opt={"needs": "images-read"})
async def show(image_id: str, services: Services, caller: Caller) -> dict[str, Any]:
    """One image."""
    shelf = await services.database.read(find_image, caller.account_id, image_id)
    return image_answer(shelf, services.settings.public_edge)


@delete("/images/{image_id:str}", opt={"needs": "images-delete"}, status_code=200)
async def remove(image_id: str, services: Services, caller: Caller) -> None:
    """Delete an image: the edge forgets it within a second, its objects go soon after."""
    await services.database.run(bury_image, caller.account_id, image_id)


@get("/orders/{order_id:str}", opt={"needs": "images-read"})
async def show_order(order_id: str, services: Services, caller: Caller) -> dict[str, Any]:
    """Where an order stands, with its images when it is done."""
    order = await services.database.read(find_order, order_id)
    if order is None or order.account_id != caller.account_id:
        raise NotFound("There is no order with this id.")
    view = order_view(order, services.settings.public_api)
    if order.state == "done":
        shelves = await services.database.read(shelves_of, order.id)
        view |= images_answer(shelves, services.settings.public_edge)
    return view


async def receive(request: AnyRequest, services: Services, staging_key: str) -> Form:
    """The request's form, its file in staging."""
    content_type = request.headers.get("content-type", "")
    limits = body_limits(services.settings)
    return await read_form(content_type, request.stream(), services.storage, staging_key, limits)


def body_limits(settings: Settings) -> Limits:
    """What one body may cost."""
    return Limits(
        file_bytes=settings.max_file_bytes,
        body_seconds=settings.body_seconds,
        read_seconds=settings.read_seconds,
    )


async def _draft(
    form: Form, order_id: str, caller: Caller, services: Services, request: AnyRequest
) -> Draft:
    refuse_unknown_fields(form)
    original = original_of(form)
    asked = read_recipes(
        read_json(form.fields, "resizeOptions"),
        read_json(form.fields, "formatOptions"),
        form.fields.get("ratio"),
    )
    key = form.fields.get("bucketKey")
    bucket = await services.database.read(find_bucket, caller.account_id, key)
    return Draft(
        order_id=order_id,
        account_id=caller.account_id,
        bucket_id=bucket.id,
        staging_key=f"{STAGING}/{order_id}",
        original=original,
        asked=asked,
        cost=cost_of(asked),
        name=original.name,
        description=form.fields.get("description"),
        request_id=request.scope["state"].get("request_id", ""),
    )


def original_of(form: Form) -> Original:
    """What the form says of its file. Whether it is an image is told from its bytes alone."""
    file = form.file
    if file is None:
        raise InvalidFields([Problem(field="image", problem="is missing: send a file")])
    if not file.size:
        raise EmptyFile
    if sniff(file.head) is None:
        raise NotAnImage
    return Original(
        name=_name(form.fields.get("name") or file.name),
        size=file.size,
        sha256=file.sha256,
        content_type=form.fields.get("contentType") or file.content_type,
    )


def _name(name: str) -> str:
    if not name:
        return "image"
    if any(unicodedata.category(letter) == "Cc" for letter in name):
        raise InvalidFields([Problem(field="name", problem="has control characters")])
    return name


def refuse_unknown_fields(form: Form) -> None:
    """Raise InvalidFields naming every field we do not know, or that is too long."""
    problems = [
        Problem(field=name, problem=f"is not a field of this request; there are: {_known()}")
        for name in form.fields
        if name not in FIELDS
    ]
    for name, longest in (("name", LONGEST_NAME), ("description", LONGEST_DESCRIPTION)):
        if len(form.fields.get(name, "")) > longest:
            problems.append(Problem(field=name, problem=f"is longer than {longest} characters"))
    if problems:
        raise InvalidFields(problems)


def _known() -> str:
    return ", ".join(("image", *FIELDS))


async def answer_order(order: Order, services: Services) -> Response[Any]:
    """200 with the images, the failure as an error, or 202 with where to ask later."""
    failure = failure_of(order)
    if failure is not None:
        raise failure
    settings = services.settings
    if order.state == "pending":
        view = order_view(order, settings.public_api)
        return Response(view, status_code=202, headers={"Location": view["location"]})
    return Response(await services.database.read(_done, order, settings.public_edge))


def _done(session: Session, order: Order, edge: str) -> dict[str, Any]:
    shelves = shelves_of(session, order.id)
    account = session.get_one(Account, order.account_id)
    used = order.cost_free + order.cost_paid
    return images_answer(shelves, edge) | {"accountStatistics": statistics_view(account, used)}
