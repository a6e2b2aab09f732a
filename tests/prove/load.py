"""Clients: steady, mixed, impatient, and never content with less than an answer."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

import httpx2

from models.generation import GENERATION_COST
from models.records import new_id
from tests.prove.books import Books
from tests.prove.waiting import becomes
from tests.system.drawn import photo

_INSIST_SECONDS = 240.0
_AGAIN = {429, 503}
_STILL_RUNNING = "still-running"


class Mix(NamedTuple):
    """What clients do, by weight."""

    upload: int = 12
    update: int = 2
    delete: int = 2
    convert: int = 2
    damaged: int = 1
    poison: int = 0
    """Pictures that kill the child that renders them, every time."""
    leave: int = 1
    """Uploads whose client hangs up at the first break and never asks again."""
    look: int = 4
    """Reads at the edge."""
    generate: int = 0
    """Uploads of a prompt."""
    burst: int = 0
    """A dozen uploads that are content with 202, and asked for when the last is sent."""


UPLOADS_ONLY = Mix(1, *[0] * 9)


class Load:
    """Some clients of one system. They stop when told to, and finish what they began."""

    def __init__(
        self,
        apis: Sequence[str],
        edges: Sequence[str],
        key: str,
        *,
        mix: Mix,
        clients: int = 6,
        pause: float = 0.0,
        most: int = 1 << 30,
        seed: int = 0,
    ) -> None:
        self.books = Books()
        self.mix = mix
        """May be changed while it runs: the next thing that a client does is of the new one."""
        self.most = most
        self.begun = 0
        self._apis, self._edges = list(apis), list(edges)
        self._clients, self._pause = clients, pause
        self._chance = random.Random(seed)
        self._stopped = False
        self._http = httpx2.AsyncClient(
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx2.Timeout(90, connect=5),
            limits=httpx2.Limits(max_connections=200, max_keepalive_connections=50),
            trust_env=False,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Books]:
        """Clients at work while the block runs; at its end each finishes what it is at."""
        tasks = [asyncio.create_task(self._client(n)) for n in range(self._clients)]
        try:
            yield self.books
        except BaseException:
            for task in tasks:
                task.cancel()
            raise
        finally:
            self._stopped = True
            done = await asyncio.gather(*tasks, return_exceptions=True)
            await self._http.aclose()
            self.books.problems += [
                f"a client failed: {one!r}" for one in done if isinstance(one, Exception)
            ]

    async def until(self, accepted: int, seconds: float) -> bool:
        """Wait until so many uploads are accepted; whether they were, in time."""
        return await becomes(lambda: len(self.books.uploads) >= accepted, seconds)

    async def _client(self, number: int) -> None:
        client = _Client(self, random.Random(self._chance.random()), number)
        while not self._stopped and self.begun < self.most:
            self.begun += 1
            (name,) = client.chance.choices(self.mix._fields, list(self.mix))
            await getattr(client, name)()
            if self._pause:
                await asyncio.sleep(self._pause * 2 * client.chance.random())

    async def ask(
        self,
        method: str,
        path: str,
        key: str = "",
        *,
        tries: int = 1 << 30,
        later: bool = False,
        **body: Any,
    ) -> httpx2.Response | None:
        """The definite answer, however often it takes; None when there was none in time.

        Who asks for `later` is content with 202.
        """
        deadline = time.monotonic() + _INSIST_SECONDS
        headers = {"Idempotency-Key": key} if key else {}
        headers |= {"Prefer": "respond-async"} if later else {}
        while time.monotonic() < deadline and tries > 0:
            url = self._chance.choice(self._apis) + path
            try:
                answer = await self._http.request(method, url, headers=headers, **body)
            except httpx2.TransportError:
                self.books.statuses["gone"] += 1
                tries -= 1
                await asyncio.sleep(0.2 + 0.5 * self._chance.random())
                continue
            self.books.statuses[str(answer.status_code)] += 1
            if later and answer.status_code == 202:
                return answer
            if not _is_worth_asking_again(answer):
                return answer
            await asyncio.sleep(0.1 + 0.4 * self._chance.random())
        return None

    async def look(self, path: str) -> httpx2.Response | None:
        """What an edge has to say, asked once."""
        with contextlib.suppress(httpx2.TransportError):
            return await self._http.get(self._chance.choice(self._edges) + path)
        return None


class _Client:
    """One client and its own images: nobody else touches those."""

    def __init__(self, load: Load, chance: random.Random, number: int) -> None:
        self.chance = chance
        self._load = load
        self._books = load.books
        self._number = number
        self._own: list[str] = []

    def _picture(self) -> bytes:
        side = self.chance.choice([(48, 32), (32, 48), (40, 40), (64, 20)])
        return photo(*side)

    async def upload(self, picture: bytes | None = None, tries: int = 1 << 30) -> None:
        key = new_id()
        body = form(picture or self._picture())
        answer = await self._load.ask("POST", "/api/v1/images", key, tries=tries, **body)
        self._heard(key, answer, expected=picture is not None)

    async def burst(self) -> None:
        wanted = {new_id(): form(self._picture()) for _ in range(12)}
        for key, body in wanted.items():
            await self._load.ask("POST", "/api/v1/images", key, later=True, **body)
        for key, body in wanted.items():
            answer = await self._load.ask("POST", "/api/v1/images", key, **body)
            self._heard(key, answer, expected=False)

    async def generate(self) -> None:
        key, prompt = new_id(), {"prompt": (None, "a red disc on a blue ground")}
        self._books.prices[key] = GENERATION_COST + 1
        answer = await self._load.ask("POST", "/api/v1/generate", key, files=prompt)
        self._heard(key, answer, expected=False)

    def _heard(self, key: str, answer: httpx2.Response | None, *, expected: bool) -> None:
        if answer is None:
            self._books.unknown.add(key)
        elif answer.status_code == 200:
            images = answer.json()["data"]
            self._books.uploads[key] = images
            self._books.images |= {image["id"]: image for image in images}
            self._own += [image["id"] for image in images]
        else:
            self._refused(key, answer, expected=expected)

    async def damaged(self) -> None:
        await self.upload(photo(96, 96)[:900])

    async def poison(self) -> None:
        word = self.chance.choice([b"crash", b"exit"])
        await self.upload(self._picture() + b"\nPROVE:" + word)

    async def leave(self) -> None:
        await self.upload(tries=1)

    async def update(self) -> None:
        if not self._own:
            return await self.upload()
        image, key = self.chance.choice(self._own), new_id()
        path = f"/api/v1/images/{image}"
        answer = await self._load.ask("PUT", path, key, **form(self._picture()))
        if answer is None:
            self._own.remove(image)
            self._books.images.pop(image, None)
            self._books.unknown.add(key)
        elif answer.status_code == 200:
            told = answer.json()["data"]
            self._books.updates[key] = told
            self._books.images[image] = told
        else:
            self._refused(key, answer, expected=False)
        return None

    async def delete(self) -> None:
        if not self._own:
            return await self.upload()
        image = self._own.pop(self.chance.randrange(len(self._own)))
        self._books.images.pop(image)
        answer = await self._load.ask("DELETE", f"/api/v1/images/{image}")
        if answer is None or answer.status_code not in (200, 404):
            self._books.problems.append(f"deleting {image} was answered {answer}")
        else:
            self._books.deleted.add(image)
        return None

    async def convert(self) -> None:
        key = new_id()
        answer = await self._load.ask("POST", "/api/v1/convert", key, **form(self._picture()))
        if answer is None:
            self._books.unknown.add(key)
        elif answer.status_code == 200:
            self._books.conversions.add(key)
        else:  # a conversion is tried once: when its child was killed it is refused, for nothing
            self._refused(key, answer, expected=_code(answer) == "render-crashed")

    async def look(self) -> None:
        """A variant at the edge: this one's bytes, or a clean refusal."""
        if not self._own:
            return
        image = self._books.images[self.chance.choice(self._own)]
        variant = self.chance.choice([one for one in image["metadata"] if one["objectKey"]])
        path = f"/{image['urlBase'].rsplit('/')[-1]}/{variant['objectKey']}"
        answer = await self._load.look(path)
        if answer is not None and answer.status_code not in (200, 503):
            self._books.problems.append(f"{path} was answered {answer.status_code}")

    def _refused(self, key: str, answer: httpx2.Response, *, expected: bool) -> None:
        code = _code(answer)
        self._books.refused[key] = code
        if not expected:
            self._books.problems.append(f"{key} was answered {answer.status_code} {code}")


def form(picture: bytes) -> dict[str, Any]:
    """The body of an upload."""
    return {"files": {"image": ("picture.jpg", picture, "image/jpeg")}}


def _is_worth_asking_again(answer: httpx2.Response) -> bool:
    if answer.status_code == 202 or answer.status_code in _AGAIN:
        return True  # the same request again waits for the same order
    return answer.status_code == 409 and _code(answer) == _STILL_RUNNING


def _code(answer: httpx2.Response) -> str:
    with contextlib.suppress(ValueError):
        return str(answer.json().get("code", answer.status_code))
    return str(answer.status_code)
