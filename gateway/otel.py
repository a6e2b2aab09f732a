"""Spans for a collector: the only file that knows OpenTelemetry, and nobody else asks for it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from opentelemetry import context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

_KINDS: Final = {
    "http": SpanKind.SERVER,
    "edge lookup": SpanKind.SERVER,
    "publish": SpanKind.PRODUCER,
    "work": SpanKind.CONSUMER,
}
_NAMES: Final = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
}
"""What OpenTelemetry's semantic conventions call it; the rest has a name of ours."""
_FAILED: Final = 500
_SEND_SECONDS: Final = 5


class _Seen:
    """One of OpenTelemetry's spans as ours."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def note(self, **said: str | int) -> None:
        self._span.set_attributes(_attributes(said))
        if int(said.get("status", 0)) >= _FAILED:
            self._span.set_status(Status(StatusCode.ERROR))


class OpenTelemetry:
    """A Tracer. What an exception says is not in its spans: it may be about what somebody wrote."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("calotype")
        self._carrier = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, said: Mapping[str, str | int]) -> Iterator[_Seen]:
        """The block is a span; one that raises names the kind of error."""
        kind, attributes = _KINDS.get(name, SpanKind.INTERNAL), _attributes(said)
        with self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as begun:
            try:
                yield _Seen(begun)
            except BaseException as error:
                begun.set_status(Status(StatusCode.ERROR, type(error).__name__))
                raise

    def lapsed(self, name: str, began: float, seconds: float, said: Mapping[str, str]) -> None:
        """What a child measured, on the clock of this machine."""
        start = time.time_ns() - int((time.monotonic() - began) * 1e9)
        span = self._tracer.start_span(name, attributes=_attributes(said), start_time=start)
        span.end(start + int(seconds * 1e9))

    def headers(self) -> dict[str, str]:
        """`traceparent`, and `tracestate` if there is one."""
        told: dict[str, str] = {}
        self._carrier.inject(told)
        return told

    @contextmanager
    def following(self, headers: Mapping[str, str]) -> Iterator[None]:
        """Headers that name no trace begin a new one."""
        token = context.attach(self._carrier.extract(dict(headers), context.Context()))
        try:
            yield
        finally:
            context.detach(token)


def opened(role: str, processor: SpanProcessor) -> OpenTelemetry:
    """A tracer whose spans go there; what is left goes at the end of the process."""
    named = {"service.name": f"calotype-{role}", "service.namespace": "calotype"}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(processor)
    return OpenTelemetry(provider)


def sent_to(url: str, role: str) -> OpenTelemetry:
    """A tracer whose spans go to a collector by OTLP over HTTP."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 slow, and tests have their own
        OTLPSpanExporter,
    )

    exporter = OTLPSpanExporter(endpoint=f"{url.rstrip('/')}/v1/traces", timeout=_SEND_SECONDS)
    return opened(role, BatchSpanProcessor(exporter))


def _attributes(said: Mapping[str, str | int]) -> dict[str, str | int]:
    return {_NAMES.get(name, f"calotype.{name}"): value for name, value in said.items()}
