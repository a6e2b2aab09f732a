"""Google's SDK against a server that speaks Google's protocol: every answer, every failure."""

import asyncio
import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.errors import (
    EmptyImageMade,
    GenerationFailed,
    GenerationRefused,
    ImageBlocked,
    ImageMadeTooLarge,
    ImageRecited,
    ModelAnswerBroken,
    ModelAway,
    ModelBusy,
    ModelRefusesUs,
    ModelTooSlow,
    NoImageMade,
    NoModel,
    PromptBlocked,
    RequestRejected,
    ServiceError,
)
from models.generation import AiConfig, ImageConfig, SafetySetting
from models.settings import Settings
from pipeline.gemini import Ask, Gemini
from tests.gemini import (
    KEY,
    TOKENS,
    Answer,
    answer_of,
    blocked_prompt,
    error_info,
    finished,
    gemini_server,
    google_error,
    image_part,
    painted,
    retry_info,
    said,
)
from tests.gemini import Gemini as Fake
from tests.pictures import jpeg, png

PICTURE = png(64, 48)
SECOND = jpeg(40, 30)
LARGEST = 100_000


@pytest.fixture(scope="module")
def fake() -> Iterator[Fake]:
    with gemini_server(PICTURE) as server:
        yield server


def model(fake: Fake, **more: Any) -> Gemini:
    named = {"gemini_seconds": 60, "max_file_bytes": LARGEST} | more
    return Gemini(Settings(gemini_key=KEY, gemini_url=fake.url, **named))


async def failure_of(fake: Fake, *answers: Answer, **more: Any) -> ServiceError:
    fake.will(*answers)
    with pytest.raises(ServiceError) as caught:
        await model(fake, **more).paint(Ask("A lighthouse"))
    assert KEY not in caught.value.sentence
    return caught.value


async def test_a_prompt_becomes_a_picture_and_what_was_said_with_it(fake: Fake) -> None:
    made = await model(fake).paint(Ask("A lighthouse"))
    assert made.data == PICTURE
    assert made.content_type == "image/png"
    assert (made.response_id, made.model_version) == (TOKENS["responseId"], TOKENS["modelVersion"])
    assert made.usage.total_token_count == 2586
    assert [(one.modality, one.token_count) for one in made.usage.prompt_tokens_details or []] == [
        ("TEXT", 6),
        ("IMAGE", 1290),
    ]
    asked = fake.asked[-1]
    assert asked.path == "/v1/models/gemini-3-pro-image:generateContent"
    assert asked.headers["x-goog-api-key"] == KEY
    assert asked.config == {"responseModalities": ["TEXT", "IMAGE"]}
    assert asked.prompt == "A lighthouse"


