"""What the API said to one upload, and what follows from it."""

import contextlib
from typing import Any

import httpx2

from models.wire import Wire

_REDIRECTS = 300
_CROWDED = frozenset((429, 503))
_AWAY = frozenset((408, 429, 500, 502, 503, 504))
_ALL_ALIKE = frozenset((401, 402, 403))
_SOURCES = frozenset(("bad-source", "source-too-slow", "bucket-failed", "bucket-refused"))
"""Somebody else's failures: the upload is over, and leaves nothing."""


class Done(Wire, frozen=True):
    """It is there: the ids of its images."""

    images: tuple[str, ...] = ()


class Accepted(Wire, frozen=True):
    """It was taken, and is being worked on."""

    order: str


class Refused(Wire, frozen=True):
    """It is not there, and sending the same again will not help."""

    status: int | None
    reason: str


class Later(Wire, frozen=True):
    """Whether it is there is not known: send the same again, after so many seconds if it says so.

    With `everybody` that is not about this one alone.
    """

    status: int | None
    reason: str
    seconds: float | None = None
    everybody: bool = False


class Hopeless(Wire, frozen=True):
    """Nothing else will go through either."""

    status: int | None
    reason: str


Ended = Done | Refused | Later | Hopeless
Meaning = Ended | Accepted


def meaning_of(answer: httpx2.Response) -> Meaning:
    """What the answer to an upload means."""
    body = _body(answer)
    status, code = answer.status_code, str(body.get("code", ""))
    if status < _REDIRECTS:
        return standing_of(body)
    reason = reason_of(answer)
    if status in _ALL_ALIKE:
        return Hopeless(status=status, reason=reason)
    if code == "answer-lost":
        return Done()
    if code == "still-running" or (status in _AWAY and code not in _SOURCES):
        crowded = status in _CROWDED and bool(code)
        return Later(status=status, reason=reason, seconds=_seconds(answer), everybody=crowded)
    return Refused(status=status, reason=reason)


def standing_of(body: dict[str, Any]) -> Meaning:
    """Where an order stands, or what came of it."""
    status = body.get("status", "done")
    if status == "done":
        return Done(images=tuple(str(one["id"]) for one in body.get("data", ())))
    if status == "failed":
        error = body.get("error", {})
        return Refused(status=None, reason=str(error.get("message", "it failed")))
    return Accepted(order=str(body.get("id", "")))


def _body(answer: httpx2.Response) -> dict[str, Any]:
    """The JSON of our API; a proxy before it says other things."""
    with contextlib.suppress(ValueError):
        body = answer.json()
        return body if isinstance(body, dict) else {}
    return {}


def reason_of(answer: httpx2.Response) -> str:
    """What the API says for itself."""
    said = _body(answer).get("message")
    return str(said or f"{answer.status_code} {answer.reason_phrase}")


def _seconds(answer: httpx2.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None
