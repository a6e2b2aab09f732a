"""Everything in one process: what `calotype up` starts, and how it ends."""

import asyncio
import contextlib
import ipaddress
from collections.abc import AsyncIterator
from typing import NamedTuple

import msgspec
from sqlmodel import Session, select

from cdn_edge.role import serving_edge
from gateway.folder import claim, locked, secret_of
from gateway.nats_server import embedded_nats
from gateway.ports import refuse_taken_ports
from gateway.role import serving_gateway
from models.accounts import PERMISSIONS, add_key, digest_of, find_account, new_key, open_account
from models.database import open_database
from models.meter import Meter
from models.records import Account
from models.schema import migrate
from models.settings import Settings, SettingsError
from pipeline.role import open_studio, working_pipeline
from pipeline.services import Services, open_services
from pipeline.tasks import running

FIRST_ACCOUNT = "default"


class Ready(NamedTuple):
    """A system that runs: where it is, and its first key if it was made just now."""

    services: Services
    key: str | None


@contextlib.asynccontextmanager
async def system(settings: Settings, meter: Meter | None = None) -> AsyncIterator[Ready]:
    """Run every role in this process while the block runs. Raises SettingsError.

    A folder's earlier life may have ended anywhere: what it accepted is finished by this one.
    """
    refuse_unsafe(settings)
    refuse_taken_ports(settings)
    claim(settings.data)
    with locked(settings.data):
        secret = secret_of(settings)
        async with contextlib.AsyncExitStack() as stack:
            settings = await _with_bus(settings, stack)
            key = await asyncio.to_thread(prepare, settings, secret)
            services = await stack.enter_async_context(open_services(settings, secret, meter))
            await stack.enter_async_context(running(services.relay.run))
            studio = await stack.enter_async_context(open_studio(settings, meter))
            await stack.enter_async_context(working_pipeline(services, studio))
            await stack.enter_async_context(serving_edge(services, studio))
            await stack.enter_async_context(serving_gateway(services, studio))
            yield Ready(services, key)


async def _with_bus(settings: Settings, stack: contextlib.AsyncExitStack) -> Settings:
    if not settings.embedded_bus:
        return settings
    nats = await stack.enter_async_context(embedded_nats(settings.data))
    return msgspec.structs.replace(
        settings, nats_url=nats.url, nats_token=nats.token, nats_proof=nats.proof
    )


def prepare(settings: Settings, secret: str) -> str | None:
    """Bring the schema up to date; open the first account. Its key, when it is new."""
    database = open_database(settings.database_url, settings.data, settings.database_pool)
    with contextlib.closing(database):
        migrate(database.engine)
        with Session(database.engine) as session:
            key = open_first_account(session, settings, secret)
            session.commit()
            return key


def open_first_account(session: Session, settings: Settings, secret: str) -> str | None:
    """The first account with a key that may do everything; None when there is one already."""
    if session.exec(select(Account.id)).first():
        return None
    open_account(session, FIRST_ACCOUNT, settings.free_credits, settings.total_storage)
    account = find_account(session, FIRST_ACCOUNT)
    key = new_key()
    add_key(session, account.id, "first", digest_of(key, secret), key[-4:], PERMISSIONS)
    return key


def refuse_unsafe(settings: Settings) -> None:
    """Raise SettingsError unless everybody may reach what listens here."""
    if settings.secret or _is_loopback(settings.host):
        return
    raise SettingsError(
        f"--host {settings.host} can be reached by others: set CALOTYPE_SECRET first "
        "(make one with 'openssl rand -hex 32')."
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
