"""The public API, as an import uses it."""

import asyncio
import contextlib
import ipaddress
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from gateway.importing.answers import (
    Accepted,
    Done,
    Ended,
    Later,
    meaning_of,
    reason_of,
    standing_of,
)
from gateway.importing.items import Item
from models.settings import SettingsError

_CONNECT_SECONDS = 10.0
_ANSWER_SECONDS = 180.0
_LOOK_SECONDS = 1.0
_LONGEST_LOOK = 600
_PAGE = 200
_SKEW = timedelta(minutes=10)
_LATEST = timedelta(hours=2)


class Remote:
    """One account's API."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def upload(self, item: Item, fields: dict[str, str], key: str) -> Ended:
        """Send one picture and wait for what comes of it. Raises OSError of its file."""
        try:
            answer = await self._send(item, fields, {"Idempotency-Key": key})
        except httpx2.HTTPError as error:
            return Later(status=None, reason=f"the API does not answer ({type(error).__name__})")
        meaning = meaning_of(answer)
        return await self._end_of(meaning.order) if isinstance(meaning, Accepted) else meaning

    async def _send(
        self, item: Item, fields: dict[str, str], headers: dict[str, str]
    ) -> httpx2.Response:
        if item.file is None:
            form = {name: (None, value) for name, value in (fields | {"url": item.name}).items()}
            return await self._client.post("/api/v1/images", files=form, headers=headers)
        with item.file.open("rb") as file:
            return await self._client.post(
                "/api/v1/images",
                data=fields,
                files={"image": (item.file.name, file)},
                headers=headers,
            )

    async def _end_of(self, order: str) -> Ended:
        """What becomes of an order that was taken; a key that may not look has to believe."""
        for _ in range(_LONGEST_LOOK):
            with contextlib.suppress(httpx2.HTTPError, ValueError):
                answer = await self._client.get(f"/api/v1/orders/{quote(order, safe='')}")
                if answer.status_code == httpx2.codes.FORBIDDEN:
                    return Done()
                meaning = standing_of(answer.json()) if answer.is_success else None
                if meaning is not None and not isinstance(meaning, Accepted):
                    return meaning
            await asyncio.sleep(_LOOK_SECONDS)
        return Later(status=202, reason="it was taken and does not come to an end")

    async def knows(self, image: str) -> bool:
        """Whether this account has such an image, or may not look."""
        answer = await self._get(f"/api/v1/images/{quote(image, safe='')}")
        return answer.status_code != httpx2.codes.NOT_FOUND

    async def gallery(self, name: str) -> str:
        """The id of the gallery with this id or name. Raises SettingsError."""
        answer = await self._get("/api/v1/galleries")
        found = [one for one in _listed(answer, "galleries") if name in (one["id"], one["name"])]
        if len(found) != 1:
            many = "several galleries" if found else "no gallery"
            raise SettingsError(f"There is {many} '{name}': give the id of one.")
        return str(found[0]["id"])

    async def arrived(self, name: str, since: datetime, bucket: str, but: set[str]) -> str | None:
        """The image of this name that was made soon after that moment, if it is there."""
        asked = f"/api/v1/images?limit={_PAGE}" + (f"&bucketKey={quote(bucket)}" if bucket else "")
        for page in itertools.count(1):
            images = _listed(await self._get(f"{asked}&page={page}"), "data")
            for image in images:
                age = datetime.fromisoformat(image["createdAt"]) - since
                if age < -_SKEW:
                    return None
                if age < _LATEST and image["originalName"] == name and image["id"] not in but:
                    return str(image["id"])
            if len(images) < _PAGE:
                break
        return None

    async def _get(self, path: str) -> httpx2.Response:
        try:
            return await self._client.get(path)
        except httpx2.HTTPError as error:
            raise SettingsError(
                f"{self._client.base_url} does not answer ({type(error).__name__}): give --api."
            ) from None


def _listed(answer: httpx2.Response, what: str) -> list[dict[str, Any]]:
    if not answer.is_success:
        raise SettingsError(f"The API does not let us look for {what}: {reason_of(answer)}")
    try:
        return list(answer.json()[what])
    except (ValueError, KeyError, TypeError):
        raise SettingsError(f"{answer.url} does not answer as Calotype does.") from None


@contextlib.asynccontextmanager
async def open_remote(api: str, key: str, jobs: int) -> AsyncIterator[Remote]:
    """The API at this address, while the block runs."""
    async with httpx2.AsyncClient(
        base_url=api.rstrip("/"),
        headers={"Authorization": f"Bearer {key}"},
        timeout=httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
        limits=httpx2.Limits(max_connections=jobs),
        trust_env=not _is_here(urlsplit(api).hostname or ""),
    ) as client:
        yield Remote(client)


def _is_here(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"
