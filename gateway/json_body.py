"""A JSON body; every field that is wrong is told at once."""

import unicodedata
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from litestar import Request

from models.errors import BadRequest, InvalidFields, Problem
from models.wire import Wire

AnyRequest = Request[Any, Any, Any]
T = TypeVar("T", bound=Wire)


async def read_body(request: AnyRequest, kind: type[T]) -> T:
    """The body as a `kind`. Raises BadRequest or InvalidFields; `bounds` sees to size and time."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise BadRequest("Send JSON: the content type must be application/json.")
    return read_object(await request.body(), kind)


def read_object(body: bytes, kind: type[T]) -> T:
    """The JSON object in `body`; InvalidFields names every field that is unknown or wrong."""
    given = _decoded(body)
    known = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    problems = [*_unknown(given, known), *_missing(given, known), *_wrong(given, known)]
    if problems:
        raise InvalidFields(problems)
    return msgspec.convert(given, kind)


Given = Mapping[str, object]
Known = Mapping[str, msgspec.structs.FieldInfo]


def _decoded(body: bytes) -> Given:
    try:
        return msgspec.json.decode(body, type=dict[str, object])
    except msgspec.ValidationError:
        raise BadRequest("The body must be a JSON object.") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("The body is not JSON.") from None
    except RecursionError:
        raise BadRequest("The body is nested too deeply.") from None


def _unknown(given: Given, known: Known) -> list[Problem]:
    problem = f"is not a field of this request; there are: {', '.join(known)}"
    return [Problem(field=name, problem=problem) for name in given if name not in known]


def _missing(given: Given, known: Known) -> list[Problem]:
    return [
        Problem(field=name, problem="is missing")
        for name, field in known.items()
        if field.required and name not in given
    ]


def _wrong(given: Given, known: Known) -> list[Problem]:
    problems = []
    for name in known:
        if name in given:
            try:
                msgspec.convert(given[name], known[name].type)
            except msgspec.ValidationError as error:
                problems.append(_problem(name, _with_choices(str(error), known[name].type)))
    return problems


def _with_choices(said: str, kind: object) -> str:
    """Msgspec names the word that is wrong; people want to know the right ones."""
    wrong, mark, place = said.partition(" - at `$")
    choices = [word for part in (kind, *get_args(kind)) for word in _words(part)]
    if not wrong.startswith("Invalid enum value") or not choices:
        return said
    return f"must be one of: {', '.join(choices)}{mark}{place}"


def _words(kind: object) -> tuple[str, ...]:
    return get_args(kind) if get_origin(kind) is Literal else ()


def _problem(name: str, said: str) -> Problem:
    """What msgspec says as `Expected ... - at `$[1]``, as a problem of `name[1]`."""
    what, _, place = said.partition(" - at `$")
    problem = f"{what[:1].lower()}{what[1:]}".replace("`", "")
    return Problem(field=name + place.rstrip("`"), problem=problem)


def check_title(field: str, text: str) -> None:
    """Raise InvalidFields unless there is something to read in a title, on one line."""
    if not text.strip():
        raise InvalidFields([Problem(field=field, problem="is blank")])
    if any(unicodedata.category(sign) == "Cc" for sign in text):
        raise InvalidFields([Problem(field=field, problem="has control characters")])
