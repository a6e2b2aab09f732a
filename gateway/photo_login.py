"""Log in to the photo API, and out."""

from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, Router, delete, post
from msgspec import Meta

from gateway.attempts import Attempts
from gateway.photo_views import login_view, photo_answer
from models.accounts import Caller, digest_of
from models.columns import now
from models.errors import BadRequest, NotFound, WrongPassword
from models.settings import Settings
from models.users import LOG_OUT, LONGEST_PASSWORD, find_user, log_in, log_out, new_token, spelled
from models.wire import Wire
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]


class Login(Wire, frozen=True, forbid_unknown_fields=False):
    """Who wants in."""

    alias: Annotated[str, Meta(min_length=1, max_length=256)]
    password: Annotated[str, Meta(min_length=1, max_length=LONGEST_PASSWORD)] = msgspec.field(
        name="pass"
    )


@post("/auth/login", status_code=200)
async def enter(request: AnyRequest, services: Services, attempts: Attempts) -> Response[Any]:
    """A token for an alias and a password. What is wrong with them is not said."""
    login = _read(await request.body())
    await attempts.count(spelled(login.alias), request.client.host if request.client else "")
    user = await services.database.read(find_user, login.alias)
    right = await attempts.match(login.password, user.password_hash if user else None)
    if user is None or not right:
        raise WrongPassword
    token, moment = new_token(), now()
    digest, until = digest_of(token, services.secret), _until(moment, services.settings)
    try:
        await services.database.run(log_in, user, digest, moment, until)
    except NotFound:
        raise WrongPassword from None
    return photo_answer(login_view(token, user))


def _read(body: bytes) -> Login:
    try:
        return msgspec.json.decode(body, type=Login)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest('Send JSON: {"alias": "...", "pass": "..."}.') from error


def _until(moment: datetime, settings: Settings) -> datetime | None:
    return moment + timedelta(days=settings.token_days) if settings.token_days else None


@delete("/auth/me", opt={"needs": LOG_OUT}, status_code=204)
async def leave(services: Services, caller: Caller) -> None:
    """The token that asks is good for nothing any more."""
    await services.database.run(log_out, caller.key_id)


routes = Router("/", route_handlers=[enter, leave])
