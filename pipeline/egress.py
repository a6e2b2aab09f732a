"""Where this service may connect to: public addresses, and no spelling of any other."""

import asyncio
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import httpcore2

from models.errors import BadSource, ForbiddenSource
from models.meter import Meter

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

PORTS = frozenset({80, 443})
MAX_NAME = 253  # of DNS
LOOKUPS = 16  # at once; a stalled one holds its thread for as long as libc waits
MAX_TRIES = 4  # of the addresses of one host; more is no CDN, it is a stall

# Stricter than `ipaddress.is_global`, which lets several of these through and changes its mind
# from one patch release to the next.
NEVER: tuple[Network, ...] = (
    *map(
        IPv4Network,
        (
            "0.0.0.0/8",  # "this network": Linux connects it to itself
            "10.0.0.0/8",
            "100.64.0.0/10",  # carrier NAT; Alibaba's metadata service
            "127.0.0.0/8",
            "168.63.129.16/32",  # Azure's host agent: a public number that never leaves the rack
            "169.254.0.0/16",  # link-local; most clouds' metadata services
            "172.16.0.0/12",
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata service
            "192.0.2.0/24",
            "192.31.196.0/24",  # AS112: answered by whoever is nearest
            "192.52.193.0/24",  # AMT relays
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",
            "198.51.100.0/24",
            "203.0.113.0/24",
            "224.0.0.0/4",
            "240.0.0.0/4",
        ),
    ),
    *map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID
            "2001:db8::/32",
            "2002::/16",  # 6to4
            "2620:4f:8000::/48",  # AS112
            "3ffe::/16",  # the 6bone, handed back
            "3fff::/20",
        ),
    ),
)
MAPPED = IPv6Network("::ffff:0:0/96")
NAT64 = IPv6Network("64:ff9b::/96")
UNICAST = IPv6Network("2000::/3")  # all that was ever given out; the rest is refused unread
ISATAP = (0x00005EFE, 0x02005EFE)

_NAME = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")  # a- and _b are not right, but real
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def system_resolver(threads: int = LOOKUPS) -> Resolver:
    """Ask the system, on threads of its own: a name server that stalls must not stall our files."""
    pool = ThreadPoolExecutor(threads, "dns")

    async def resolve(host: str, port: int) -> Sequence[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(pool, ask)
        return [str(sockaddr[0]) for *_, sockaddr in found]

    return resolve


@dataclass(frozen=True, slots=True)
class Egress:
    """What may be reached. `allow` opens loopback (address, port) pairs and is meant for tests."""

    allow: frozenset[tuple[str, int]] = frozenset()
    refuse_hosts: frozenset[str] = frozenset()  # our own: fetching from ourselves is a loop
    refuse_networks: tuple[Network, ...] = ()  # public numbers used inside, an own NAT64 prefix
    ports: frozenset[int] = PORTS
    name: str = "calotype"  # in CDN-Loop (RFC 8586)
    user_agent: str = "Calotype"
    resolve: Resolver = field(default_factory=system_resolver)
    tls: ssl.SSLContext = field(default_factory=httpcore2.default_ssl_context)
    meter: Meter = field(default_factory=Meter)

    def __post_init__(self) -> None:
        strangers = [host for host, _ in self.allow if not ip_address(host).is_loopback]
        if strangers:
            raise ValueError(f"Only loopback addresses can be allowed, not {strangers}.")


def is_public(address: Address) -> bool:
    """Whether an address is somebody else's, out there.

    An IPv4 address is looked for inside the two wrappings real networks use, IPv4-mapped and
    NAT64. The others (IPv4-compatible, IPv4-translated, 6to4, Teredo, ISATAP, local NAT64) lead to
    no honest picture and are refused whatever they wrap.
    """
    address = unwrapped(address)
    if isinstance(address, IPv6Address) and (address not in UNICAST or _is_isatap(address)):
        return False
    return address.is_global and not _within(address, NEVER)


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv4-mapped or NAT64 address stands for; any other is itself."""
    if isinstance(address, IPv6Address) and (address in MAPPED or address in NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_isatap(address: IPv6Address) -> bool:
    return (int(address) >> 32) & 0xFFFFFFFF in ISATAP


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def may_connect(egress: Egress, address: Address, port: int) -> bool:
    """The rule for one checked address and port."""
    if (str(address), port) in egress.allow:
        return True
    if any(_within(one, egress.refuse_networks) for one in (address, unwrapped(address))):
        return False
    return port in egress.ports and is_public(address)


def plain_host(host: str) -> str:
    """The one spelling of a host that goes on: a name or an address as everybody reads it.

    `0x7f.1`, `2130706433` and `127.1` mean an address to some and a name to others, so they are
    refused, not understood.
    """
    host = host.lower().removesuffix(".")
    if literal := _literal(host):
        return str(literal)
    if not _is_name(host) or _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise ForbiddenSource("The source URL has no valid host name.")
    return host


def _is_name(host: str) -> bool:
    return len(host) <= MAX_NAME and _NAME.fullmatch(host) is not None


def _literal(host: str) -> Address | None:
    try:
        return None if "%" in host else ip_address(host)
    except ValueError:
        return None


def check_host(egress: Egress, host: str, port: int) -> None:
    """Refuse what can be refused before anybody is asked for an address."""
    if port not in egress.ports and port not in {allowed for _, allowed in egress.allow}:
        raise ForbiddenSource("A source URL may use only the ports 80 and 443.")
    if host in {refused.lower().removesuffix(".") for refused in egress.refuse_hosts}:
        raise ForbiddenSource("The source URL leads back to this service.")


async def checked_addresses(egress: Egress, host: str, port: int) -> list[Address]:
    """The addresses of a host, asked for once; one that may not be reached refuses them all."""
    host = plain_host(host)
    check_host(egress, host, port)
    literal = _literal(host)
    answers = [str(literal)] if literal else await _ask(egress, host, port)
    addresses = [_literal(answer) for answer in dict.fromkeys(answers)]
    checked = [one for one in addresses if one is not None and may_connect(egress, one, port)]
    if len(checked) != len(addresses):
        egress.meter.count("calotype_egress_refused_total")
        raise ForbiddenSource
    return checked


async def _ask(egress: Egress, host: str, port: int) -> Sequence[str]:
    try:
        answers = await egress.resolve(host, port)
    except (OSError, UnicodeError) as error:
        raise BadSource("The host of the source URL could not be found.") from error
    if not answers:
        raise BadSource("The host of the source URL could not be found.")
    return answers


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects httpcore to checked addresses only; Host and SNI stay those of the URL.

    The check sits where the socket is opened, so no second look-up can answer differently.
    """

    def __init__(self, egress: Egress) -> None:
        self._egress = egress
        self._tcp = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """A stream to the first address that answers."""
        failure: Exception = httpcore2.ConnectError()
        for address in (await checked_addresses(self._egress, host, port))[:MAX_TRIES]:
            try:
                return await self._tcp.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,  # noqa: ARG002 - httpcore's signature
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore's signature
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002 - same
    ) -> httpcore2.AsyncNetworkStream:
        """Never."""
        raise ForbiddenSource


def has_passed(cdn_loop: str, name: str) -> bool:
    """Whether a request's CDN-Loop header (RFC 8586) says that it went out from here before."""
    return any(entry.split(";")[0].strip().lower() == name.lower() for entry in cdn_loop.split(","))
