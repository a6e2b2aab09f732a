"""Whose work this is: its request and its order, from process to process, in every line logged."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, NamedTuple
from uuid import uuid4

from models.traces import continued, trace_headers

REQUEST_ID: Final = "Calotype-Request-Id"
ORDER_ID: Final = "Calotype-Order-Id"
_HARMLESS: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")


class Trail(NamedTuple):
    """The request and the order that this is done for; empty for nobody's."""

    request_id: str = ""
    order_id: str = ""


_NOBODY: Final = Trail()
_TRAIL: ContextVar[Trail] = ContextVar("trail", default=_NOBODY)


def trail() -> Trail:
    """Whose work is done right now."""
    return _TRAIL.get()


@contextmanager
def on_behalf(request_id: str = "", order_id: str = "") -> Iterator[None]:
    """The block is work for these; an empty one stays whose it is."""
    known = _TRAIL.get()
    token = _TRAIL.set(Trail(request_id or known.request_id, order_id or known.order_id))
    try:
        yield
    finally:
        _TRAIL.reset(token)


def carried() -> dict[str, str]:
    """Headers that take this work's trail and trace along to another process."""
    request_id, order_id = _TRAIL.get()
    mine = {REQUEST_ID: request_id, ORDER_ID: order_id}
    return {name: value for name, value in mine.items() if value} | trace_headers()


@contextmanager
def following(headers: Mapping[str, str]) -> Iterator[None]:
    """In the block, go on with the work that these headers took along."""
    token = _TRAIL.set(Trail(headers.get(REQUEST_ID, ""), headers.get(ORDER_ID, "")))
    try:
        with continued(headers):
            yield
    finally:
        _TRAIL.reset(token)


def named(given: str | None) -> str:
    """The id of a request: the caller's own, when it is harmless in logs and headers."""
    return given if given and is_harmless(given) else uuid4().hex


def is_harmless(request_id: str) -> bool:
    """Whether a stranger's id may be said in logs and headers."""
    return _HARMLESS.fullmatch(request_id) is not None
