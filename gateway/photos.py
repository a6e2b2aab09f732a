"""Photos: upload, list, delete."""

from http import HTTPStatus
from typing import Annotated, Any

from litestar import Request, Response, Router, delete, get, post
from litestar.params import QueryParameter

from gateway.admission import Door
from gateway.intake import staging_key
from gateway.photo_form import PhotoForm, read_photo
from gateway.photo_views import photo_answer, photo_view
from gateway.submit import failure_of, refused, submit
from models.accounts import DEFAULT_BUCKET, Caller, find_bucket
from models.events import Change
from models.orders import Draft, refuse_full_storage
from models.photos import bury_photo, list_photos, photo_of_order
from models.records import Bucket, new_id
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]

COST = 1
MOST_LISTED = 1000


@post("/photos/upload", opt={"needs": "images-create", "replays": False}, status_code=201)
async def upload(
    request: AnyRequest, services: Services, caller: Caller, door: Door
) -> Response[Any]:
    """Take a photo, and answer when it can be looked at; 202 when that takes too long."""
    await services.database.read(refuse_full_storage, caller.account_id)
    order_id = new_id()
    form = await read_photo(request, services, door, order_id)
    async with refused(services, staging_key(order_id)):
        bucket = await services.database.read(find_bucket, caller.account_id, DEFAULT_BUCKET)
    order = await submit(_draft(form, bucket, order_id, request), services)
    failure = failure_of(order)
    if failure is not None:
        raise failure
    shot = await services.database.read(photo_of_order, order_id)
    status = HTTPStatus.ACCEPTED if shot.variant is None else HTTPStatus.CREATED
    return photo_answer(photo_view(shot, services.settings.public_photos), status)


def _draft(form: PhotoForm, bucket: Bucket, order_id: str, request: AnyRequest) -> Draft:
    """One image of no recipes: a photo is kept as it is, in our own storage."""
    return Draft(
        order_id=order_id,
        account_id=bucket.account_id,
        bucket_id=bucket.id,
        staging_key=staging_key(order_id),
        original=form.original,
        asked=[[]],
        cost=COST,
        change=Change(description=form.body),
        kind="photo",
        alt_text=form.alt_text,
        request_id=request.scope["state"].get("request_id", ""),
    )


async def show_all(
    services: Services,
    caller: Caller,
    page: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, QueryParameter(ge=1, le=MOST_LISTED)] = MOST_LISTED,
) -> Response[Any]:
    """The account's photos, newest first. A body, if there is one, is not read."""
    shots = await services.database.read(list_photos, caller.account_id, page, limit)
    return photo_answer([photo_view(shot, services.settings.public_photos) for shot in shots])


async def remove(photo_id: str, services: Services, caller: Caller) -> Response[Any]:
    """Delete a photo: the edge forgets it within a second."""
    await services.database.run(bury_photo, caller.account_id, photo_id)
    return photo_answer({})


_listing: Any = {"opt": {"needs": "images-read", "replays": False}, "status_code": 200}
_removal: Any = {"opt": {"needs": "images-delete", "replays": False}, "status_code": 200}

routes = Router(
    "/",
    route_handlers=[
        upload,
        get("/me/photos", **_listing)(show_all),
        post("/me/photos", **_listing)(show_all),
        delete("/photos/{photo_id:str}", **_removal)(remove),
        post("/photos/{photo_id:str}", **_removal)(remove),
    ],
)
