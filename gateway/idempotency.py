"""Idempotency-Key: a request that is sent twice has one effect, and one answer.

The key is written down by the first transaction of the request that it belongs to, so that no
crash can come between the two. The answer is kept just before it is sent. A request that comes
again is answered from that; from its order, when there was no time to keep an answer; and with
AnswerLost when there is neither. Refusals, before anything was written, are not remembered.

A route with `opt={"replays": "made again"}` keeps no answer: its handler runs again, and asks
`came_before` whether what it does is paid already.
"""

import asyncio
import contextlib
import copy
import hashlib
import re
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import msgspec
from litestar import Request, Response
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from sqlmodel import Session

from gateway.form import Form
from gateway.orders_api import ordered_before
from gateway.requests import add_header
from models.accounts import Caller
from models.database import Database
from models.errors import (
    AnswerLost,
    BadRequest,
    KeyReused,
    ServiceError,
    StillRunning,
    Unavailable,
)
from models.failpoint import failpoint
from models.records import Replay
from models.replays import Answer, Use, claim, find_replay, keep_answer
from models.vault import Unsealable, seal, unseal
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]
P = ParamSpec("P")
T = TypeVar("T")

_METHODS = ("POST", "PUT", "PATCH")
_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")
_ACCEPTED = 202
_LEFT = 499
_OURS = 500

LARGEST_ANSWER = 4 * 1024 * 1024


class Answered(ServiceError):
    """The request was carried out before, and this is its answer."""

    def __init__(self, answer: Response[Any]) -> None:
        super().__init__()
        self.answer = answer


def answer_again(_: AnyRequest, answered: Answered) -> Response[Any]:
    """What is answered to a request that was carried out before."""
    return answered.answer


class Attempt:
    """A request that has an Idempotency-Key: what it asks, and whether the key is its own."""

    def __init__(self, use: Use, *, made_again: bool = False) -> None:
        self.use = use
        self.made_again = made_again
        self.came_before = False
        self.took_effect = False


class Running:
    """The keys of requests that this process is carrying out."""

    def __init__(self) -> None:
        self._keys: set[tuple[str, str, str]] = set()

    def begin(self, use: Use) -> None:
        """Raises StillRunning for a key that has begun and not ended."""
        if _name(use) in self._keys:
            raise StillRunning
        self._keys.add(_name(use))

    def end(self, use: Use) -> None:
        """The key may be used again, for the same."""
        self._keys.discard(_name(use))


def _name(use: Use) -> tuple[str, str, str]:
    return use.account_id, use.route, use.key


def attempt_of(request: AnyRequest) -> Attempt | None:
    """The attempt that this request is, None when it has no key."""
    attempt: Attempt | None = request.scope["state"].get("attempt")
    return attempt


async def begin(request: AnyRequest) -> None:
    """Before a handler runs and after its guard: notice the key, and a request that came before.

    What a form asks is only known when it was read, see `recall`.
    """
    keys = request.headers.getall("idempotency-key", [])
    caller: Caller | None = request.scope["state"].get("caller")
    if not keys or caller is None or request.method not in _METHODS:
        return
    made_again = request.route_handler.opt.get("replays") == "made again"
    attempt = Attempt(_use(request, caller, keys), made_again=made_again)
    request.app.state.running.begin(attempt.use)
    request.scope["state"]["attempt"] = attempt
    if not _is_form(request):
        known = await recall(request, _digest_of_json(await request.body()))
        if known is not None:
            raise Answered(await repeated(request, known, request.app.state.services))


def _use(request: AnyRequest, caller: Caller, keys: list[str]) -> Use:
    if len(keys) > 1 or not _VISIBLE.fullmatch(keys[0]):
        raise BadRequest("The Idempotency-Key must be one, of 1 to 255 visible ASCII characters.")
    route = f"{request.method} {request.scope['path'].rstrip('/')}"
    return Use(account_id=caller.account_id, route=route, key=keys[0])


def _is_form(request: AnyRequest) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/")


async def recall(request: AnyRequest, digest: str) -> Replay | None:
    """What came of this request when it was sent before, None when it is new.

    Raises KeyReused when its key was used for something else.
    """
    attempt = attempt_of(request)
    if attempt is None:
        return None
    query = request.scope.get("query_string", b"")
    asked = hashlib.sha256(digest.encode() + query).hexdigest()
    attempt.use = msgspec.structs.replace(attempt.use, request_hash=asked)
    services: Services = request.app.state.services
    known = await services.database.read(find_replay, attempt.use)
    if known is not None and known.request_hash != asked:
        raise KeyReused
    if known is not None and attempt.made_again:
        attempt.came_before = attempt.took_effect = True
        add_header(request.scope, "idempotency-replayed", "true")
        return None
    return known


def came_before(request: AnyRequest) -> bool:
    """Whether this is a request that was carried out before, on a route that makes it again."""
    attempt = attempt_of(request)
    return attempt is not None and attempt.came_before


