"""Proving a customer's storage: an address we may go to, where an object comes and goes."""

import asyncio
import ipaddress
import re
import secrets
from collections.abc import Awaitable
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from models.errors import BadSource, ForbiddenSource, InvalidFields, Problem, Unavailable
from pipeline.egress import Egress, checked_addresses, plain_host
from pipeline.storage import MissingObject, NoPlace, Place, Storage, StorageDenies

T = TypeVar("T")

_LONGEST = 512
_TLS_PORT = 443
_PATH = re.compile(r"(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?")
_STEP_SECONDS = 10.0
_NOT_PUBLIC = "does not lead to a public address: https with a host name, on port 443"
_PROOF = b"Calotype was here to see whether it can keep your images, and is gone again.\n"


def plain_endpoint(text: str, egress: Egress) -> str:
    """The one spelling of an endpoint that may be tried; asks nobody. Raises InvalidFields."""
    try:
        url = urlsplit(text.strip()) if len(text) <= _LONGEST else SplitResult("", "", "", "", "")
        host, port = plain_host(url.hostname or ""), url.port or _TLS_PORT
    except (ValueError, ForbiddenSource):
        raise _problem("endpoint", "is not an address such as https://s3.example.com") from None
    if url.username is not None or url.query or url.fragment or not _PATH.fullmatch(url.path):
        raise _problem("endpoint", "must be a plain address such as https://s3.example.com")
    if not _may_try(url.scheme, host, port, egress):
        raise _problem("endpoint", _NOT_PUBLIC)
    shown = "" if port == _TLS_PORT else f":{port}"
    return f"{url.scheme}://{host}{shown}{url.path.rstrip('/')}"


def _may_try(scheme: str, host: str, port: int, egress: Egress) -> bool:
    """TLS, a name, port 443; or what a test opened of this machine."""
    if (host, port) in egress.allow:
        return scheme in ("http", "https")
    return scheme == "https" and port in egress.ports and not _is_address(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def prove(place: Place, prefix: str, storage: Storage, egress: Egress) -> None:
    """Put, get and delete a small object. InvalidFields says which of it failed, and whose fault.

    The storage's own words are not passed on: they were written by a stranger.
    """
    await _resolve(place, egress)
    key = f"{prefix}calotype-proof-{secrets.token_hex(8)}.txt"
    await _step("write", storage.put(key, _PROOF))
    if await _step("read", storage.get(key)) != _PROOF:
        raise _problem("bucket", "gave back other bytes than were written")
    await _step("delete", storage.delete([key]))


async def _resolve(place: Place, egress: Egress) -> None:
    url = urlsplit(place.endpoint)
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            await checked_addresses(egress, url.hostname or "", url.port or _TLS_PORT)
    except ForbiddenSource:
        raise _problem("endpoint", _NOT_PUBLIC) from None
    except (BadSource, TimeoutError):
        raise _problem("endpoint", "has a host name that cannot be found") from None


async def _step(doing: str, work: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_STEP_SECONDS):
            return await work
    except StorageDenies:
        problem = f"does not let us {doing} with this access key and secret"
        raise _problem("accessKey", problem) from None
    except NoPlace:
        raise _problem("bucket", "is not there") from None
    except MissingObject:
        raise _problem("bucket", "does not have what was just written") from None
    except (Unavailable, TimeoutError):
        raise _problem("endpoint", f"did not answer as S3 does when we tried to {doing}") from None


def _problem(field: str, problem: str) -> InvalidFields:
    return InvalidFields([Problem(field=field, problem=problem)])
