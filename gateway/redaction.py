"""The last line of defence: what looks like a secret, or is called one, is not logged.

The first is that nobody logs such things. Values are told by their names (`prompt=`, `apiKey`), by
their shapes (keys, credentials and queries in addresses, e-mail addresses) and, where this process
knows them from its settings, by being just those.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from structlog.typing import EventDict, WrappedLogger

from models.settings import Settings

GONE: Final = "[redacted]"
_DEEPEST: Final = 8
_SHORTEST_SECRET: Final = 6
"""A shorter one would take ordinary words out of the log."""

_NAMES: Final = (
    r"authori[sz]ation|cookies?|credentials?|keys?|pass(?:word|wd|phrase)?|prompts?|secrets?|"
    r"signatures?|tokens?|e?mails?|alias|(?:original|file)_?name"
)
_SECRET_NAME: Final = re.compile(rf"(?:.*[_.\-\s])?(?:{_NAMES})", re.IGNORECASE)
_HUMPS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_ADDRESS: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)(?:[^\s/?#'\"<>]*@)?([^\s?#'\"<>@]*)\S*")
_QUERY: Final = re.compile(r"(/[^\s?'\"]*)\?[^\s'\"]+")
_NAMED: Final = re.compile(
    rf"""(?ix) (["']?\b(?:[\w-]*[_-])?(?:{_NAMES})["']?\s*[:=]\s*)
    (?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?:(?:bearer|basic|token)\s+)?[^\s,;&)}}\]]+)"""
)
_SHAPES: Final = re.compile(
    r"""(?x) \b(?:sk|us)_[\w-]{16,}           # our own keys
    | (?i:\b(?:bearer|basic)\s+)[\w.~+/=-]{6,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}            # S3
    | \bS[ANOUXC][A-Z2-7]{50,}               # a seed of NATS
    | -----BEGIN[ ][A-Z ]*PRIVATE[ ]KEY-----(?s:.*?)(?:-----END|\Z)
    | \bAIza[\w-]{20,}                        # Google
    | \beyJ[\w-]+\.[\w-]+\.[\w-]*             # a JWT
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)+            # somebody
    | (?i:\bDETAIL:).*                        # Postgres shows the row
    """
)
_CONTROLS: Final = {n: f"\\x{n:02x}" for n in (*range(32), *range(127, 160)) if n not in (9, 10)}


class Redactor:
    """A processor of structlog that knows some secrets and the looks of all."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        secrets = {one for one in known if len(one) >= _SHORTEST_SECRET}
        longest_first = sorted(secrets, key=len, reverse=True)
        self._known = re.compile("|".join(re.escape(one) for one in longest_first) or r"(?!)")

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """The event without secrets."""
        return {str(name): self._value(str(name), value, 0) for name, value in event.items()}

    def _value(self, name: str, value: object, depth: int) -> object:
        if value is None or isinstance(value, bool):
            return value
        if is_secret(name) or depth > _DEEPEST:
            return GONE
        if isinstance(value, int | float):
            return value
        if isinstance(value, Mapping):
            return {
                self.text(str(key)): self._value(str(key), one, depth + 1)
                for key, one in value.items()
            }
        if isinstance(value, list | tuple | set | frozenset):
            return [self._value("", one, depth + 1) for one in value]
        return self.text(_as_text(value))

    def text(self, text: str) -> str:
        """A text without secrets."""
        text = self._known.sub(GONE, text)
        text = _ADDRESS.sub(r"\1\2", text)
        text = _QUERY.sub(r"\1", text)
        text = _NAMED.sub(rf"\g<1>{GONE}", text)
        return _SHAPES.sub(GONE, text).translate(_CONTROLS)


def is_secret(name: str) -> bool:
    """Whether a value of this name is nobody's business."""
    return _SECRET_NAME.fullmatch(_HUMPS.sub("_", name)) is not None


def secrets_of(settings: Settings) -> set[str]:
    """What this process was told and must not tell."""
    addresses = (
        settings.database_url,
        settings.rate_limit_store,
        settings.traces_url,
        *settings.nats_url.split(","),
        *settings.nats_proof.split(","),
    )
    passwords = {urlsplit(one).password or "" for one in addresses}
    return {
        settings.secret,
        settings.gemini_key,
        settings.nats_token,
        settings.objects_access_key,
        settings.objects_secret_key,
        *passwords,
        *(unquote(one) for one in passwords),
    }


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
