"""A request that is no hit from memory: whose it is, and how long it takes."""

from collections.abc import Iterator
from contextlib import contextmanager

from cdn_edge.rsgi import Scope
from models.traces import Span, continued, span
from models.trail import named, on_behalf


@contextmanager
def lookup(scope: Scope) -> Iterator[Span]:
    """The block answers this request; its headers may say whose it is, and name a trace."""
    headers = dict(scope.headers.items())
    known = on_behalf(named(headers.get("x-request-id")))
    with known, continued(headers), span("edge lookup") as seen:
        yield seen
