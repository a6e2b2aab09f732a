"""What the model answered: a picture and some words, or the reason why there is none.

Every word of it is a stranger's: shortened, printable, and of signs that can be written down.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from models.errors import (
    EmptyImageMade,
    GenerationRefused,
    ImageBlocked,
    ImageRecited,
    ModelAnswerBroken,
    NoImageMade,
    PromptBlocked,
    ServiceError,
)
from models.generation import ModalityTokens, Usage

_LONGEST_TEXT: Final = 20_000
_LONGEST_REASON: Final = 300
_LONGEST_NAME: Final = 200
_MOST_TOKENS: Final = 2**53
_MOST_DETAILS: Final = 20

_REFUSALS: Final[dict[str, type[GenerationRefused]]] = {
    "SAFETY": ImageBlocked,
    "IMAGE_SAFETY": ImageBlocked,
    "PROHIBITED_CONTENT": ImageBlocked,
    "IMAGE_PROHIBITED_CONTENT": ImageBlocked,
    "BLOCKLIST": ImageBlocked,
    "SPII": ImageBlocked,
    "ESCALATION": ImageBlocked,
    "MODEL_ARMOR": ImageBlocked,
    "RECITATION": ImageRecited,
    "IMAGE_RECITATION": ImageRecited,
}


class Painted(NamedTuple):
    """A picture that the model made, and what it said with it."""

    data: bytes
    content_type: str
    response_id: str
    model_version: str
    usage: Usage
    text: str


def read_answer(answer: Any) -> Painted:  # noqa: ANN401 the SDK's own
    """The first image that is no thought; any more are dropped. Raises what stands in its place."""
    feedback = answer.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        raise _refusal(PromptBlocked, feedback.block_reason, feedback.block_reason_message)
    candidates = answer.candidates or []
    text = "".join(part.text for part in _parts(candidates) if part.text)
    for candidate in candidates:
        kind = _REFUSALS.get(_word(candidate.finish_reason))
        if kind is not None:
            raise _refusal(kind, candidate.finish_reason, text)
    images = [part.inline_data for part in _parts(candidates) if part.inline_data]
    if not images:
        raise _imageless(candidates, text)
    if not images[0].data:
        raise EmptyImageMade
    return Painted(
        data=images[0].data,
        content_type=clean(images[0].mime_type, _LONGEST_NAME),
        response_id=clean(answer.response_id, _LONGEST_NAME),
        model_version=clean(answer.model_version, _LONGEST_NAME),
        usage=_usage(answer.usage_metadata),
        text=_writable(text)[:_LONGEST_TEXT],
    )


def clean(said: object, longest: int) -> str:
    """A stranger's words on one line, for sentences and logs."""
    printable = "".join(sign if sign.isprintable() else " " for sign in str(said or ""))
    return _writable(" ".join(printable.split()))[:longest]


def _imageless(candidates: list[Any], text: str) -> ServiceError:
    reason = next((one.finish_reason for one in candidates if one.finish_reason), None)
    if reason is None and not text:
        return ModelAnswerBroken()
    return _refusal(NoImageMade, reason, text)


def _parts(candidates: list[Any]) -> Iterator[Any]:
    for candidate in candidates:
        parts = candidate.content.parts if candidate.content else None
        yield from (part for part in parts or [] if not part.thought)


def _refusal(kind: type[GenerationRefused], reason: object, said: object) -> GenerationRefused:
    """A refusal with the model's word for it, and its own sentence if there is one."""
    words = [clean(_word(reason), _LONGEST_NAME), clean(said, _LONGEST_REASON)]
    why = ": ".join(word for word in words if word)
    return kind(f"{kind.message.rstrip('.')}: {why}" if why else None)


def _word(reason: object) -> str:
    return str(getattr(reason, "value", reason) or "")


def _usage(usage: Any) -> Usage:  # noqa: ANN401 the SDK's own
    if usage is None:
        return Usage()
    return Usage(
        prompt_token_count=_count(usage.prompt_token_count),
        candidates_token_count=_count(usage.candidates_token_count),
        thoughts_token_count=_count(usage.thoughts_token_count),
        total_token_count=_count(usage.total_token_count),
        prompt_tokens_details=_details(usage.prompt_tokens_details),
        candidates_tokens_details=_details(usage.candidates_tokens_details),
    )


def _details(details: Any) -> list[ModalityTokens] | None:  # noqa: ANN401 the SDK's own
    if details is None:
        return None
    return [
        ModalityTokens(
            modality=clean(_word(one.modality), _LONGEST_NAME) or "TEXT",
            token_count=_count(one.token_count) or 0,
        )
        for one in details[:_MOST_DETAILS]
    ]


def _count(tokens: int | None) -> int | None:
    return tokens if tokens is not None and 0 <= tokens < _MOST_TOKENS else None


def _writable(text: str) -> str:
    """Half a surrogate pair is a letter to JSON, and to nobody else."""
    return text.encode("utf-8", "replace").decode()
