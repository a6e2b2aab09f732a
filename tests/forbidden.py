"""URLs that must lead nowhere, and a judge that sees every connection.

Run as a program inside a network namespace where every address of the world is this machine
(`tests/test_egress.py` does so): whoever connects anywhere is recorded by the listener.
"""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import parse_qs, quote, urlsplit

from models.errors import ForbiddenSource, ServiceError
from pipeline.egress import PORTS, Egress, Resolver, system_resolver
from pipeline.originals import FetchLimits, fetch_original

LIMITS = FetchLimits(total=10, connect=2, read=2)
PUBLIC_4 = "93.184.216.34"
PUBLIC_6 = "2606:2800:220:1::1"

V4 = (
    *("127.0.0.1", "127.0.0.53", "127.255.255.254", "0.0.0.0", "0.1.2.3"),
    *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1", "192.168.99.9"),
    *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("192.0.0.192", "192.0.2.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.7"),
    *("192.88.99.1", "168.63.129.16", "240.0.0.1", "255.255.255.255", "224.0.0.1", "239.1.1.1"),
)
V6 = (
    *("::", "::1", "::2", "fe80::1", "febf::1", "fec0::1", "feff::1", "fc00::1", "fd00:ec2::254"),
    *("fd20:ce::254", "ff02::1", "ff0e::1", "100::1", "2001::1", "2001:2::1", "2001:10::1"),
    *("2001:20::1", "2001:db8::1", "3fff::1", "5f00::1", "4000::1", "2002::1", "64:ff9b:2::1"),
)


def wrapped(address: IPv4Address) -> Iterator[IPv6Address]:
    """Every IPv6 form that carries an IPv4 address."""
    v4, teredo = int(address), int(IPv6Address("2001::")) | (int(IPv4Address(PUBLIC_4)) << 64)
    local, global_id = int(IPv6Address("64:ff9b:1::")), int(IPv6Address("2606:2800:220:1::"))
    yield from (
        IPv6Address((0xFFFF << 32) | v4),  # mapped
        IPv6Address(v4),  # compatible
        IPv6Address((0xFFFF << 48) | v4),  # translated
        IPv6Address((0x2002 << 112) | (v4 << 80) | 1),  # 6to4
        IPv6Address((0x2002 << 112) | (v4 << 80) | (v4 << 0)),
        IPv6Address(int(IPv6Address("64:ff9b::")) | v4),  # NAT64
        IPv6Address(local | v4),  # local NAT64, with a prefix of 96, 48, 56 and 64 bits
        IPv6Address(local | ((v4 >> 16) << 64) | ((v4 & 0xFFFF) << 40)),
        IPv6Address(local | ((v4 >> 24) << 64) | ((v4 & 0xFFFFFF) << 32)),
        IPv6Address(local | (v4 << 24)),
        IPv6Address(teredo | (v4 ^ 0xFFFFFFFF)),  # Teredo client, then server
        IPv6Address(int(IPv6Address("2001::")) | (v4 << 64) | 1),
        IPv6Address(global_id | (0x5EFE << 32) | v4),  # ISATAP, both of its marks
        IPv6Address(global_id | (0x02005EFE << 32) | v4),
        IPv6Address(int(IPv6Address("fe80::")) | (0x5EFE << 32) | v4),
    )


def spelled_4(text: str) -> Iterator[str]:
    """An IPv4 address as the parsers of this world have read it."""
    a, b, c, d = (int(part) for part in text.split("."))
    number = int(IPv4Address(text))
    yield from (text, f"{text}.", f"{text}..", f"0{text}", f"{number}", f"{number}.")
    yield from (f"0x{number:x}", f"0X{number:08X}", f"0{number:o}", f"0x{number:032x}")
    yield from (f"{a}.{b}.{c * 256 + d}", f"{a}.{number & 0xFFFFFF}", f"{a}.{b}.0x{c * 256 + d:x}")
    yield from (
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0{a:o}.0{b:o}.0{c:o}.0{d:o}",
        f"0{a:o}.{b}.{c}.{d}",
    )
    yield from (f"{a:03d}.{b:03d}.{c:03d}.{d:03d}", f"{a + 256}.{b}.{c}.{d}", f"{number + 2**32}")
    yield from (text.translate(FULLWIDTH), text.translate(CIRCLED), text.replace(".", "\u3002"))
    yield from (text.replace(".", "\uff0e"), text.replace(".", "\uff61"), text.replace(".", "%2e"))
    yield from ("".join(f"%{ord(char):02x}" for char in text), f"{text}%00.example", f"{text}%20")
    yield from (f"[{text}]", f"[::ffff:{text}]", f"[::{text}]", f"[0:0:0:0:0:FFFF:{text}]")
    yield from (f"[::ffff:{text}%25lo]", f"\u200b{text}", f"{text}\u00ad")