async def test_everything_that_may_be_said_is_said_and_nothing_else(fake: Fake) -> None:
    config = AiConfig(
        top_p=0.9,
        top_k=40,
        temperature=0.5,
        system_instruction="Be brief.",
        seed=7,
        image_config=ImageConfig(aspect_ratio="16:9", image_size="2K"),
        safety_settings=(
            SafetySetting(category="HARM_CATEGORY_HARASSMENT", threshold="BLOCK_ONLY_HIGH"),
        ),
    )
    await model(fake).paint(Ask("A lighthouse", config, SECOND))
    body = fake.asked[-1].body
    assert set(body) == {"contents", "generationConfig", "systemInstruction", "safetySettings"}
    assert body["generationConfig"] == {
        "topP": 0.9,
        "topK": 40,
        "temperature": 0.5,
        "seed": 7,
        "responseModalities": ["TEXT", "IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
    }
    assert body["systemInstruction"]["parts"] == [{"text": "Be brief."}]
    assert body["safetySettings"] == [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_ONLY_HIGH"}
    ]
    assert fake.asked[-1].template == SECOND


async def test_the_preview_is_another_name_of_the_model(fake: Fake) -> None:
    await model(fake, gemini_model="gemini-3-pro-image-preview").paint(Ask("A lighthouse"))
    assert fake.asked[-1].path == "/v1/models/gemini-3-pro-image:generateContent"
    await model(fake, gemini_model="gemini-2.5-flash-image").paint(Ask("A lighthouse"))
    assert fake.asked[-1].path == "/v1/models/gemini-2.5-flash-image:generateContent"


async def test_both_spellings_and_both_alphabets_are_understood(fake: Fake) -> None:
    fake.will(said(answer_of(image_part(PICTURE, snake=True))))
    assert (await model(fake).paint(Ask("A lighthouse"))).data == PICTURE


async def test_of_several_images_the_first_that_is_no_thought_is_taken(fake: Fake) -> None:
    thought = image_part(SECOND, "image/jpeg", thought=True)
    parts = (
        {"text": "Here "},
        thought,
        image_part(PICTURE),
        {"text": "it is."},
        image_part(SECOND),
    )
    fake.will(said(answer_of(*parts, {"text": "hidden", "thought": True})))
    made = await model(fake).paint(Ask("A lighthouse"))
    assert (made.data, made.text) == (PICTURE, "Here it is.")


REFUSALS = [
    (blocked_prompt("SAFETY", "It is about harm."), PromptBlocked, "SAFETY: It is about harm."),
    (blocked_prompt("PROHIBITED_CONTENT"), PromptBlocked, "PROHIBITED_CONTENT"),
    (blocked_prompt("OTHER"), PromptBlocked, "OTHER"),
    (finished("SAFETY"), ImageBlocked, "SAFETY"),
    (finished("IMAGE_SAFETY"), ImageBlocked, "IMAGE_SAFETY"),
    (finished("IMAGE_PROHIBITED_CONTENT"), ImageBlocked, "IMAGE_PROHIBITED_CONTENT"),
    (finished("BLOCKLIST"), ImageBlocked, "BLOCKLIST"),
    (finished("RECITATION"), ImageRecited, "RECITATION"),
    (finished("IMAGE_RECITATION"), ImageRecited, "IMAGE_RECITATION"),
    (finished("NO_IMAGE"), NoImageMade, "NO_IMAGE"),
    (finished("IMAGE_OTHER"), NoImageMade, "IMAGE_OTHER"),
    (finished("MAX_TOKENS"), NoImageMade, "MAX_TOKENS"),
    (finished("STOP", "", {"text": "I only\nwrite."}), NoImageMade, "STOP: I only write."),
]


@pytest.mark.parametrize(("answer", "kind", "reason"), REFUSALS, ids=lambda one: str(one)[:24])
async def test_a_refusal_is_told_in_the_models_own_words(
    fake: Fake, answer: Answer, kind: type[ServiceError], reason: str
) -> None:
    error = await failure_of(fake, answer)
    assert type(error) is kind
    assert isinstance(error, GenerationRefused)
    assert error.status == 422
    assert error.sentence.endswith(f": {reason}")


ERRORS = [
    (google_error(429, "RESOURCE_EXHAUSTED", "Quota", retry_info("19.5s")), ModelBusy),
    (google_error(500, "INTERNAL", "Oops"), ModelAway),
    (google_error(503, "UNAVAILABLE", "Overloaded"), ModelAway),
    (google_error(504, "DEADLINE_EXCEEDED", "Late"), ModelAway),
    (Answer(b"<html>Bad gateway</html>", 502), ModelAway),
    (Answer(b"", reset=True), ModelAway),
    (google_error(408, "CANCELLED", "Late"), ModelTooSlow),
    (google_error(400, "INVALID_ARGUMENT", "imageSize is not supported"), RequestRejected),
    (google_error(400, "INVALID", f"No {KEY}", error_info("API_KEY_INVALID")), ModelRefusesUs),
    (google_error(400, "FAILED_PRECONDITION", "Enable billing"), ModelRefusesUs),
    (google_error(401, "UNAUTHENTICATED", f"{KEY} is wrong"), ModelRefusesUs),
    (google_error(403, "PERMISSION_DENIED", f"api_key:{KEY} was suspended"), ModelRefusesUs),
    (google_error(404, "NOT_FOUND", "No such model"), ModelRefusesUs),
    (Answer(b"", 302, headers=(("Location", "http://127.0.0.1:9/"),)), ModelAway),
    (said(answer_of(image_part(b""))), EmptyImageMade),
    (painted(bytes(LARGEST + 1)), ImageMadeTooLarge),
    (painted(bytes(4 * LARGEST + 2_000_000)), ImageMadeTooLarge),
]


@pytest.mark.parametrize(("answer", "kind"), ERRORS, ids=lambda one: str(one)[:40])
async def test_an_error_has_its_cause(
    fake: Fake, answer: Answer, kind: type[ServiceError], capsys: pytest.CaptureFixture[str]
) -> None:
    before = len(fake.asked)
    error = await failure_of(fake, answer)
    assert type(error) is kind
    assert error.__cause__ is None
    assert len(fake.asked) == before + 1, "the SDK must not ask again of its own accord"
    assert KEY not in capsys.readouterr().out


async def test_a_quota_says_when_to_come_back(fake: Fake) -> None:
    for delay, rest in (("19.5s", 20), ("0s", 1), ("9999999s", 121), ("soon", 30), ("-1s", 1)):
        busy = google_error(429, "RESOURCE_EXHAUSTED", "Quota", retry_info(delay))
        assert (await failure_of(fake, busy)).retry_after == rest
    assert (await failure_of(fake, Answer(b"", 429))).retry_after == 30


BROKEN = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"<html></html>",
    b'{"candidates": null}',
    b'{"candidates": "none"}',
    b'{"candidates": [null]}',
    b'{"candidates": [{"content": {"parts": [null]}}]}',
    b'{"candidates": [{"content": {"parts": "none"}}]}',
    b'{"candidates": [{"content": {"parts": [{"inlineData": {"data": "%%"}}]}}]}',
    b'{"candidates": ' + b"[" * 100_000,
    b'{"usageMetadata": {"totalTokenCount": "many"}}',
]


