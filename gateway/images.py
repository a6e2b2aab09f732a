"""Images: upload, get, update, delete."""

from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, delete, get, patch, post, put
from litestar.params import QueryParameter
from sqlmodel import Session

from gateway.admission import Door
from gateway.asked import UPDATE_FIELDS, UPLOAD_FIELDS
from gateway.intake import Intake, needed, taken_in
from gateway.orders_api import ordered
from gateway.submit import cost_of, refused
from gateway.views import (
    image_answer,
    images_answer,
    pagination_view,
    statistics_view,
)
from models.accounts import Caller, find_bucket, standing
from models.burial import bury_image
from models.errors import Conflict, InvalidFields, Problem
from models.failpoint import failpoint
from models.library import change_image, find_image, list_images, show_image
from models.orders import Draft, refuse_hopeless
from models.records import Account, Bucket, Image, new_id
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]
Json = dict[str, Any]


@post("/images", opt={"needs": "images-create"}, status_code=200)
async def upload(
    request: AnyRequest, services: Services, caller: Caller, door: Door
) -> Response[Any]:
    """Take a picture, make its variants, answer when they are there."""
    await services.database.read(refuse_hopeless, caller.account_id)
    async with taken_in(request, services, door, new_id(), UPLOAD_FIELDS) as intake:
        async with refused(services, intake.staging_key):
            key = intake.asked.bucket_key
            bucket = await services.database.read(find_bucket, caller.account_id, key)
            draft = _draft(intake, bucket, request)
        return await ordered(request, draft, services)


@get("/images", opt={"needs": "images-read"})
async def show_all(
    services: Services,
    caller: Caller,
    page: Annotated[int, QueryParameter(ge=1, le=1_000_000)] = 1,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    sort: Literal["asc", "desc"] = "asc",
    bucket_key: Annotated[str | None, QueryParameter(name="bucketKey")] = None,
) -> Json:
    """A page of a bucket's images; `asc` means newer to older, as the guide has it."""
    newest: Literal["first", "last"] = "first" if sort == "asc" else "last"

    def read(session: Session) -> Json:
        bucket, account = standing(session, caller.account_id, bucket_key)
        found = list_images(session, bucket, page, limit, newest)
        return (
            images_answer(found.shelves, services.settings.public_edge)
            | {"accountStatistics": statistics_view(account, bucket, 0)}
            | {"pagination": pagination_view(page, limit, found.total)}
        )

    return await services.database.read(read)


@get("/images/{image_id:str}", opt={"needs": "images-read"})
async def show(image_id: str, services: Services, caller: Caller) -> Json:
    """One image."""
    shelf = await services.database.read(show_image, caller.account_id, image_id)
    return image_answer(shelf, services.settings.public_edge)


async def change(
    image_id: str, request: AnyRequest, services: Services, caller: Caller, door: Door
) -> Response[Any]:
    """Change what is said of an image for free, or its pixels for credits."""
    shelf = await services.database.read(find_image, caller.account_id, image_id)
    async with taken_in(request, services, door, new_id(), UPDATE_FIELDS) as intake:
        if intake.original is None:
            return await _change_words(intake, image_id, services, caller)
        async with refused(services, intake.staging_key):
            _refuse_several(intake)
            _refuse_photo(shelf.image)
            draft = _draft(intake, shelf.bucket, request, image_id, shelf.image.prefix)
        return await ordered(request, draft, services)


async def _change_words(
    intake: Intake, image_id: str, services: Services, caller: Caller
) -> Response[Any]:
    if intake.asked.names_pixels:
        problem = "is missing: new pixels need an image or a url to make them from"
        raise InvalidFields([Problem(field="image", problem=problem)])
    asked = intake.asked.change
    if asked.name is None and asked.description is None and asked.galleries is None:
        problem = "is missing: give an image, a url, name, description or galleries"
        raise InvalidFields([Problem(field="image", problem=problem)])
    change = (caller.account_id, image_id, asked)
    shelf = await services.database.run(change_image, *change)

    def statistics(session: Session) -> Json:
        account = session.get_one(Account, caller.account_id)
        return statistics_view(account, shelf.bucket, 0)

    view = image_answer(shelf, services.settings.public_edge)
    return Response(view | {"accountStatistics": await services.database.read(statistics)})


def _refuse_several(intake: Intake) -> None:
    if len(intake.asked.recipes) > 1:
        problem = "has several sizes: an update makes one image, give one object"
        raise InvalidFields([Problem(field="resizeOptions", problem=problem)])


def _refuse_photo(image: Image) -> None:
    if image.photo_id:
        raise Conflict("This image is a photo, which keeps its pixels: upload another one.")


@delete("/images/{image_id:str}", opt={"needs": "images-delete"}, status_code=200)
async def remove(image_id: str, services: Services, caller: Caller) -> None:
    """Delete an image: the edge forgets it within a second, its objects go soon after."""
    await services.database.run(bury_image, caller.account_id, image_id)
    failpoint("D1.committed")


def _draft(
    intake: Intake,
    bucket: Bucket,
    request: AnyRequest,
    image_id: str | None = None,
    prefix: str | None = None,
) -> Draft:
    asked = intake.asked
    return Draft(
        order_id=intake.order_id,
        account_id=bucket.account_id,
        bucket_id=bucket.id,
        staging_key=intake.staging_key,
        original=needed(intake.original),
        asked=asked.recipes,
        cost=cost_of(asked.recipes),
        change=asked.change,
        kind="update" if image_id else "upload",
        image_id=image_id,
        prefix=asked.prefix if prefix is None else prefix,
        unique_keys=asked.unique_keys,
        request_id=request.scope["state"].get("request_id", ""),
    )


_change_options: Any = {"opt": {"needs": "images-update"}, "status_code": 200}

routes = Router(
    "/",
    route_handlers=[
        upload,
        show_all,
        show,
        put("/images/{image_id:str}", **_change_options)(change),
        patch("/images/{image_id:str}", **_change_options)(change),
        remove,
    ],
)
