"""The photo API's voice: an envelope with an integer code, around data or a sentence."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from litestar import Response

from gateway.views import Json, iso
from models.errors import ServiceError
from models.photos import Shot
from models.records import User

_TYPE = "application/json; charset=UTF-8"


def photo_answer(data: Json | list[Json], status: int = HTTPStatus.OK) -> Response[Any]:
    """What is answered when it went well."""
    return Response(envelope(data, status), status_code=status, media_type=_TYPE)


def envelope(data: Json | list[Json], status: int = HTTPStatus.OK) -> Json:
    """The body of a good answer."""
    return {"code": int(status), "data": data}


def photo_failure(error: ServiceError, headers: Mapping[str, str]) -> Response[Any]:
    """What is answered when it did not."""
    body = failure_body(error)
    return Response(body, status_code=error.status, media_type=_TYPE, headers=dict(headers))


def failure_body(error: ServiceError) -> Json:
    """The body of a failure."""
    return {"code": int(error.status), "error_msg": error.sentence}


def photo_view(shot: Shot, base: str) -> Json:
    """A photo. Its size and address are null until it is ready."""
    photo, image, variant = shot
    return {
        "id": photo.id,
        "created": iso(photo.created_at),
        "body": image.description,
        "alt_text": photo.alt_text,
        "filename": image.original.name,
        "size": variant and variant.size,
        "url": variant and f"{base}/{variant.object_key}",
        "album": None,
    }


def login_view(token: str, user: User) -> Json:
    """Who logged in, and the token that says so from now on."""
    return {
        "access_token": token,
        "user": {"username": user.alias, "created": iso(user.created_at)},
    }
