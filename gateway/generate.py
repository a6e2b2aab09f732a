"""Generate: a prompt in, the images that were asked for out."""

from typing import Any

from litestar import Request, Response, Router, post

from gateway.admission import Door
from gateway.asked import GENERATE_FIELDS
from gateway.idempotency import attempt_of
from gateway.intake import Intake, taken_in
from gateway.orders_api import ordered
from gateway.submit import cost_of, refused
from models import ledger
from models.accounts import Caller, find_bucket
from models.errors import NoModel
from models.events import Original
from models.generation import GENERATION_COST, Generation
from models.orders import Draft, refuse_hopeless
from models.records import Bucket, new_id
from models.settings import Settings
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]

_LONGEST_TITLE = 60


@post("/generate", opt={"needs": "images-generate"}, status_code=200)
async def generate(
    request: AnyRequest, services: Services, caller: Caller, door: Door
) -> Response[Any]:
    """Have a picture generated, make its variants, answer when they are there."""
    refuse_without_key(services.settings)
    await services.database.read(refuse_hopeless, caller.account_id)
    if attempt_of(request) is None:
        cheapest = GENERATION_COST + 1
        await services.database.read(ledger.refuse_poor, caller.account_id, cheapest)
    async with taken_in(request, services, door, new_id(), GENERATE_FIELDS) as intake:
        async with refused(services, intake.staging_key):
            key = intake.asked.bucket_key
            bucket = await services.database.read(find_bucket, caller.account_id, key)
            draft = _draft(intake, bucket, request)
        return await ordered(request, draft, services)


def refuse_without_key(settings: Settings) -> None:
    """Raise NoModel, which says what to set."""
    if not settings.gemini_key:
        raise NoModel


def _draft(intake: Intake, bucket: Bucket, request: AnyRequest) -> Draft:
    asked, template = intake.asked, intake.original
    title = asked.change.name or title_of(asked.prompt)
    return Draft(
        order_id=intake.order_id,
        account_id=bucket.account_id,
        bucket_id=bucket.id,
        staging_key=intake.staging_key,
        original=template or Original(name=title, size=0, sha256=""),
        asked=asked.recipes,
        cost=GENERATION_COST + cost_of(asked.recipes),
        change=asked.change,
        kind="generate",
        prefix=asked.prefix,
        generation=Generation(
            prompt=asked.prompt, config=asked.ai_config, template=template is not None
        ),
        request_id=request.scope["state"].get("request_id", ""),
    )


def title_of(prompt: str) -> str:
    """What an image is called that nobody named: how its prompt begins."""
    words = "".join(sign if sign.isprintable() else " " for sign in prompt).split()
    title = " ".join(words)
    if len(title) <= _LONGEST_TITLE:
        return title or "image"
    return title[:_LONGEST_TITLE].rpartition(" ")[0] or title[:_LONGEST_TITLE]


routes = Router("/", route_handlers=[generate])
