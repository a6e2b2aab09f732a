"""Whatever a client sends beside it, an address is answered with its own bytes and no others."""

import asyncio
import hashlib
import os
import random
from itertools import product

from tests.system.burst import Got, bursting
from tests.system.drawn import photo
from tests.system.world import World

REQUESTS = int(os.environ.get("EDGE_POISON", "1200"))
KEYS = max(20, REQUESTS // 40)
IMAGES = 5
CLASSES = {
    "jpeg": ("", "*/*", "text/html,image/apng;q=0.8", "image/webp;q=0, */*", "\x80\xff"),
    "webp": ("image/webp", "image/webp,*/*;q=0.8", "IMAGE/WEBP;Q=1.0", "image/webp;q=0.7"),
    "avif": ("image/avif,image/webp,*/*", "image/avif", "image/webp;q=0.5,image/avif;q=0.6"),
    "explicit": ("image/avif,image/webp", "*/*"),
}
POISON = (
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: gopher",
    "X-Original-URL: /etc/passwd",
    "X-Rewrite-URL: /other.webp",
    "Forwarded: host=evil",
    "Cookie: a=b; c=d",
    "Accept-Encoding: gzip, br",
    "Accept-Language: xx",
    "Authorization: Bearer nobody",
    "Save-Data: on",
    "DPR: 3",
    "Width: 9999",
    "Sec-CH-DPR: 2",
    "Viewport-Width: 1",
    "If-None-Match: W/",
    "If-Modified-Since: yesterday",
    "Cache-Control: no-cache, max-age=0",
    "Pragma: no-cache",
    "Range: chickens=1-2",
    "X-HTTP-Method-Override: DELETE",
    "User-Agent: \x80\x81",
)


def test_every_body_is_the_right_one(system: World) -> None:
    addresses = [system.edge + uploaded(system, number) for number in range(IMAGES)]
    widths = range(16, 16 + KEYS // IMAGES)
    keys = [f"{address}?w={width}" for address, width in product(addresses, widths)]
    right = asyncio.run(references(keys))
    assert len(set(right.values())) == len(keys) * 3
    wrong = asyncio.run(attack(keys, right))
    assert wrong == []


def uploaded(system: World, number: int) -> str:
    """The path of a picture unlike the others."""
    answer = system.upload(photo(300 + 7 * number, 200), resizeOptions={"width": 300})
    url: str = answer.json()["simpleData"][0]["variants"]["webp"]
    return "/" + url.split("/", 3)[3]


async def references(keys: list[str]) -> dict[tuple[str, str], str]:
    """The hash of each key in each format, asked for by name and without any header."""
    right = {}
    for kind in ("jpeg", "webp", "avif"):
        got = await bursting([f"{key}&fm={kind}" for key in keys], at_once=16)
        for key, one in zip(keys, got, strict=True):
            assert one.status == 200, (key, kind, one)
            assert one.headers["content-type"] == f"image/{kind}"
            right[key, kind] = digest(one)
    return right


async def attack(keys: list[str], right: dict[tuple[str, str], str]) -> list[str]:
    chosen = random.Random(7)
    plans = []
    for _ in range(REQUESTS):
        key, kind = chosen.choice(keys), chosen.choice(list(CLASSES))
        lines = chosen.sample(POISON, chosen.randrange(6))
        accept = chosen.choice(CLASSES[kind])
        lines += [f"Accept: {accept}"] if accept else []
        fm = chosen.choice(("jpeg", "webp", "avif")) if kind == "explicit" else kind
        query = f"{key}&fm={fm}" if kind == "explicit" else f"{key}&fm=auto"
        plans.append((key, fm, query, lines))
    turns = asyncio.Semaphore(32)

    async def one(key: str, kind: str, url: str, lines: list[str]) -> str | None:
        async with turns:
            (got,) = await bursting([url], *lines)
        if digest(got) == right[key, kind]:
            return None
        return f"{kind}: {got.status} {got.headers.get('content-type')} {url} {lines}"

    done = await asyncio.gather(*(one(*plan) for plan in plans))
    return [problem for problem in done if problem]


def digest(got: Got) -> str:
    return hashlib.sha256(got.body).hexdigest()