FULLWIDTH = {ord(digit): 0xFF10 + int(digit) for digit in "0123456789"}
CIRCLED = {ord(digit): 0x245F + int(digit) for digit in "123456789"}


def spelled_6(address: IPv6Address) -> Iterator[str]:
    """An IPv6 address, short, long, loud and with a zone."""
    short = str(address)
    yield from (f"[{short}]", f"[{address.exploded}]", f"[{short.upper()}]", f"[{short}%25lo]")


def tricks(at: str) -> Iterator[str]:
    """Ways to make two parsers read two hosts."""
    good = PUBLIC_4
    yield from (
        f"http://{good}@{at}/",
        f"http://{good}:80@{at}/",
        f"http://:@{at}/",
        f"http://@{at}/",
    )
    yield from (f"http://{at}#@{good}/", f"http://{at}?@{good}/", f"http://{at}\\@{good}/")
    yield from (f"http://{good}\\@{at}/", f"http:\\\\{at}/", f"http:/\\{at}/", f"http:{at}/")
    yield from (f"http:/{at}/", f"http:///{at}/", f"http:////{at}/", f"//{at}/", f"\\\\{at}/")
    yield from (f" http://{at}/ ", f"http://{at[:4]}\t{at[4:]}/", f"http://{at}\r\nX: y/")
    yield from (f"http://{at[:4]}\n{at[4:]}/", f"http://{at} {good}/", f"http://{good} {at}/")
    yield from (
        f"http://{at}\x00{good}/",
        f"http://{good}%0d%0aHost:{at}/",
        f"http://[{good}]@{at}/",
    )
    yield from (f"http://{at}%2f@{good}/", f"http://{at}%23@{good}/", f"http://{good}%40{at}/")
    yield from (
        f"url:http://{at}/",
        f"view-source:http://{at}/",
        f"jar:http://{at}/!/a",
        f"ws://{at}/",
    )
    yield from (f"{scheme}://{at}/a" for scheme in SCHEMES)
    yield from ("", " ", "http://", "https://", "http://?", "http://.", "http://../", "http://%/")
    yield from ("data:image/png;base64,AAAA", "file:///etc/passwd", "/etc/passwd", "javascript:1")


SCHEMES = (
    "ftp",
    "ftps",
    "file",
    "gopher",
    "dict",
    "ldap",
    "tftp",
    "sftp",
    "unix",
    "ssh",
    "smb",
    "s3",
)


@dataclass(frozen=True)
class World:
    """A scripted DNS. Each name's answers are a queue: the first question gets the first."""

    answers: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    beyond: Resolver = field(default_factory=system_resolver)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self.answers:
            return await self.beyond(host, port)
        queue = self.answers[host]
        return queue.pop(0) if len(queue) > 1 else queue[0]

    def name(self, *answers: Sequence[str]) -> str:
        host = f"n{len(self.answers)}.rebind.example"
        self.answers[host] = list(answers)
        return host


def forbidden_addresses() -> list[str]:
    wraps = (str(form) for text in V4 for form in wrapped(IPv4Address(text)))
    return [*V4, *V6, *wraps]


def forbidden_hosts(world: World) -> Iterator[str]:
    """Spelled addresses, then names that answer with them, alone or among good ones."""
    yield from (spelling for text in V4 for spelling in spelled_4(text))
    for text in V4:
        yield from (f"[{form}]" for form in wrapped(IPv4Address(text)))
    yield from (spelling for text in V6 for spelling in spelled_6(IPv6Address(text)))
    yield from ("localhost", "LOCALHOST", "localhost.", "LocalHost%00")
    for at, address in enumerate(forbidden_addresses()):
        good = PUBLIC_6 if at % 2 else PUBLIC_4
        sets = ([address], [good, address], [address, good], [good, address, PUBLIC_4])
        yield world.name(sets[at % 4])
    yield from (world.name([PUBLIC_4, "not-an-address"]), world.name(["fe80::1%lo"]))


def forbidden_urls(world: World, port: int | None) -> Iterator[str]:
    """All of them, over both schemes; `port` is where the judge listens, None the default."""
    colon = "" if port is None else f":{port}"
    for at, host in enumerate(forbidden_hosts(world)):
        yield f"{('http', 'https', 'HTTP', 'hTTps')[at % 4]}://{host}{colon}/secret?{at}"
    yield from tricks(f"127.0.0.1{colon}")
    ports = (21, 22, 25, 81, 444, 3306, 5432, 6379, 8080, 9200, 65535, 65536, 0, -1, 99999)
    yield from (f"http://{PUBLIC_4}:{bad}/" for bad in ports)
    yield from (
        f"http://{PUBLIC_4}:\uff18\uff10\uff18\uff10/",
        f"http://{PUBLIC_4}:+81/",
        f"http://{PUBLIC_4}:8_1/",
    )


