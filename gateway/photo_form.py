"""The form of a photo: its file, in staging, and what is said of it."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from litestar import Request

from gateway.admission import Door
from gateway.form import Form, read_form
from gateway.intake import body_limits, original_of, staging_key
from gateway.submit import refused
from models.errors import InvalidFields, Problem
from models.events import Original
from models.wire import Wire
from pipeline.services import Services

AnyRequest = Request[Any, Any, Any]

FILE = "file"
LONGEST = {"body": 4096, "alt_text": 1024}


class PhotoForm(Wire, frozen=True):
    """What an upload of a photo asks."""

    original: Original
    body: str | None
    alt_text: str | None


async def read_photo(
    request: AnyRequest, services: Services, door: Door, order_id: str
) -> PhotoForm:
    """Read the whole request. Staging is emptied again when it is refused."""
    own, key = services.stores.own, staging_key(order_id)
    kind, limits = request.headers.get("content-type", ""), body_limits(services.settings)
    async with refused(services, key):
        async with door.entered(request.headers.get("content-length")):
            form = await read_form(kind, request.stream(), own, key, limits, (FILE,))
        return _understood(form)


def _understood(form: Form) -> PhotoForm:
    """Fields that we do not know are no problem: clients send what other services like."""
    problems = list(_unfit(form.fields))
    if form.file is None:
        problems.append(Problem(field=FILE, problem="is missing: send the photo in this part"))
    if form.file is None or problems:
        raise InvalidFields(problems)
    fields = form.fields
    original = original_of(form.file)
    return PhotoForm(original=original, body=fields.get("body"), alt_text=fields.get("alt_text"))


def _unfit(fields: Mapping[str, str]) -> list[Problem]:
    problems = []
    for name, longest in LONGEST.items():
        text = fields.get(name, "")
        if len(text) > longest:
            problems.append(Problem(field=name, problem=f"is longer than {longest} characters"))
        if any(unicodedata.category(sign) == "Cc" and sign not in "\t\r\n" for sign in text):
            problems.append(Problem(field=name, problem="has control characters"))
    return problems
