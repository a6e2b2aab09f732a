"""A command at a system: beside the one that runs, or alone with what it left."""

import contextlib
from collections.abc import AsyncIterator

import msgspec

from gateway.folder import Occupied, locked, secret_of
from gateway.nats_server import embedded_nats, running_nats
from models.schema import current, refuse_unfit
from models.settings import Settings, SettingsError
from pipeline.services import Services, open_services
from pipeline.tasks import running


@contextlib.asynccontextmanager
async def at_system(settings: Settings) -> AsyncIterator[Services]:
    """The services of the system that `settings` name, with its relay, while the block runs.

    An embedded system that is stopped gets its bus for so long, and nobody else starts it then.
    """
    _refuse_nothing(settings)
    async with contextlib.AsyncExitStack() as stack:
        settings = await _with_bus(settings, stack)
        services = await stack.enter_async_context(open_services(settings, secret_of(settings)))
        refuse_old_schema(services)
        await stack.enter_async_context(running(services.relay.run))
        yield services


def _refuse_nothing(settings: Settings) -> None:
    if not settings.database_url and not (settings.data / "calotype.sqlite").exists():
        raise SettingsError(
            f"There is no system in {settings.data}: name its folder with --data, "
            "or start one with 'calotype up'."
        )
    settings.data.mkdir(parents=True, exist_ok=True)


async def _with_bus(settings: Settings, stack: contextlib.AsyncExitStack) -> Settings:
    if not settings.embedded_bus:
        return settings
    try:
        stack.enter_context(locked(settings.data))
    except Occupied:
        nats = running_nats(settings.data)
    else:
        nats = await stack.enter_async_context(embedded_nats(settings.data))
    return msgspec.structs.replace(
        settings, nats_url=nats.url, nats_token=nats.token, nats_proof=nats.proof
    )


def refuse_old_schema(services: Services) -> None:
    """Raise SettingsError unless the database is as this release needs it."""
    refuse_unfit(current(services.database.engine))