class Nowhere:
    """A sink."""

    async def write(self, data: bytes, /) -> None:
        """Forget it."""


@dataclass
class Judge:
    """Listens everywhere, believes nobody, notes who was reached at which address."""

    port: int
    reached: list[str] = field(default_factory=list)

    async def note(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached.append(str(writer.get_extra_info("sockname")[0]))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        writer.close()


@asynccontextmanager
async def listening(*ports: int) -> AsyncIterator[Judge]:
    """A judge on every address of this machine, both families; port 0 takes a free one."""
    judge = Judge(port=ports[0])
    async with AsyncExitStack() as stack:
        for port in ports:
            four = await asyncio.start_server(judge.note, "0.0.0.0", port, backlog=512)
            judge.port = four.sockets[0].getsockname()[1] if port == 0 else judge.port
            six = await asyncio.start_server(judge.note, "::", port or judge.port, backlog=512)
            await stack.enter_async_context(four)
            await stack.enter_async_context(six)
        yield judge


@asynccontextmanager
async def redirector() -> AsyncIterator[int]:
    """The one allowed place: `/?to=URL&times=3` redirects to itself until it redirects away."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        asked = parse_qs(urlsplit(target).query, strict_parsing=True)
        times, to = int(asked["times"][0]), asked["to"][0]
        onward = to if times <= 1 else f"/?times={times - 1}&to={quote(to, safe='')}"
        status = (301, 302, 303, 307, 308)[times % 5]
        writer.write(f"HTTP/1.1 {status} Go\r\nLocation: {onward}\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0, backlog=512) as server:
        yield server.sockets[0].getsockname()[1]


def by_redirect(urls: Iterable[str], port: int) -> Iterator[str]:
    """The same URLs, one to five redirects away, but those a Location cannot say."""
    for at, url in enumerate(urls):
        if url.strip() == url and url.isprintable() and re.match(r"\w+://[^/?#]", url):
            to = quote(url, safe="")
            yield f"http://127.0.0.1:{port}/?times={1 + at % 5}&to={to}"


async def verdict(url: str, egress: Egress) -> str:
    """How a fetch ended, by name."""
    try:
        await fetch_original(url, Nowhere(), egress, LIMITS)
    except ServiceError as error:
        return type(error).__name__
    return "Fetched"


async def try_all(urls: Iterable[str], egress: Egress) -> dict[str, list[str]]:
    """Every URL, 32 at a time: the URLs by how they ended."""
    slots = asyncio.Semaphore(32)

    async def one(url: str) -> tuple[str, str]:
        async with slots:
            return await verdict(url, egress), url

    ends: dict[str, list[str]] = {}
    for end, url in await asyncio.gather(*map(one, urls)):
        ends.setdefault(end, []).append(url)
    return ends


@dataclass(frozen=True)
class Trial:
    """What was tried, how it ended, whom it reached."""

    tried: int
    slipped: list[str]
    reached: list[str]


async def hold_trial(judge: Judge, port: int | None) -> Trial:
    """All forbidden URLs, direct and by redirect, against a listening judge."""
    world = World()
    async with redirector() as own:
        allow = frozenset({("127.0.0.1", own)})
        egress = Egress(allow=allow, resolve=world.resolve, ports=PORTS | {judge.port})
        direct = list(forbidden_urls(world, port))
        urls = [*direct, *by_redirect(direct[::4], own)]
        ends = await try_all(urls, egress)
    refused = ends.pop(ForbiddenSource.__name__, [])
    slipped = [f"{end}: {url}" for end, those in ends.items() for url in those]
    return Trial(tried=len(refused) + len(slipped), slipped=slipped, reached=judge.reached)


async def _main() -> None:
    async with listening(80, 443) as judge:
        trial = await hold_trial(judge, None)
        forbidden = list(trial.reached)
        world = World()
        rebound = world.name([PUBLIC_4, PUBLIC_6], ["10.0.0.1"])
        egress = Egress(resolve=world.resolve)
        hosts = (PUBLIC_4, f"[{PUBLIC_6}]", f"[64:ff9b::{PUBLIC_4}]", rebound)
        ends = [await verdict(f"http://{host}/", egress) for host in hosts]
        again = await verdict(f"http://{rebound}/", egress)
    report = {"tried": trial.tried, "slipped": trial.slipped, "reached": forbidden}
    report |= {"public": judge.reached[len(forbidden) :], "ends": ends, "again": again}
    sys.stdout.write(json.dumps(report))


if __name__ == "__main__":
    asyncio.run(_main())
