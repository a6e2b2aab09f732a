"""The operations on orders."""

from gateway.openapi import samples
from gateway.openapi.operation import OK, Operation, Paths, answer
from gateway.openapi.words import Json, exactly, example, json_of, ref, text
from models.errors import NotFound, Overloaded

TAG = "Orders"

ASYNC_CURL = """\
curl -X POST "$API/api/v1/images" \\
  -H "Authorization: Bearer $API_KEY" \\
  -H "Prefer: respond-async" \\
  -H "Idempotency-Key: harbour-2026-05-01" \\
  -F "image=@harbour.jpg"
"""
ORDER_CURL = """\
curl "$API/api/v1/orders/$ORDER_ID" \\
  -H "Authorization: Bearer $API_KEY"
"""
EVENTS_CURL = """\
curl -N "$API/api/v1/orders/$ORDER_ID/events" \\
  -H "Authorization: Bearer $API_KEY"
"""

_SAID = {
    "accepted": '{"id": "e2d1c0b9-8a7f-4e6d-8c5b-4a3f2e1d0c04", "status": "pending"}',
    "generating": '{"seconds": 5}',
    "rendering": '{"done": 1, "of": 4}',
    "done": '{"id": "e2d1c0b9-8a7f-4e6d-8c5b-4a3f2e1d0c04", "status": "done"}',
    "failed": '{"id": "e2d1c0b9-8a7f-4e6d-8c5b-4a3f2e1d0c04", "status": "failed"}',
}


def shapes() -> dict[str, Json]:
    """The shape of an event."""
    data = text(
        "JSON: the order, the `seconds` the model has taken, or how many files are `done` `of` all."
    )
    name = {"enum": list(_SAID), "description": "What happened."}
    event = exactly("An event, as its lines say it.", event=name, data=data)
    return {"OrderEvent": event}


def paths() -> Paths:
    """Every path of orders, with its methods."""
    return {
        "/api/v1/orders/{order_id}": {"get": _get()},
        "/api/v1/orders/{order_id}/events": {"get": _events()},
    }


def _get() -> Operation:
    shown = {state: example(state, samples.order(state)) for state in ("pending", "done", "failed")}
    return Operation(
        name="getOrder",
        tag=TAG,
        summary="Get an order",
        text="Where an order stands, with its images once it is done. Free.",
        needs="images-read",
        takes=("orderId",),
        answers={OK: answer("The order.", json_of(ref("Order"), examples=shown))},
        causes=(NotFound,),
        samples=(("One order", ORDER_CURL), ("Do not wait", ASYNC_CURL)),
    )


def _events() -> Operation:
    return Operation(
        name="watchOrder",
        tag=TAG,
        summary="Watch an order",
        text=(
            "Server-sent events until the order ends: `accepted` with the order, `generating` with "
            "`seconds` while a model is at work, `rendering` with `done` and `of`, at last `done` "
            "or `failed` with the order. One that has ended gets its last event only. Lines that "
            "begin with a colon keep the connection alive."
        ),
        needs="images-read",
        takes=("orderId",),
        answers={OK: answer("The events.", _stream())},
        causes=(NotFound, Overloaded),
        samples=(("Follow", EVENTS_CURL),),
    )


def _stream() -> Json:
    """The schema is that of each event."""
    shown = {name: example(name, {"event": name, "data": data}) for name, data in _SAID.items()}
    return {"text/event-stream": {"schema": ref("OrderEvent"), "examples": shown}}
