"""Who asks, when proxies stand in between: X-Forwarded-For, as far as they are ours."""

import ipaddress
from collections.abc import Iterable
from typing import TypeAlias

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from models.settings import SettingsError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


def with_clients(app: ASGIApp, proxies: str) -> ASGIApp:
    """`app`, that sees the client behind these proxies. SettingsError for what is no network."""
    ours = read_networks(proxies)
    if not ours:
        return app

    async def behind(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and (peer := scope["client"]):
            scope["client"] = (client_of(peer[0], _hops(scope), ours), peer[1])
        await app(scope, receive, send)

    return behind


def read_networks(text: str) -> tuple[Network, ...]:
    """Networks or addresses, separated by commas."""
    try:
        return tuple(ipaddress.ip_network(one.strip()) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise SettingsError(f"CALOTYPE_TRUSTED_PROXIES: {error}.") from None


def client_of(peer: str, hops: Iterable[str], ours: tuple[Network, ...]) -> str:
    """The nearest address that is not a proxy of ours; what lies behind it may be made up.

    `hops` are the nearest last. Behind what is no address nothing is known.
    """
    known = peer
    for hop in (peer, *reversed(list(hops))):
        address = _parsed(hop)
        if address is None:
            break
        known = str(address)
        if not any(address in network for network in ours):
            break
    return known


def _hops(scope: Scope) -> list[str]:
    lines = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return [one.strip() for line in lines for one in line.decode("latin-1").split(",")]


def _parsed(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
