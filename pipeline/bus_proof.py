"""NATS servers keep what they acknowledge, or we do not start: their sync_interval is read.

A client of the bus cannot ask for it. The monitoring port tells, and so does the system account.
"""

import asyncio
from ssl import SSLContext
from typing import Any
from urllib.parse import urlsplit

import httpx2
import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from models.settings import SettingsError
from pipeline.bus_line import AWAY, Wire, apart, closed

OLDEST = (2, 12, 6)
PROMISED = "promised"

_VARZ = "$SYS.REQ.SERVER.PING.VARZ"
_PATIENCE = 5.0
_GATHER_SECONDS = 1.0  # for every server of a cluster to answer

_ASKED = (
    "Set CALOTYPE_NATS_PROOF to where it can be read that the servers of CALOTYPE_NATS_URL have "
    "'sync_interval: always' (http://host:8222, or nats://user:password@host:4222 of the system "
    "account), or to 'promised' when you know it."
)


async def refuse_unsynced(proof: str, tls: SSLContext | None = None) -> None:
    """Raise SettingsError unless every server syncs each message before it acknowledges it.

    With `tls` they are spoken to in nothing else, wherever the address does not say http://.
    """
    if proof == PROMISED:
        return
    if not proof:
        raise SettingsError(_ASKED)
    try:
        told = await _told(proof, tls)
    except (*AWAY, httpx2.HTTPError, msgspec.DecodeError) as error:
        raise SettingsError(
            f"CALOTYPE_NATS_PROOF: {type(error).__name__} instead of an answer from {_safe(proof)}."
        ) from error
    for varz in told:
        _refuse(varz)


async def _told(proof: str, tls: SSLContext | None) -> list[dict[str, Any]]:
    """What every server says about itself."""
    if proof.startswith("http"):
        return [await _monitored(address.strip(), tls) for address in proof.split(",")]
    return await _asked(proof, tls)


async def _monitored(address: str, tls: SSLContext | None) -> dict[str, Any]:
    async with httpx2.AsyncClient(timeout=_PATIENCE, trust_env=False, verify=tls or True) as client:
        answer = await client.get(f"{address.rstrip('/')}/varz")
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=dict[str, Any])


async def _asked(address: str, tls: SSLContext | None) -> list[dict[str, Any]]:
    """The answers of all servers that this user of the system account reaches."""
    client = Client()
    client._transport = Wire(sealed=tls is not None)  # noqa: SLF001 no other way to give it one
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    async def hear(message: Msg) -> None:
        answers.put_nowait(message.data)

    try:
        await apart(client.connect(servers=address.split(","), tls=tls, error_cb=_quiet), _PATIENCE)
        inbox = client.new_inbox()
        await client.subscribe(inbox, cb=hear)
        await client.publish(_VARZ, reply=inbox)
        first = await apart(answers.get(), _PATIENCE)
        await asyncio.sleep(_GATHER_SECONDS)
    finally:
        await closed(client)
    more = [answers.get_nowait() for _ in range(answers.qsize())]
    return [msgspec.json.decode(one)["data"] for one in (first, *more)]


async def _quiet(_error: Exception) -> None:
    """The question fails, and says so."""


def _refuse(varz: dict[str, Any]) -> None:
    name, version = varz.get("server_name", "?"), str(varz.get("version", "0"))
    if _parsed(version) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise SettingsError(f"The NATS server {name} is {version}: {oldest} is needed.")
    found = varz.get("jetstream", {}).get("config")
    if found is None:
        raise SettingsError(f"The NATS server {name} has no JetStream: switch it on.")
    if not found.get("sync_always"):
        seconds = found.get("sync_interval", 0) / 1e9
        raise SettingsError(
            f"The NATS server {name} has sync_interval = {seconds:g}s: a power cut would take away "
            "what it acknowledged. Set 'sync_interval: always' in its jetstream block."
        )


def _parsed(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.partition("-")[0].split(".") if part.isdigit())


def _safe(proof: str) -> str:
    """The address without its password."""
    return urlsplit(proof).hostname or "there"
