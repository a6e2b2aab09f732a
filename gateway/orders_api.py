"""Orders: placed, waited for, answered, and looked at later."""

from typing import Any

from litestar import Request, Response, Router, get
from sqlmodel import Session

from gateway.prefer import Preference, read_prefer
from gateway.submit import end_of, failure_of, submit
from gateway.views import (
    generated_view,
    image_answer,
    images_answer,
    order_view,
    statistics_view,
)
from models.accounts import Caller
from models.errors import NotFound
from models.library import shown_of
from models.orders import Draft, find_order
from models.records import Account, Bucket, Order
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]
Json = dict[str, Any]


async def ordered(request: AnyRequest, draft: Draft, services: Services) -> Response[Any]:
    """Place an order and answer it, as soon as the request prefers."""
    preference = preference_of(request)
    patience = preference.patience(services.settings.answer_seconds)
    order = await submit(draft, services, patience)
    return await answer_order(order, services, preference)


async def ordered_before(request: AnyRequest, order_id: str, services: Services) -> Response[Any]:
    """The answer to the same request again: the order it placed goes on, or is done."""
    preference = preference_of(request)
    patience = preference.patience(services.settings.answer_seconds)
    order = await end_of(order_id, services, patience)
    return await answer_order(order, services, preference)


def preference_of(request: AnyRequest) -> Preference:
    """What the request prefers."""
    return read_prefer(request.headers.getall("prefer", []))


async def answer_order(
    order: Order, services: Services, preference: Preference | None = None
) -> Response[Any]:
    """200 with the images, the failure as an error, or 202 with where to ask later."""
    preference = preference or Preference()
    failure = failure_of(order)
    if failure is not None:
        raise failure
    settings = services.settings
    at_once = preference.respond_async and preference.wait is None
    if order.state == "pending" or at_once:
        view = order_view(order, settings.public_api)
        headers = {"Location": view["location"]} | preference.applied
        return Response(view, status_code=202, headers=headers)
    body = await services.database.read(_done, order, settings.public_edge)
    return Response(body, headers=preference.applied)


@get("/orders/{order_id:str}", opt={"needs": "images-read"})
async def show_order(order_id: str, services: Services, caller: Caller) -> Json:
    """Where an order stands, with its images when it is done."""
    order = await own_order(order_id, services, caller)
    return await standing(order, services)


async def own_order(order_id: str, services: Services, caller: Caller) -> Order:
    """The order, or NotFound: also for one of somebody else."""
    order = await services.database.read(find_order, order_id)
    if order is None or order.account_id != caller.account_id:
        raise NotFound("There is no order with this id.")
    return order


async def standing(order: Order, services: Services) -> Json:
    """Where an order stands: with its images when it is done, with its error when it failed."""
    view = order_view(order, services.settings.public_api)
    if order.state == "done":
        view |= await services.database.read(_done, order, services.settings.public_edge)
    return view


def _done(session: Session, order: Order, edge: str) -> Json:
    """An update is answered with its one image, everything else with lists."""
    account = session.get_one(Account, order.account_id)
    bucket = session.get_one(Bucket, order.bucket_id)
    shelves = shown_of(session, order)
    used = order.cost_free + order.cost_paid
    statistics = {"accountStatistics": statistics_view(account, bucket, used)}
    if order.kind == "update" and shelves:
        return image_answer(shelves[0], edge) | statistics
    generated = order.generated and {"imageGenerateResponse": generated_view(order.generated)}
    return images_answer(shelves, edge) | statistics | (generated or {})


routes = Router("/", route_handlers=[show_order])
