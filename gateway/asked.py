"""What a form asks for: every field read and checked, all problems told at once."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from gateway.form import Form, read_json
from gateway.pasted import read_pasted_json
from models.ai_config import read_ai_config
from models.columns import storable
from models.errors import InvalidFields, Problem
from models.events import Change
from models.forms import read_recipes
from models.generation import AiConfig
from models.recipe import Recipe
from models.wire import Wire

T = TypeVar("T")

PIXEL_FIELDS = ("url", "contentType", "ratio", "resizeOptions", "formatOptions")
UPLOAD_FIELDS = ("name", "description", "galleries", "bucketKey", "prefix", *PIXEL_FIELDS)
UPDATE_FIELDS = ("name", "description", "galleries", "storageKeyHandling", *PIXEL_FIELDS)
CONVERT_FIELDS = ("name", *PIXEL_FIELDS)
GENERATE_FIELDS = ("prompt", "aiConfig", *UPLOAD_FIELDS)

LONGEST = {"prompt": 32_000, "name": 256, "description": 4096, "contentType": 256, "url": 8192}
_PROSE = ("description", "prompt")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]{0,63}/){1,8}")
NAMING = ("replace", "default", "unique")


class Asked(Wire, frozen=True):
    """The fields of a form that asks for pixels. `recipes` has a list for each size."""

    recipes: list[list[Recipe]]
    names_pixels: bool
    change: Change
    url: str | None = None
    content_type: str | None = None
    bucket_key: str | None = None
    prefix: str = ""
    unique_keys: bool = False
    prompt: str = ""
    ai_config: AiConfig = AiConfig()


def read_asked(form: Form, allowed: tuple[str, ...]) -> Asked:
    """What the form asks for. InvalidFields names every field that is unknown or wrong."""
    fields = form.fields
    problems = [*_unknown(fields, allowed), *_unfit(fields)]
    galleries = _checked(problems, lambda: _galleries(fields))
    prefix = _checked(problems, lambda: _prefix(fields.get("prefix")))
    unique = _checked(problems, lambda: _unique(fields.get("storageKeyHandling")))
    recipes = _checked(problems, lambda: _recipes(fields))
    prompt = _checked(problems, lambda: _prompt(fields, needed="prompt" in allowed))
    ai_config = _checked(problems, lambda: read_ai_config(read_pasted_json(fields, "aiConfig")))
    if problems:
        raise InvalidFields(problems)
    return Asked(
        recipes=recipes or [],
        names_pixels=any(name in fields for name in ("ratio", "resizeOptions", "formatOptions")),
        change=Change(
            name=fields.get("name"), description=fields.get("description"), galleries=galleries
        ),
        url=fields.get("url"),
        content_type=fields.get("contentType"),
        bucket_key=fields.get("bucketKey"),
        prefix=prefix or "",
        unique_keys=bool(unique),
        prompt=prompt or "",
        ai_config=ai_config or AiConfig(),
    )


def _checked(problems: list[Problem], read: Callable[[], T]) -> T | None:
    try:
        return read()
    except InvalidFields as error:
        problems += error.problems
        return None


def _unknown(fields: Mapping[str, str], allowed: tuple[str, ...]) -> list[Problem]:
    known = ", ".join(("image", *allowed))
    return [
        Problem(field=name, problem=f"is not a field of this request; there are: {known}")
        for name in fields
        if name not in allowed
    ]


def _unfit(fields: Mapping[str, str]) -> list[Problem]:
    problems = []
    for name, longest in LONGEST.items():
        text = fields.get(name, "")
        if len(text) > longest:
            problems.append(Problem(field=name, problem=f"is longer than {longest} characters"))
        if name not in _PROSE and any(unicodedata.category(sign) == "Cc" for sign in text):
            problems.append(Problem(field=name, problem="has control characters"))
    return problems + [
        Problem(field=name, problem="has a NUL in it")
        for name in _PROSE
        if not storable(fields.get(name, ""))
    ]


def _galleries(fields: Mapping[str, str]) -> list[str] | None:
    value = read_json(fields, "galleries")
    if value is None:
        return None
    try:
        return msgspec.convert(value, list[str])
    except msgspec.ValidationError:
        raise _invalid("galleries", "must be a JSON array of gallery ids") from None


def _prefix(text: str | None) -> str:
    if text is None:
        return ""
    prefix = text.strip("/") + "/"
    if not _PREFIX.fullmatch(prefix):
        raise _invalid("prefix", "must be folders of letters, digits, '.', '_' and '-', as 'a/b/'")
    return prefix


def _unique(text: str | None) -> bool:
    if text is not None and text not in NAMING:
        raise _invalid("storageKeyHandling", f"must be one of {', '.join(NAMING)}")
    return text == "unique"


def _prompt(fields: Mapping[str, str], *, needed: bool) -> str:
    prompt = fields.get("prompt", "")
    if needed and not prompt.strip():
        raise _invalid("prompt", "is missing: say what the image is to show")
    return prompt


def _recipes(fields: Mapping[str, str]) -> list[list[Recipe]]:
    resizes = read_json(fields, "resizeOptions")
    formats = read_json(fields, "formatOptions")
    return read_recipes(resizes, formats, fields.get("ratio"))


def _invalid(field: str, problem: str) -> InvalidFields:
    return InvalidFields([Problem(field=field, problem=problem)])
