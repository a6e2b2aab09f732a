"""Spans: where the time of one piece of work goes. Nobody pays for them while nobody traces."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Final, Protocol


class Span(Protocol):
    """A piece of work under way."""

    def note(self, **said: str | int) -> None:
        """Something about it that is known by now."""


class Tracer(Protocol):
    """Where spans go. They nest by the context they are opened in."""

    def span(self, name: str, said: Mapping[str, str | int]) -> AbstractContextManager[Span]:
        """The block is a span."""

    def lapsed(self, name: str, began: float, seconds: float, said: Mapping[str, str]) -> None:
        """A span that somebody else measured, by the monotonic clock of this machine."""

    def headers(self) -> dict[str, str]:
        """The W3C trace context of this moment."""

    def following(self, headers: Mapping[str, str]) -> AbstractContextManager[None]:
        """Spans in the block belong to the trace that these headers name."""


class _Nothing:
    """The span of who does not trace."""

    def note(self, **said: str | int) -> None:
        """Forget it."""


_TRACER: ContextVar[Tracer | None] = ContextVar("tracer", default=None)
_UNSEEN: Final = nullcontext(_Nothing())
_ALONE: Final = nullcontext()


def trace_with(tracer: Tracer) -> None:
    """Spans go there: those of this task, and of all that are born of it."""
    _TRACER.set(tracer)


def span(name: str, **said: str | int) -> AbstractContextManager[Span]:
    """The block is a span of this name."""
    tracer = _TRACER.get()
    return _UNSEEN if tracer is None else tracer.span(name, said)


def lapsed(name: str, began: float, seconds: float, **said: str) -> None:
    """There was a span of this name: it began then, by the monotonic clock, and took so long."""
    tracer = _TRACER.get()
    if tracer is not None:
        tracer.lapsed(name, began, seconds, said)


def trace_headers() -> dict[str, str]:
    """What takes the trace along to another process."""
    tracer = _TRACER.get()
    return {} if tracer is None else tracer.headers()


def continued(headers: Mapping[str, str]) -> AbstractContextManager[None]:
    """In the block, go on with the trace that these headers took along."""
    tracer = _TRACER.get()
    return _ALONE if tracer is None else tracer.following(headers)
