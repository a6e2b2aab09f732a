"""Errors: each cause has one name, one status, and a sentence that may be said to anybody."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import (
    InvalidFields,
    MissingPermission,
    NotAnImage,
    OutOfCredits,
    Problem,
    ServiceError,
    Unavailable,
    revived,
)


def below(kind: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


# What this process happens to have imported from us; tests may name errors of their own.
KINDS = [kind for kind in below(ServiceError) if kind.__module__ == "models.errors"]


def test_codes_are_kebab_case_names() -> None:
    assert (NotAnImage.code(), OutOfCredits.code()) == ("not-an-image", "out-of-credits")
    assert ServiceError.code() == "service-error"


def test_no_two_causes_share_a_code() -> None:
    codes = [kind.code() for kind in KINDS]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code())
def test_every_cause_has_a_status_of_its_kind_and_a_sentence(kind: type[ServiceError]) -> None:
    assert 400 <= kind.status < 600
    parents = [parent for parent in kind.__mro__[1:] if issubclass(parent, ServiceError)]
    assert all(parent.status == kind.status for parent in parents if parent is not ServiceError)
    assert kind.message[0].isupper()
    assert kind.message.endswith(".")
    assert kind.__doc__


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.code())
def test_every_cause_comes_back_from_another_process(kind: type[ServiceError]) -> None:
    error = revived(kind.code(), "What it said there.")
    assert type(error) is kind
    assert (error.sentence, error.status, str(error)) == (
        "What it said there.",
        kind.status,
        "What it said there.",
    )


@given(st.text(max_size=30), st.text(max_size=30))
def test_an_unknown_code_is_still_an_error(code: str, sentence: str) -> None:
    error = revived(f"?{code}", sentence)
    assert type(error) is ServiceError
    assert error.status == 500


def test_problems_come_along() -> None:
    problems = [Problem(field="a", problem="b")]
    assert revived("invalid-fields", "a: b", problems).problems == tuple(problems)


def test_fields_are_named_and_counted() -> None:
    one, two = Problem(field="width", problem="is 0"), Problem(field="fit", problem="is odd")
    assert InvalidFields([one]).sentence == "width: is 0"
    assert InvalidFields([one, two]).sentence == "width: is 0 (and 1 more)"
    assert InvalidFields([one, two]).problems == (one, two)


def test_a_permission_is_named() -> None:
    assert "'images-create'" in MissingPermission("images-create").sentence


def test_who_is_told_to_come_back_is_told_when() -> None:
    assert Unavailable().retry_after == 2
    assert Unavailable(retry_after=30).retry_after == 30
    assert NotAnImage().retry_after is None
