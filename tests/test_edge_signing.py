"""Signed URLs: what was signed and nothing else, by a key there is, until it ends."""

import base64
import hashlib
import hmac
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdn_edge.signing import check, freshness, new_key_id, new_secret, signed
from models.errors import BadRequest, Expired, ServiceError, WrongSignature

PATH = "/2f9c1d7e5b3a48608c1e0d9f7b6a5c43/7c1e3b52-4a0d-4d5f-8f57-1f2a9b6c4e01-1200x675.webp"
KEYS = {"5f2c9a3be1d0": "us_not-a-real-secret", "aaaa00000000": "us_another"}
KEY = "5f2c9a3be1d0"
README = (Path(__file__).parents[1] / "README.md").read_text()
VECTORS = re.findall(
    r"^\| (?:`([^`]*)`|none) \| `\?([^`]*&s=[^`]*|k=[^`]*)` \|$", README, re.MULTILINE
)


def sign(query: str, key: str = KEY) -> str:
    return signed(PATH, query, key, KEYS[key])


@pytest.mark.parametrize(("query", "whole"), VECTORS)
def test_the_vectors_of_the_readme_hold(query: str, whole: str) -> None:
    assert sign(query) == whole
    named, _, signature = whole.rpartition("&s=")
    by_hand = hmac.digest(KEYS[KEY].encode(), f"{PATH}?{named}".encode(), hashlib.sha256)
    assert base64.urlsafe_b64decode(f"{signature}=") == by_hand
    assert check(PATH, whole, KEYS, 0)


def test_there_are_three_vectors() -> None:
    assert len(VECTORS) == 3
    assert f"`{PATH}`" in README


@pytest.mark.parametrize("key", KEYS)
def test_every_key_there_is_opens_what_it_signed(key: str) -> None:
    assert check(PATH, sign("w=1", key), KEYS, 0).expires is None
    rest = {name: secret for name, secret in KEYS.items() if name != key}
    with pytest.raises(WrongSignature):
        check(PATH, sign("w=1", key), rest, 0)


@given(st.data())
def test_any_changed_byte_is_refused(data: st.DataObject) -> None:
    whole = sign("w=640&h=480&fit=inside&exp=2000000000")
    text = f"{PATH}?{whole}"
    place = data.draw(st.integers(0, len(text) - 1))
    sign_there = data.draw(st.characters(min_codepoint=32, max_codepoint=126))
    how = data.draw(st.sampled_from(["replace", "insert", "remove"]))
    after = text[place + (how != "insert") :]
    changed = text[:place] + ("" if how == "remove" else sign_there) + after
    path, _, query = changed.partition("?")
    if changed == text:
        return
    with pytest.raises((WrongSignature, BadRequest)):
        check(path, query, KEYS, 0)


@given(st.text(max_size=80), st.text(max_size=120))
def test_no_text_passes_for_a_signature(path: str, query: str) -> None:
    for text in (query, f"w=1&k={KEY}&s={query}", f"{query}&k={KEY}&s={'A' * 43}"):
        with pytest.raises((WrongSignature, BadRequest)):
            check(path, text, KEYS, 0)


def test_no_secret_signs_for_a_key_that_is_not_there() -> None:
    with pytest.raises(WrongSignature):
        check(PATH, signed(PATH, "w=1", "nosuchkey", ""), KEYS, 0)


def test_another_path_is_another_signature() -> None:
    with pytest.raises(WrongSignature):
        check(PATH.replace("1200", "1201"), sign("w=1"), KEYS, 0)


@pytest.mark.parametrize(("now", "over"), [(99, False), (99.9, False), (100, True), (1e12, True)])
def test_a_signature_ends_at_its_second(now: float, over: bool) -> None:
    whole = sign("w=1&exp=100")
    if not over:
        assert check(PATH, whole, KEYS, now).expires == 100
        return
    with pytest.raises(Expired) as caught:
        check(PATH, whole, KEYS, now)
    assert caught.value.status == 410


def test_a_forged_end_says_nothing_of_the_end() -> None:
    """Who does not have the key is not told whether a URL was good once."""
    whole = sign("w=1&exp=100").replace("exp=100", "exp=101")
    with pytest.raises(WrongSignature):
        check(PATH, whole, KEYS, 1e12)


@pytest.mark.parametrize("ends", ["", "-1", "1.5", "1e3", "x", "9" * 12])
def test_an_end_is_a_whole_second(ends: str) -> None:
    with pytest.raises(ServiceError) as caught:
        check(PATH, sign(f"w=1&exp={ends}"), KEYS, 0)
    assert caught.value.status == 400


FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=60, stale-while-revalidate=300"


@pytest.mark.parametrize(
    ("usual", "expires", "age"),
    [
        (FOREVER, None, FOREVER),
        (FOREVER, 1000 + 90, "public, max-age=90"),
        (BRIEFLY, 1000 + 90, "public, max-age=90"),
        (BRIEFLY, 1000 + 360, BRIEFLY),
        (BRIEFLY, 1000 + 30, "public, max-age=30"),
        ("public, max-age=60", 1000 + 3600, "public, max-age=60"),
        ("no-store", 1000 + 30, "no-store"),
        (FOREVER, 900, "public, max-age=0"),
    ],
)
def test_nobody_keeps_an_answer_beyond_its_signature(
    usual: str, expires: int | None, age: str
) -> None:
    assert freshness(usual, expires, 1000) == age


@given(st.integers(0, 10**8), st.sampled_from([FOREVER, BRIEFLY, "public, max-age=60"]))
def test_an_age_is_never_longer_than_usual_or_than_what_is_left(left: int, usual: str) -> None:
    ages = [int(number) for number in re.findall(r"=(\d+)", freshness(usual, left, 0))]
    usually = [int(number) for number in re.findall(r"=(\d+)", usual)]
    assert sum(ages) <= left
    assert ages[0] <= max(sum(usually), usually[0])


def test_secrets_and_ids_are_new_each_time() -> None:
    assert len({new_secret() for _ in range(100)}) == 100
    assert len({new_key_id() for _ in range(100)}) == 100
    assert len(new_secret()) > 43