@pytest.mark.parametrize("body", BROKEN, ids=[str(body[:48]) for body in BROKEN])
async def test_an_answer_that_is_none_is_broken(fake: Fake, body: bytes) -> None:
    assert type(await failure_of(fake, Answer(body))) is ModelAnswerBroken


@pytest.mark.parametrize("cut", [0, 1, 200, 900])
async def test_a_body_that_is_cut_off_is_broken(fake: Fake, cut: int) -> None:
    assert type(await failure_of(fake, painted(PICTURE, cut=cut))) is ModelAnswerBroken


async def test_an_answer_that_unpacks_itself_is_not_unpacked(fake: Fake) -> None:
    packed = gzip.compress(painted(PICTURE).body)
    answer = Answer(packed, headers=(("Content-Encoding", "gzip"),))
    assert type(await failure_of(fake, answer)) is ModelAnswerBroken


@pytest.mark.parametrize("answer", [painted(PICTURE, seconds=60), painted(PICTURE, drip=True)])
async def test_silence_and_dribble_have_an_end(fake: Fake, answer: Answer) -> None:
    async with asyncio.timeout(30):
        assert type(await failure_of(fake, answer, gemini_seconds=1)) is ModelTooSlow


async def test_nobody_there_is_away() -> None:
    nobody = Gemini(Settings(gemini_key=KEY, gemini_url="http://127.0.0.1:9"))
    with pytest.raises(ModelAway):
        await nobody.paint(Ask("A lighthouse"))


async def test_without_a_key_nobody_is_asked(fake: Fake) -> None:
    before = len(fake.asked)
    with pytest.raises(NoModel, match="CALOTYPE_GEMINI_KEY"):
        await Gemini(Settings(gemini_url=fake.url)).paint(Ask("A lighthouse"))
    assert len(fake.asked) == before


async def test_what_the_environment_says_of_google_is_not_for_us(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "GOOGLE_API_KEY": "somebody-elses",
        "GEMINI_API_KEY": "somebody-elses",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
    }.items():
        monkeypatch.setenv(name, value)
    assert (await model(fake).paint(Ask("A lighthouse"))).data == PICTURE
    assert fake.asked[-1].headers["x-goog-api-key"] == KEY


async def test_what_the_model_says_can_be_written_down(fake: Fake) -> None:
    odd = {"responseId": "a\ud800\n" + "x" * 999, "usageMetadata": {"totalTokenCount": 10**30}}
    text = {"text": "half \udc00 a letter" + "y" * 99_999}
    fake.will(said(answer_of(text, image_part(PICTURE), **odd)))
    made = await model(fake).paint(Ask("A lighthouse"))
    assert made.response_id.startswith("a xxx")
    assert len(made.response_id) == 200
    assert made.text.startswith("half ? a letter")
    assert len(made.text) == 20_000
    assert made.usage.total_token_count is None
    json.dumps(made.text).encode()


NAMES = [
    "candidates",
    "content",
    "parts",
    "text",
    "inlineData",
    "data",
    "mimeType",
    "finishReason",
    "promptFeedback",
    "thought",
    "blockReason",
    "usageMetadata",
    "promptTokensDetails",
    "modality",
    "tokenCount",
    "error",
    "details",
    "retryDelay",
]
PIECES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**20) | st.text(max_size=6) | st.floats(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.filterwarnings("ignore::UserWarning")  # the SDK's, about words it does not know
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=PIECES, status=st.sampled_from([200, 200, 200, 400, 429, 500]))
async def test_whatever_is_answered_ends_in_an_error_with_a_name(
    fake: Fake, value: object, status: int
) -> None:
    error = await failure_of(fake, said(value, status))
    assert isinstance(error, GenerationRefused | GenerationFailed | ModelBusy | ModelTooSlow)


def test_the_sdk_is_not_imported_before_it_is_needed() -> None:
    code = (
        "import sys, gateway.up, gateway.cli, pipeline.role, cdn_edge.role\n"
        "print([one for one in sys.modules if one.split('.')[0] in ('google', 'pydantic_core')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "google" not in done.stdout
