"""Two APIs in one application: whose a request is, told by its host and its path."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from models.settings import Settings

PHOTO_PATHS = ("/api/auth", "/api/me", "/api/photos")
"""What the photo API has; everything else is the image API's."""

_HEALTH = "/healthz"  # asked by machines that know addresses, not names
_NOWHERE = "/there-is-nothing-here"


class Api(NamedTuple):
    """One of the two: which it is, and where it is."""

    photos: bool
    host: str
    prefix: str


class Heard(NamedTuple):
    """Whose a request is, and its path within that API."""

    photos: bool
    path: str


def with_voices(app: ASGIApp, settings: Settings) -> ASGIApp:
    """`app`, which finds paths without their prefixes, and in the scope's state whose they are."""
    apis = (
        Api(photos=True, host=settings.snapas_host.lower(), prefix=settings.snapas_prefix),
        Api(photos=False, host=settings.snapix_host.lower(), prefix=settings.snapix_prefix),
    )

    async def voiced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            heard = listen(apis, _host(scope), scope["path"])
            scope.setdefault("state", {})["photos"] = heard.photos
            scope["path"] = heard.path
            scope["raw_path"] = heard.path.encode()
        await app(scope, receive, send)

    return voiced


def is_about_photos(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Whether the photo API was asked."""
    return bool(connection.scope["state"].get("photos"))


def listen(apis: tuple[Api, Api], host: str, path: str) -> Heard:
    """Whose this is. What belongs to neither is answered 404 by the image API."""
    if path == _HEALTH:
        return Heard(photos=False, path=path)
    apart = apis[0][1:] != apis[1][1:]
    for api, inner in _possible(apis, host, path):
        if has_photo_path(inner) is api.photos:
            return Heard(api.photos, inner)
        if not api.photos or (apart and (api.host or api.prefix)):
            return Heard(api.photos, _NOWHERE)
    return Heard(photos=False, path=_NOWHERE)


def _possible(apis: tuple[Api, Api], host: str, path: str) -> Iterator[tuple[Api, str]]:
    """The APIs that could be meant, with the path that is left of their prefix."""
    for api in apis:
        within = path == api.prefix or path.startswith(f"{api.prefix}/")
        if within and api.host in ("", host):
            yield api, path.removeprefix(api.prefix) or "/"


def has_photo_path(path: str) -> bool:
    """Whether a path without its prefix is the photo API's."""
    return any(path == own or path.startswith(f"{own}/") for own in PHOTO_PATHS)


def _host(scope: Scope) -> str:
    """The host name that was asked for, without its port."""
    given = dict(scope["headers"]).get(b"host", b"").decode("latin-1").lower()
    name, colon, port = given.rpartition(":")
    return name if colon and port.isdigit() else given
