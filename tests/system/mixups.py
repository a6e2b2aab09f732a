"""Requests that would have a careless cache mix up two pictures, and whether it did.

Pictures of one colour each, in many widths, in whatever format the client reads: what belongs to
an address and a class of clients is found out by plain requests, and looked at. Then everything
is asked for again, in disorder, with headers that other caches have tripped over.
"""

import asyncio
import hashlib
import random
from collections import Counter
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tests.pictures import png
from tests.system.burst import Got
from tests.system.world import World

READS: Final = {
    "image/avif": ("image/avif,image/webp,*/*", "image/webp;q=0.5, IMAGE/AVIF", "image/avif"),
    "image/webp": ("image/webp,*/*", "image/avif;q=0, image/webp", "text/html,image/webp;q=0.9"),
    "image/jpeg": ("*/*", "image/jpeg", "image/*", "text/html"),
    "": (),
}
"""What a class of clients may send, by what it gets; the last sends nothing, and gets a JPEG."""
POISON: Final = (
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: gopher",
    "X-Forwarded-Prefix: /other",
    "X-Forwarded-For: 127.0.0.1, ::1",
    "Forwarded: host=evil.example;proto=http",
    "X-Original-URL: {other}",
    "X-Rewrite-URL: {other}",
    "X-HTTP-Method-Override: DELETE",
    "X-Cache-Key: {other}",
    "Referer: http://edge{other}",
    "Cookie: a={other}",
    "Authorization: Bearer nobody",
    "Cache-Control: no-cache, no-store",
    "Accept-Encoding: gzip, br, zstd",
    "Accept-Language: x",
    "Content-Type: image/avif",
    "Origin: null",
    "DPR: 3",
    "Width: 4000",
    "Sec-CH-DPR: 3",
    "Save-Data: on",
    "X-Accept: image/avif",
    "Vary: Accept",
    "User-Agent: image/avif",
)


_AT_ONCE: Final = 5000


class Asked(NamedTuple):
    """An address and a class of clients."""

    path: str
    reads: str


def paths_of(system: World, pictures: int, widths: int) -> list[str]:
    """Addresses whose format is negotiated: so many pictures in so many widths."""
    found = []
    for number in range(pictures):
        form = {"formatOptions": '{"format": "png"}'}
        files = {"image": ("a.png", png(200 + number, 100), "image/png")}
        answer = system.http.post("/api/v1/images", data=form, files=files)
        (address,) = answer.json()["simpleData"][0]["variants"].values()
        found += [f"{urlsplit(address).path}?w={8 + width}&fm=auto" for width in range(widths)]
    return found


def truth(asked: Asked, got: Got) -> str:
    """The hash of what belongs here, once it has been looked at; '' when it is wrong already."""
    digest = hashlib.sha256(got.body).hexdigest()
    expected = asked.reads or "image/jpeg"
    right = got.headers.get("content-type") == expected and got.headers["etag"] == f'"{digest}"'
    varies = "accept" in got.headers.get("vary", "").lower()
    return digest if got.status == 200 and right and varies else ""


def plainly(asked: Asked) -> list[str]:
    """The request's lines as an honest client sends them."""
    spellings = READS[asked.reads]
    return [f"Accept: {spellings[0]}"] if spellings else []


def poisoned(asked: Asked, others: list[str], chance: random.Random) -> list[str]:
    """The same in another spelling, with headers that must mean nothing, in any order."""
    spellings = READS[asked.reads]
    lines = [f"Accept: {chance.choice(spellings)}"] if spellings else []
    chosen = chance.sample(POISON, chance.randrange(5))
    lines += [line.format(other=chance.choice(others)) for line in chosen]
    chance.shuffle(lines)
    return lines


async def fetched(
    port: int, requests: list[tuple[Asked, list[str]]], clients: int = 16
) -> list[tuple[Asked, Got]]:
    """Every answer, over so many connections that stay open."""
    turns, answers = iter(requests), list[tuple[Asked, Got]]()

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for asked, lines in turns:
            head = [f"GET {asked.path} HTTP/1.1", "Host: edge", *lines, "", ""]
            writer.write("\r\n".join(head).encode())
            answers.append((asked, await _read(reader)))
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return answers


async def _read(reader: asyncio.StreamReader) -> Got:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *fields = head.rstrip().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Got(int(status.split()[1]), headers, body)


class Verdict(NamedTuple):
    """How many answers were right, and what was wrong with the others."""

    pairs: int
    asked: int
    right: int
    wrong: Counter[str]


def judge(port: int, paths: list[str], requests: int, seed: int) -> Verdict:
    """Find out what is right, then ask so often."""
    chance = random.Random(seed)
    pairs = [Asked(path, reads) for path in paths for reads in READS]
    plain = asyncio.run(fetched(port, [(asked, plainly(asked)) for asked in pairs], clients=4))
    known = {asked: truth(asked, got) for asked, got in plain}
    wrong = Counter(f"plain {asked.reads}" for asked, digest in known.items() if not digest)
    right, asked_for = 0, 0
    while asked_for < requests:
        chosen = [chance.choice(pairs) for _ in range(min(_AT_ONCE, requests - asked_for))]
        asked_for += len(chosen)
        mixed = [(asked, poisoned(asked, paths, chance)) for asked in chosen]
        for asked, got in asyncio.run(fetched(port, mixed)):
            same = hashlib.sha256(got.body).hexdigest() == known[asked]
            right += same
            if not same:
                wrong[f"{asked.reads or 'nothing said'} got {got.status}"] += 1
    return Verdict(len(pairs), asked_for, right, wrong)
