"""Operation: one method of one path, and how it is written in the document."""

from collections.abc import Mapping
from http import HTTPStatus

from gateway.openapi.failures import (
    ALWAYS,
    RATE_HEADERS,
    REPEATED,
    WITH_BODY,
    WITH_KEY,
    WITH_TOKEN,
    Cause,
    answers_of,
)
from gateway.openapi.words import Json, ref
from models.wire import Wire

COMMON_HEADERS = ("X-Request-Id",)
ASKED_OF_ALL = ("X-Request-Id-Given",)


class Operation(Wire, frozen=True):
    """What a method of a path does. `needs` is the permission; None is for everybody.

    `photos` is about the photo API, which answers errors in its own words.
    `takes` names parameters that are components; `also_needs` is said of a second permission;
    `pages` are the statuses of errors that browsers are told as a web page.
    """

    name: str
    tag: str
    summary: str
    text: str
    answers: Mapping[str, Json]
    needs: str | None = None
    photos: bool = False
    also_needs: str | None = None
    takes: tuple[str, ...] = ()
    body: Json | None = None
    causes: tuple[Cause, ...] = ()
    pages: tuple[str, ...] = ()
    samples: tuple[tuple[str, str], ...] = ()

    @property
    def all_causes(self) -> tuple[Cause, ...]:
        """Every way it can fail: its own, and those that all operations share."""
        with_key = (WITH_TOKEN if self.photos else WITH_KEY) if self.needs else ()
        with_body = WITH_BODY if self.body else ()
        repeated = REPEATED if self.replays else ()
        return (*with_body, *with_key, *self.causes, *repeated, *ALWAYS)

    @property
    def replays(self) -> bool:
        """Whether the same request again gets the same answer."""
        return "Idempotency-Key" in self.takes


Paths = Mapping[str, Mapping[str, Operation]]


def written(operation: Operation) -> Json:
    """The operation as the document has it."""
    return {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.text,
        "security": _security(operation),
        **_permissions(operation),
        "parameters": [ref(name, "parameters") for name in (*operation.takes, *ASKED_OF_ALL)],
        **({"requestBody": operation.body} if operation.body else {}),
        "responses": _good(operation) | _bad(operation),
        **_samples(operation),
    }


def _security(operation: Operation) -> list[Json]:
    if operation.needs is None:
        return []
    return [{"userToken": []}, {"apiKey": []}] if operation.photos else [{"apiKey": []}]


def _permissions(operation: Operation) -> Json:
    if operation.needs is None:
        return {}
    also = [operation.also_needs] if operation.also_needs else []
    return {"x-permission": operation.needs} | ({"x-permission-also": also[0]} if also else {})


def _good(operation: Operation) -> dict[str, Json]:
    rates = RATE_HEADERS if operation.needs else ()
    again = ("Idempotency-Replayed",) if operation.replays else ()
    names = (*COMMON_HEADERS, *rates, *again)
    headers = {name: ref(name, "headers") for name in names}
    return {
        status: answer | {"headers": headers | answer.get("headers", {})}
        for status, answer in operation.answers.items()
    }


def _samples(operation: Operation) -> Json:
    if not operation.samples:
        return {}
    return {
        "x-codeSamples": [
            {"lang": "Shell", "label": label, "source": source}
            for label, source in operation.samples
        ]
    }


def _bad(operation: Operation) -> dict[str, Json]:
    answers = answers_of(operation.all_causes, photos=operation.photos)
    for status in operation.pages:
        answers[status]["content"]["text/html"] = {"schema": {"type": "string"}}
    return answers


def answer(description: str, content: Json, **headers: Json) -> Json:
    """One good answer. A name's underscores are the header's hyphens."""
    body: Json = {"description": description, "content": content}
    if headers:
        body["headers"] = {name.replace("_", "-"): header for name, header in headers.items()}
    return body


OK = str(HTTPStatus.OK.value)
ACCEPTED = str(HTTPStatus.ACCEPTED.value)