def unclaimed(database: Database) -> Database:
    """The same database, for transactions that are not yet the effect of the request."""
    return database.beneath if isinstance(database, ClaimingDatabase) else database


async def repeated(request: AnyRequest, known: Replay, services: Services) -> Response[Any]:
    """The answer to a request that was sent before; the failure of its order is raised."""
    add_header(request.scope, "idempotency-replayed", "true")
    if known.status is not None:
        body, kind = _kept(known, services.secret), known.content_type
        return Response(body, status_code=known.status, media_type=kind)
    if known.order_id is None:
        raise AnswerLost
    attempt = attempt_of(request)
    if attempt is not None:
        attempt.took_effect = True  # its answer was not kept: this one is
    return await ordered_before(request, known.order_id, services)


def digest_of_form(form: Form) -> str:
    """A hash of what a form says: its boundaries and the order of its parts say nothing."""
    file = form.file and (form.file.sha256, form.file.name)
    said = msgspec.json.encode((sorted(form.fields.items()), file))
    return hashlib.sha256(said).hexdigest()


def _digest_of_json(body: bytes) -> str:
    with contextlib.suppress(msgspec.DecodeError):
        body = msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    return hashlib.sha256(body).hexdigest()


def claiming(services: Services, request: AnyRequest) -> Services:
    """`services` whose first transaction also writes down the key of this request."""
    attempt = attempt_of(request)
    if attempt is None:
        return services
    own = copy.copy(services)
    own.database = ClaimingDatabase(services.database, attempt)
    return own


class ClaimingDatabase(Database):
    """The same database; its first transaction claims a key, or does nothing at all."""

    def __init__(self, database: Database, attempt: Attempt) -> None:
        vars(self).update(vars(database))
        self.beneath = database
        self._attempt = attempt
        self._turn = asyncio.Lock()

    async def run(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """As `Database.run`. Raises StillRunning when another request was first."""
        async with self._turn:
            if self._attempt.took_effect:
                return await super().run(work, *args, **kwargs)

            def claimed(session: Session) -> T:
                claim(session, self._attempt.use)
                return work(session, *args, **kwargs)

            result = await super().run(claimed)
            self._attempt.took_effect = True
            return result


def with_replays(app: ASGIApp, services: Services, running: Running) -> ASGIApp:
    """`app`, whose answers to requests with a key are kept before they are sent."""

    async def keeping(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] not in _METHODS:
            await app(scope, receive, send)
            return
        keeper = _Keeper(scope, send, services, running)
        try:
            await app(scope, receive, keeper.send)
        finally:
            keeper.end()

    return keeping


class _Keeper:
    """Stands before `send`: holds back an answer that is to be kept until it is."""

    def __init__(self, scope: Scope, send: Send, services: Services, running: Running) -> None:
        self._state = scope.setdefault("state", {})
        self._send = send
        self._services = services
        self._running = running
        self._start: Any = None
        self._body = bytearray()

    @property
    def _attempt(self) -> Attempt | None:
        attempt: Attempt | None = self._state.get("attempt")
        return attempt

    def end(self) -> None:
        """Who gets the answer may send the request again at once."""
        if self._attempt is not None:
            self._running.end(self._attempt.use)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._is_kept(message["status"]):
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            await self._collect(message["body"], more=message.get("more_body", False))
        else:
            self.end()
            await self._send(message)

    def _is_kept(self, status: int) -> bool:
        """What took effect and is not still going on; our own failures are not remembered."""
        attempt = self._attempt
        if attempt is None or attempt.made_again or not attempt.took_effect:
            return False
        return status < _OURS and status not in (_ACCEPTED, _LEFT)

    async def _collect(self, piece: bytes, *, more: bool) -> None:
        """Take in the answer; send it when it is whole and kept, or too long to be kept."""
        self._body += piece
        if more and len(self._body) <= LARGEST_ANSWER:
            return
        start, self._start = self._start, None
        if not more and self._attempt is not None:
            failpoint("A1.before_keep")
            await self._keep(self._attempt.use, start)
            failpoint("A2.kept")
        self.end()
        await self._send(start)
        await self._send(
            {"type": "http.response.body", "body": bytes(self._body), "more_body": more}
        )

    async def _keep(self, use: Use, start: Any) -> None:  # noqa: ANN401 an ASGI message
        kind = dict(start["headers"]).get(b"content-type", b"").decode("latin-1")
        body = seal(self._services.secret, bytes(self._body), _place(use)).encode()
        answer = Answer(status=start["status"], content_type=kind, body=body)
        with contextlib.suppress(Unavailable):
            await self._services.database.run(keep_answer, use, answer)


def _place(use: Use) -> str:
    return msgspec.json.encode(("replay", *_name(use))).decode()


def _kept(known: Replay, secret: str) -> bytes:
    """The answer as it was. It is kept sealed: it may hold a new API key."""
    use = Use(account_id=known.account_id, route=known.route, key=known.key)
    try:
        return unseal(secret, (known.body or b"").decode(), _place(use))
    except Unsealable:
        raise AnswerLost from None
