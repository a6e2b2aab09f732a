"""Running until told to stop: the whole system, or one role of it."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Callable
from functools import partial

import click
import msgspec
import structlog
from rich.console import Console
from rich.panel import Panel
from sqlmodel import Session

from gateway.beside import refuse_old_schema
from gateway.folder import claim, note_running, secret_of
from gateway.garbage import leave_alone_what_stays
from gateway.logs import start_logs
from gateway.observed import observed
from gateway.ports import free_port, refuse_taken
from gateway.readiness import standing
from gateway.roll import on_the_roll
from gateway.tracing import start_traces
from gateway.up import FIRST_ACCOUNT, Ready, refuse_unsafe, system
from gateway.workers import end_with_parent, group
from models.accounts import add_key, digest_of, find_account, new_key, revoke_key
from models.records import ApiKey
from models.settings import Settings, SettingsError
from pipeline.services import Services, open_services
from pipeline.tasks import running

log = structlog.get_logger(__name__)

Role = Callable[[Services], contextlib.AbstractAsyncContextManager[object]]


async def run_system(settings: Settings, *, demo: bool, as_json: bool) -> None:
    """`calotype up`: until SIGTERM or SIGINT, then finish what is in hand."""
    start_logs(settings, "up")
    start_traces(settings, "up")
    stopped = stop_signal()
    async with (
        observed("up", settings) as seen,
        system(_with_ports(settings), seen.meter) as ready,
        on_the_roll(ready.services, seen),
    ):
        leave_alone_what_stays()
        seen.operators.stand = partial(standing, "up", ready.services)
        _note(ready)
        if as_json:
            click.echo(json.dumps(_summary(ready) | {"metrics": seen.address}))
        else:
            _welcome(ready)
        if demo:
            await _demonstrate(ready)
        await stopped.wait()
        seen.operators.draining = True
        log.info("stopping")


async def run_group(name: str, settings: Settings, workers: int) -> None:
    """The same with several processes, which end together."""
    start_logs(settings, name)
    stopped = stop_signal()
    _refuse_alone(name, settings)
    claim(settings.data)
    async with group(name, _with_ports(settings), workers) as (made, operators):

        async def told() -> None:
            await stopped.wait()
            operators.draining = True
            log.info("stopping", role=name)

        await made.run(told())


async def run_role(name: str, role: Role, settings: Settings, *, worker: bool = False) -> None:
    """`calotype gateway|pipeline|edge`: until SIGTERM or SIGINT, then finish what is in hand.

    A `worker` is one of a group: it shares its port, and says when it is ready.
    """
    start_logs(settings, name)
    start_traces(settings, name)
    stopped = stop_signal()
    if worker:
        end_with_parent(stopped)
    else:
        _refuse_alone(name, settings)
    claim(settings.data)
    async with contextlib.AsyncExitStack() as stack:
        seen = await stack.enter_async_context(observed(name, settings))
        opening = open_services(settings, secret_of(settings), seen.meter)
        services = await stack.enter_async_context(opening)
        refuse_old_schema(services)
        async with running(services.relay.run), role(services), on_the_roll(services, seen):
            leave_alone_what_stays()
            seen.operators.stand = partial(standing, name, services)
            log.info("ready", role=name, metrics=seen.address)
            if worker:
                click.echo(json.dumps({"metrics": seen.address}))
            await stopped.wait()
            seen.operators.draining = True
            log.info("stopping", role=name)


def _note(ready: Ready) -> None:
    settings = ready.services.settings
    note_running(settings.data, {"api": settings.public_api, "edge": settings.public_edge})


def stop_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets, from now on."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


def _with_ports(settings: Settings) -> Settings:
    """The settings with free ports where 0 was asked for."""
    ports = {"port": settings.port, "edge_port": settings.edge_port}
    chosen = {name: port or free_port(settings.host) for name, port in ports.items()}
    return msgspec.structs.replace(settings, **chosen)


def _refuse_alone(name: str, settings: Settings) -> None:
    if settings.embedded_bus:
        raise SettingsError(
            f"'calotype {name}' is one role of several processes: set CALOTYPE_NATS_URL to the "
            "bus that they share, or run everything with 'calotype up'."
        )
    if not settings.database_url:
        raise SettingsError(
            f"'calotype {name}' is one role of several processes, and SQLite is for one: set "
            "CALOTYPE_DATABASE_URL to the Postgres that they share."
        )
    refuse_unsafe(settings)
    port = {"gateway": settings.port, "edge": settings.edge_port}.get(name)
    if port:
        refuse_taken(settings.host, port, f"CALOTYPE_{'EDGE_' * (name == 'edge')}PORT")


def _summary(ready: Ready) -> dict[str, str | None]:
    settings = ready.services.settings
    return {
        "api": settings.public_api,
        "edge": settings.public_edge,
        "key": ready.key,
        "data": str(settings.data.resolve()),
    }


def _welcome(ready: Ready) -> None:
    settings = ready.services.settings
    key = ready.key or "$CALOTYPE_KEY"
    curl = (
        f"curl -H 'Authorization: Bearer {key}' -F image=@photo.jpg "
        f"-F 'resizeOptions={{\"width\":1200}}' {settings.public_api}/api/v1/images"
    )
    lines = [
        f"API    {settings.public_api}",
        f"Edge   {settings.public_edge}",
        f"Data   {settings.data.resolve()}",
        f"Key    {ready.key}   (shown this once)" if ready.key else "",
    ]
    console = Console(highlight=False)
    console.print(Panel("\n".join(line for line in lines if line), title="Calotype is ready"))
    if not ready.key:
        click.echo("Lost the key? Make another: calotype keys create --permission all")
    click.echo(f"Try it:\n\n  {curl}\n")


async def _demonstrate(ready: Ready) -> None:
    """Show a picture's way with a key of its own, which is gone when the table stands."""
    from gateway.demo import run_demo  # noqa: PLC0415 nothing else draws: a start need not load it

    services = ready.services
    key = new_key()
    made = await services.database.run(_add_demo_key, digest_of(key, services.secret))
    try:
        await run_demo(services.settings.public_api, key)
    finally:
        await services.database.run(revoke_key, made.id)


def _add_demo_key(session: Session, digest: str) -> ApiKey:
    account = find_account(session, FIRST_ACCOUNT)
    return add_key(session, account.id, "demo", digest, "demo", ["images-create"])
