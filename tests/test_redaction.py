"""What looks like a secret, or is called one, does not come into the log."""

import json
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway.redaction import GONE, Redactor, is_secret, secrets_of
from models.settings import Settings

SECRET = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\"'\\,;&)}]@/?#"),
    min_size=8,
    max_size=40,
).map(lambda text: f"Zq{text}")
WORDS = st.sampled_from(["", "and then", "it was", "at last:", "(because"])

SECRET_NAMES = [
    "api_key",
    "apiKey",
    "api-key",
    "Authorization",
    "authorization",
    "cookie",
    "Idempotency-Key",
    "key",
    "keys",
    "secret_key",
    "accessKey",
    "password",
    "passwd",
    "new_password",
    "pass",
    "token",
    "access_token",
    "prompt",
    "prompts",
    "secret",
    "credentials",
    "signature",
    "originalName",
    "original_name",
    "fileName",
    "file_name",
    "email",
    "alias",
    "x-api-key",
]
HARMLESS_NAMES = [
    "event",
    "role",
    "logger",
    "level",
    "timestamp",
    "request_id",
    "order_id",
    "path",
    "status",
    "size",
    "seconds",
    "object",
    "image",
    "bucket",
    "account",
    "reason",
    "method",
    "exception",
    "monkey",
    "keyboard",
    "compass",
    "tokenizer",
    "keyed",
    "turnkeys",
]

AROUND = {
    "our key": "sk_{}",
    "a URL key's secret": "us_{}",
    "a bearer": "Authorization: Bearer {}",
    "a bearer's sentence": "refused Bearer {}",
    "a query": "https://cdn.example/b/a.jpg?w=1&k=1&s={}",
    "a fragment": "https://cdn.example/#{}",
    "a path's query": "GET /b/a.jpg?s={} failed",
    "credentials in an address": "postgresql://calotype:{}@db.example:5432/calotype",
    "a user in an address": "https://{}@example.org/a.jpg",
    "JSON": '{{"password": "{}"}}',
    "a dictionary": "{{'prompt': '{}', 'n': 1}}",
    "an assignment": "token={}",
    "a private key": "-----BEGIN PRIVATE KEY-----\n{}\n-----END",
    "an argument": "log_in(password='{}')",
    "what Postgres shows": "Key violates.\nDETAIL: Key (name)=({}) already exists.",
}


def shown(**said: Any) -> str:
    return json.dumps(Redactor()(None, "info", dict(said)))


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_what_is_called_a_secret_is_one(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", HARMLESS_NAMES)
def test_other_names_are_none(name: str) -> None:
    assert not is_secret(name)


@given(st.sampled_from(SECRET_NAMES), SECRET, st.integers(0, 5), st.booleans())
def test_a_secret_is_told_by_its_name_however_deep(
    name: str, secret: str, depth: int, listed: bool
) -> None:
    value: Any = {name: [secret] if listed else secret}
    for _ in range(depth):
        value = {"deeper": [value]}
    assert secret not in json.dumps(Redactor()(None, "info", {"event": "said", **value}))


@pytest.mark.parametrize("around", AROUND.values(), ids=[*AROUND])
@given(secret=st.from_regex(r"\AZ[A-Za-z0-9_-]{20,40}\Z"), before=WORDS, after=WORDS)
def test_a_secret_is_told_by_its_looks(around: str, secret: str, before: str, after: str) -> None:
    text = f"{before} {around.format(secret)} {after}"
    assert secret not in shown(event=text, reason=text, exception=text, nested={"a": [text]})


@given(SECRET, SECRET, WORDS)
def test_a_secret_of_the_settings_is_told_wherever_it_is(
    secret: str, password: str, around: str
) -> None:
    settings = Settings(secret=secret, gemini_key=password)
    redact = Redactor(secrets_of(settings))
    for text in (f"{around}{secret}{around}", repr({"x": password}), f"{password}{secret}"):
        told = str(redact(None, "info", {"event": text, "value": [text]}))
        assert secret not in told
        assert password not in told


def test_passwords_in_addresses_of_the_settings_are_known() -> None:
    settings = Settings(
        database_url="postgresql://user:p%40ssword1@db/calotype",
        rate_limit_store="redis://:redispass@cache:6379",
        nats_url="nats://user:natspass1@a,nats://user:natspass2@b",
        nats_proof="nats://sys:syspass1@a",
    )
    known = {"p%40ssword1", "p@ssword1", "redispass", "natspass1", "natspass2", "syspass1"}
    assert known <= secrets_of(settings)


@pytest.mark.parametrize(
    "text",
    [
        "orders/2f1c0b9e-8b0f-4a38-9a54-2f6f1f2f3f4f/photo.jpg",
        "calotype.orders.2f1c0b9e-8b0f-4a38-9a54-2f6f1f2f3f4f",
        "TimeoutError('the database does not answer')",
        "https://storage.example/bucket/a.jpg",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "Traceback (most recent call last):\n  File \"a.py\", line 1\nKeyError: 'x'",
    ],
)
def test_what_operators_need_stays(text: str) -> None:
    assert Redactor()(None, "info", {"event": text})["event"] == text


def test_a_line_stays_one_line_on_a_terminal() -> None:
    told = Redactor()(None, "info", {"path": "/a\x1b[2J\rb"})["path"]
    assert told == "/a\\x1b[2J\\x0db"


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text()
        | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    )
)
def test_whatever_is_logged_becomes_a_line_of_json(value: Any) -> None:
    event = Redactor()(None, "info", {"event": "said", "value": value})
    line = structlog.processors.JSONRenderer()(None, "info", event)
    assert json.loads(line)["event"] == "said"
    assert "\n" not in str(line)


def test_what_is_gone_says_so() -> None:
    assert json.loads(shown(token="a-secret-of-tests"))["token"] == GONE
