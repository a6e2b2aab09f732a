"""Intake: the original of a request, from its file part or from a URL, into staging."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

from litestar import Request

from cdn_edge.keys import read_path
from gateway.admission import Door
from gateway.asked import Asked, read_asked
from gateway.form import Form, Limits, read_form
from gateway.idempotency import Answered, digest_of_form, recall, repeated
from gateway.measured import Measured, StagedFile
from models.errors import (
    BadSource,
    EmptyFile,
    Gone,
    InvalidFields,
    NotAnImage,
    Problem,
    ServiceError,
    Unavailable,
)
from models.events import Original
from models.failpoint import failpoint
from models.meter import Meter
from models.photos import find_object
from models.settings import Settings
from models.traces import span
from models.trail import on_behalf
from models.wire import Wire
from pipeline.originals import FetchLimits, fetch_original
from pipeline.services import Services
from pipeline.sniff import sniff
from pipeline.storage import STAGING, MissingObject

AnyRequest = Request[Any, Any, Any]


class Intake(Wire, frozen=True):
    """A request that was read: what it asks, and its original if it has one, in staging."""

    order_id: str
    asked: Asked
    original: Original | None

    @property
    def staging_key(self) -> str:
        """Where the original lies."""
        return staging_key(self.order_id)


def staging_key(order_id: str) -> str:
    """Where the original of an order lies."""
    return f"{STAGING}/{order_id}"


def body_limits(settings: Settings) -> Limits:
    """What one body may cost."""
    return Limits(
        file_bytes=settings.max_file_bytes,
        body_seconds=settings.body_seconds,
        read_seconds=settings.read_seconds,
    )


@contextlib.asynccontextmanager
async def taken_in(
    request: AnyRequest, services: Services, door: Door, order_id: str, allowed: tuple[str, ...]
) -> AsyncIterator[Intake]:
    """Read the whole request; staging is emptied again when it is refused.

    Raises Answered when it was carried out before.
    """
    with on_behalf(order_id=order_id):
        yield await _intake(request, services, door, order_id, allowed)


async def _intake(
    request: AnyRequest, services: Services, door: Door, order_id: str, allowed: tuple[str, ...]
) -> Intake:
    meter = services.meter
    try:
        async with door.entered(request.headers.get("content-length")):
            with span("staging"):
                form = await _form(request, services, order_id)
            known = await recall(request, digest_of_form(form))
            if known is None:
                intake = await _understood(form, services, order_id, allowed)
        if known is not None:
            raise Answered(await repeated(request, known, services))
    except Unavailable as error:
        meter.count("calotype_uploads_total", error.code())
        raise  # it may be the storage that is away: what is left is swept
    except ServiceError as error:
        meter.count("calotype_uploads_total", error.code())
        await services.stores.own.delete([staging_key(order_id)])
        raise
    failpoint("G1.staged")
    if intake.original is not None:
        meter.count("calotype_uploads_total", "accepted")
        meter.count("calotype_upload_bytes_total", by=intake.original.size)
    return intake


async def _form(request: AnyRequest, services: Services, order_id: str) -> Form:
    return await read_form(
        request.headers.get("content-type", ""),
        request.stream(),
        services.stores.own,
        staging_key(order_id),
        body_limits(services.settings),
    )


async def _understood(
    form: Form, services: Services, order_id: str, allowed: tuple[str, ...]
) -> Intake:
    asked = read_asked(form, allowed)
    file = form.file
    if file is None and asked.url is not None:
        file = await _fetched(asked.url, services, staging_key(order_id))
    change, kind = asked.change, asked.content_type
    original = original_of(file, change.name, kind) if file else None
    return Intake(order_id=order_id, asked=asked, original=original)


def needed(original: Original | None) -> Original:
    """The original of a request that cannot do without; InvalidFields when it has none."""
    if original is None:
        problem = "is missing: send a file here, or its address as url"
        raise InvalidFields([Problem(field="image", problem=problem)])
    return original


def original_of(
    file: StagedFile, name: str | None = None, content_type: str | None = None
) -> Original:
    """What is known of a file so far. Whether it is an image is told from its bytes alone."""
    if not file.size:
        raise EmptyFile
    if sniff(file.head) is None:
        raise NotAnImage
    return Original(
        name=name or _harmless(file.name) or "image",
        size=file.size,
        sha256=file.sha256,
        content_type=content_type or file.content_type,
    )


def _harmless(name: str) -> str:
    return "".join(sign for sign in name if sign.isprintable())[:256]


async def _fetched(url: str, services: Services, key: str) -> StagedFile:
    """What is behind a URL, in staging under `key`."""
    settings = services.settings
    async with services.stores.own.writer(key) as sink:
        measured = Measured(sink, settings.max_file_bytes)
        if url.startswith(f"{settings.public_edge}/"):
            return await _from_ourselves(url, services, measured)
        limits = FetchLimits(max_bytes=settings.max_file_bytes, total=settings.source_seconds)
        with _counted(services.meter):
            fetched = await fetch_original(url, measured, services.egress, limits)
        services.meter.count("calotype_source_bytes_total", by=fetched.size)
        return measured.staged(fetched.file_name_hint, fetched.content_type_hint)


@contextlib.contextmanager
def _counted(meter: Meter) -> Iterator[None]:
    """The block fetches an original: how that ended."""
    outcome = "failed"
    try:
        yield
        outcome = "ok"
    except ServiceError as error:
        outcome = error.code()
        raise
    finally:
        meter.count("calotype_source_fetches_total", outcome)


async def _from_ourselves(url: str, services: Services, measured: Measured) -> StagedFile:
    """A variant of ours by its edge URL: read where it is, no request is sent for it."""
    path = url.removeprefix(services.settings.public_edge).partition("?")[0]
    address = read_path(path)
    found = await services.database.read(find_object, *address) if address else None
    if found is None or isinstance(found, Gone):
        raise BadSource("The source URL names no image of ours.")
    variant, bucket = found
    try:
        await measured.write(await services.stores.of(bucket).get(variant.storage_key))
    except MissingObject as error:
        raise BadSource from error
    return measured.staged(variant.object_key, variant.content_type)
