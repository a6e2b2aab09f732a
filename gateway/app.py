"""The REST API as one ASGI application."""

from typing import Any

from litestar import Litestar, Request, Router, get
from litestar.datastructures import State
from litestar.di import Provide
from litestar.types import ASGIApp, Receive, Scope, Send

from gateway import (
    buckets,
    convert,
    docs,
    galleries,
    generate,
    idempotency,
    images,
    keys,
    orders_api,
    photo_login,
    photos,
    presets,
    progress,
    public_gallery,
    purge,
    urls,
)
from gateway.access import with_access
from gateway.admission import Door
from gateway.attempts import Attempts
from gateway.auth import guard
from gateway.bounds import with_bounds
from gateway.counting import with_counts
from gateway.errors import answer_error
from gateway.intake import body_limits
from gateway.passwords import Passwords
from gateway.proxies import with_clients
from gateway.rates import open_rates
from gateway.requests import with_request_id
from gateway.voices import with_voices
from models.accounts import Caller
from models.database import budgeted
from models.settings import Settings
from pipeline.services import Services
from pipeline.studio import Studio

AnyRequest = Request[Any, Any, Any]


def gateway_app(services: Services, studio: Studio) -> ASGIApp:
    """The application. It opens nothing and closes nothing: `services` belong to the caller."""
    api = Router(
        "/api/v1",
        route_handlers=[
            images.routes,
            orders_api.routes,
            progress.routes,
            convert.routes,
            generate.routes,
            galleries.routes,
            keys.routes,
            buckets.routes,
            purge.routes,
            urls.routes,
            presets.routes,
        ],
        before_request=idempotency.begin,
    )
    photo_api = Router("/api", route_handlers=[photo_login.routes, photos.routes])
    settings = services.settings
    door = Door(settings.max_uploads, body_limits(settings).body_bytes)
    running = idempotency.Running()
    rates, strangers = open_rates(settings)
    app = Litestar(
        [api, photo_api, docs.routes, health, public_gallery.show],
        guards=[guard],
        dependencies={
            "services": Provide(_services),
            "caller": Provide(_caller),
            "door": Provide(_door),
            "studio": Provide(_studio),
            "attempts": Provide(_attempts),
            "streams": Provide(_streams),
        },
        exception_handlers={
            Exception: answer_error,
            idempotency.Answered: idempotency.answer_again,
        },
        state=State(
            {
                "services": services,
                "door": door,
                "studio": studio,
                "running": running,
                "rates": rates,
                "attempts": Attempts(rates, Passwords()),
                "strangers": strangers,
                "streams": progress.Streams(settings.max_streams),
            }
        ),
        on_shutdown=[rates.aclose],
        request_max_body_size=None,
        logging_config=None,
        openapi_config=None,
    )
    replaying = idempotency.with_replays(with_bounds(app, settings), services, running)
    seen = with_access(with_voices(replaying, settings), logged="gateway" in settings.access_log)
    answering = _with_patience(with_request_id(seen), settings)
    return with_counts(with_clients(answering, settings.trusted_proxies), services.meter)


def _with_patience(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app`, whose every request waits for a slow database once, and not at each step anew."""

    async def patient(scope: Scope, receive: Receive, send: Send) -> None:
        with budgeted(settings.database_seconds):
            await app(scope, receive, send)

    return patient


@get("/healthz", sync_to_thread=False)
def health() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


async def _services(state: State, request: AnyRequest) -> Services:
    return idempotency.claiming(state.services, request)


async def _door(state: State) -> Door:
    door: Door = state.door
    return door


async def _studio(state: State) -> Studio:
    studio: Studio = state.studio
    return studio


async def _attempts(state: State) -> Attempts:
    attempts: Attempts = state.attempts
    return attempts


async def _streams(state: State) -> progress.Streams:
    streams: progress.Streams = state.streams
    return streams


async def _caller(request: AnyRequest) -> Caller:
    caller: Caller = request.state.caller
    return caller
