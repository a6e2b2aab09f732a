"""Convert on the fly: a picture in, one variant out, nothing stored."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from http import HTTPStatus
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import quote

from litestar import Request, Response, Router, post
from litestar.response import Stream

from gateway.admission import Door
from gateway.asked import CONVERT_FIELDS
from gateway.idempotency import attempt_of, came_before, unclaimed
from gateway.intake import Intake, needed, staging_key, taken_in
from models import ledger
from models.accounts import Caller
from models.errors import ClientGone, InvalidFields, Problem, StillRunning
from models.failpoint import failpoint
from models.recipe import Recipe
from models.records import new_id
from pipeline.services import Services
from pipeline.studio import StoredPrint, Studio

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T")

COST = 1
_CHUNK = 256 * 1024


@post("/convert", opt={"needs": "images-convert-fly", "replays": "made again"}, status_code=200)
async def convert(
    request: AnyRequest, services: Services, caller: Caller, door: Door, studio: Studio
) -> Response[Any]:
    """One picture as one variant, streamed back. Costs a credit when it succeeds.

    The same request with the same Idempotency-Key is made again, and costs nothing more.
    """
    operation = new_id()
    if attempt_of(request) is None:
        await services.database.read(ledger.refuse_poor, caller.account_id, COST)
    try:
        async with taken_in(request, services, door, operation, CONVERT_FIELDS) as intake:
            recipe = _only_recipe(intake)
            original = needed(intake.original)
            free = came_before(request)
            async with paid(services, caller.account_id, 0 if free else COST, operation):
                rendering = _render(services, studio, intake, recipe)
                made, file = await _unless_gone(request, rendering)
    finally:
        await services.stores.own.delete([staging_key(operation)])
    return _streamed(made, file, original.name)


@contextlib.asynccontextmanager
async def paid(
    services: Services, account_id: str, cost: int, operation: str
) -> AsyncIterator[None]:
    """Reserve before the block; capture when it succeeds, refund when it does not.

    The capture is the effect that an Idempotency-Key belongs to.
    """
    if not cost:
        yield
        return
    database = unclaimed(services.database)
    amount = await database.run(ledger.reserve, account_id, operation, cost)
    failpoint("C1.reserved")
    try:
        yield
    except BaseException:
        # Also when we are cancelled: the refund itself runs to its end.
        await database.run(ledger.refund, account_id, operation, amount)
        raise
    failpoint("C2.before_capture")
    try:
        await services.database.run(ledger.capture, account_id, operation, amount)
        failpoint("C3.captured")
    except StillRunning:
        await database.run(ledger.refund, account_id, operation, amount)
        raise


def _only_recipe(intake: Intake) -> Recipe:
    recipes = intake.asked.recipes
    problems = []
    if len(recipes) > 1:
        problems.append(Problem(field="resizeOptions", problem="convert makes one size: give one"))
    if len(recipes[0]) > 1:
        problems.append(Problem(field="formatOptions", problem="convert makes one file: give one"))
    if problems:
        raise InvalidFields(problems)
    return recipes[0][0]


async def _render(
    services: Services, studio: Studio, intake: Intake, recipe: Recipe
) -> tuple[StoredPrint, BinaryIO]:
    """The variant and its open file. Its name is gone already: nothing is left whoever leaves."""
    async with services.stores.own.file(intake.staging_key, studio.scratch) as source:
        with await studio.render(source, [recipe]) as prints:
            return prints[0], prints[0].path.open("rb")


async def _unless_gone(request: AnyRequest, work: Awaitable[T]) -> T:
    """The result of `work`, or ClientGone as soon as the connection ends; `work` then stops."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _gone(request: AnyRequest) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _streamed(made: StoredPrint, file: BinaryIO, name: str) -> Response[Any]:
    file_name = f"{Path(name).stem or 'image'}_converted.{made.extension}"
    headers = {
        "Content-Length": str(made.size),
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(file_name, safe='')}",
        "X-Credits-Used": str(COST),
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Stream(
        _chunks(file),
        status_code=HTTPStatus.OK,
        media_type=made.content_type,
        headers=headers,
    )


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file from tmpfs, piece by piece, and gone afterwards."""
    with file:
        while chunk := file.read(_CHUNK):
            yield chunk


routes = Router("/", route_handlers=[convert])
