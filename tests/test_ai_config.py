"""What may be said to the model: a white list, and every other name is told back."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.pasted import read_pasted_json
from models.ai_config import (
    AI_CONFIG,
    ASPECT_RATIOS,
    HARMS,
    IMAGE_CONFIG,
    IMAGE_SIZES,
    THRESHOLDS,
    read_ai_config,
)
from models.errors import InvalidFields
from models.generation import AiConfig, ImageConfig, SafetySetting
from pipeline.generate import aspect_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=8,
)
NAMES = [*AI_CONFIG, *IMAGE_CONFIG, "imageConfig", "safetySettings", "category", "httpOptions"]
CONFIG_LIKE = st.dictionaries(
    st.sampled_from(NAMES),
    JSON
    | st.floats(0, 1)
    | st.sampled_from([*ASPECT_RATIOS, *IMAGE_SIZES])
    | st.dictionaries(st.sampled_from(NAMES), JSON | st.sampled_from(ASPECT_RATIOS), max_size=2),
    max_size=4,
)


def problems(value: object) -> list[str]:
    with pytest.raises(InvalidFields) as caught:
        read_ai_config(value)
    return [problem.field for problem in caught.value.problems]


def read_or_none(value: object) -> AiConfig | None:
    try:
        return read_ai_config(value)
    except InvalidFields:
        return None


def test_everything_that_is_allowed_is_read() -> None:
    said = {
        "topP": 0.95,
        "topK": 40,
        "temperature": 1,
        "systemInstruction": "Be brief.\nBe kind.",
        "seed": -7,
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
        "safetySettings": [{"category": HARMS[0], "threshold": THRESHOLDS[2]}],
    }
    assert read_ai_config(said) == AiConfig(
        top_p=0.95,
        top_k=40,
        temperature=1.0,
        system_instruction="Be brief.\nBe kind.",
        seed=-7,
        image_config=ImageConfig(aspect_ratio="16:9", image_size="2K"),
        safety_settings=(SafetySetting(category=HARMS[0], threshold=THRESHOLDS[2]),),
    )
    assert read_ai_config(None) == read_ai_config({}) == AiConfig()


@pytest.mark.parametrize(
    "name",
    [
        "httpOptions",
        "http_options",
        "tools",
        "cachedContent",
        "responseModalities",
        "labels",
        "responseSchema",
        "topp",
        "top_p",
        "thinkingConfig",
        "automaticFunctionCalling",
    ],
)
def test_what_the_sdk_would_also_take_is_refused_by_name(name: str) -> None:
    value = {"baseUrl": "https://evil.example", "headers": {"x": "y"}}
    assert problems({name: value, "topP": 0.5}) == [f"aiConfig.{name}"]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([], "aiConfig"),
        ("topP", "aiConfig"),
        ({"topP": 1.1}, "aiConfig.topP"),
        ({"topP": "0.5"}, "aiConfig.topP"),
        ({"topK": 0}, "aiConfig.topK"),
        ({"topK": 2.5}, "aiConfig.topK"),
        ({"temperature": float("nan")}, "aiConfig.temperature"),
        ({"temperature": 2.1}, "aiConfig.temperature"),
        ({"seed": 2**31}, "aiConfig.seed"),
        ({"systemInstruction": 7}, "aiConfig.systemInstruction"),
        ({"systemInstruction": {"parts": []}}, "aiConfig.systemInstruction"),
        ({"systemInstruction": "x" * 32_001}, "aiConfig.systemInstruction"),
        ({"systemInstruction": "\0"}, "aiConfig.systemInstruction"),
        ({"imageConfig": "16:9"}, "aiConfig.imageConfig"),
        ({"imageConfig": {"aspectRatio": "7:1"}}, "aiConfig.imageConfig.aspectRatio"),
        ({"imageConfig": {"imageSize": "8K"}}, "aiConfig.imageConfig.imageSize"),
        ({"imageConfig": {"httpOptions": {}}}, "aiConfig.imageConfig.httpOptions"),
        ({"safetySettings": "OFF"}, "aiConfig.safetySettings"),
        ({"safetySettings": [{"category": HARMS[0]}]}, "aiConfig.safetySettings[0].threshold"),
        (
            {"safetySettings": [{"category": "X", "threshold": "OFF"}]},
            "aiConfig.safetySettings[0].category",
        ),
        (
            {"safetySettings": [{"category": HARMS[0], "threshold": "OFF"}] * 2},
            "aiConfig.safetySettings[1].category",
        ),
    ],
)
def test_what_is_wrong_is_told_by_its_path(value: object, field: str) -> None:
    assert problems(value) == [field]


@given(CONFIG_LIKE)
@example({"imageConfig": {"aspectRatio": "1:1"}, "httpOptions": None})
def test_a_configuration_is_clean_or_its_problems_are_named(value: dict[str, Any]) -> None:
    config = read_or_none(value)
    if config is None:
        assert all(field.startswith("aiConfig") for field in problems(value))
        return
    assert set(value) <= {*AI_CONFIG, "imageConfig", "safetySettings"}
    kept = msgspec.json.encode(config)  # what travels in the order's row
    assert msgspec.json.decode(kept, type=AiConfig) == config


def pasted(text: str) -> object:
    return read_pasted_json({"aiConfig": text}, "aiConfig")


@given(JSON.filter(lambda value: "nan" not in repr(value) and "inf" not in repr(value)))
def test_json_is_read_as_it_is(value: object) -> None:
    for spelled in (json.dumps(value), json.dumps(value, indent=1, ensure_ascii=False)):
        assert pasted(spelled) == msgspec.json.decode(spelled)


def test_what_people_paste_is_forgiven() -> None:
    assert pasted('{"a": "one\ntwo\tthree", "b": [1, 2,\n],\n}') == {
        "a": "one\ntwo\tthree",
        "b": [1, 2],
    }
    assert pasted('{"a": ",}", "b": "\\",]"}') == {"a": ",}", "b": '",]'}
    assert read_pasted_json({}, "aiConfig") is None


@pytest.mark.parametrize("text", ["{", "{a}", "{'a': 1}", '{"a": 1,,,}', "nan", '"\\', "[" * 9999])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(InvalidFields, match="aiConfig"):
        pasted(text)


@pytest.mark.timeout(20)
def test_no_text_is_slow_to_tidy() -> None:
    for nasty in ('"' + '\\"' * 32_000, ", " * 32_000, "," + " " * 64_000, '"' * 64_000):
        with pytest.raises(InvalidFields):
            pasted(nasty)


@pytest.mark.parametrize(
    ("ratio", "same", "nearest"),
    [
        (1.777, "16:9", "16:9"),
        (1.78, "16:9", "16:9"),
        (1.0, "1:1", "1:1"),
        (0.5625, "9:16", "9:16"),
        (2.3333333333333335, "21:9", "21:9"),
        (1.9, None, "16:9"),
        (100.0, None, "21:9"),
        (0.01, None, "9:16"),
        (1e300, None, "21:9"),
        (5e-324, None, "9:16"),
    ],
)
def test_a_ratio_has_its_name_with_the_model(ratio: float, same: str | None, nearest: str) -> None:
    assert aspect_of(ratio, nearest=False) == same
    assert aspect_of(ratio, nearest=True) == nearest
