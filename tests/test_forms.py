"""Forms: what strangers write becomes recipes, or every problem with its path."""

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.entries import MOST_ENTRIES
from models.errors import InvalidFields
from models.forms import (
    read_format_options,
    read_ratio,
    read_recipes,
    read_resize_options,
)
from models.options import FORMATS, RESIZE
from models.outputs import Avif, Gif, Ico, Jpeg, Png, Webp
from models.recipe import Padding, Recipe, Resize

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=10,
)
RESIZE_LIKE = st.dictionaries(st.sampled_from([*RESIZE, "padding", "pad"]), JSON, max_size=5)
NAMES = sorted({name for _, options in FORMATS.values() for name in options} | {"speed"})
FORMAT_LIKE = st.fixed_dictionaries(
    {"format": st.sampled_from([*FORMATS, "jpg", "JPEG", "bmp", 3])},
    optional={"options": st.dictionaries(st.sampled_from(NAMES), JSON, max_size=5) | JSON},
)


def problems(resize: object = None, output: object = None, ratio: str | None = None) -> list[str]:
    with pytest.raises(InvalidFields) as refused:
        read_recipes(resize, output, ratio)
    return [found.field for found in refused.value.problems]


def attempt(
    resize: object, output: object, ratio: str | None
) -> list[list[Recipe]] | InvalidFields:
    try:
        return read_recipes(resize, output, ratio)
    except InvalidFields as refused:
        return refused


def sentence(resize: object = None, output: object = None) -> str:
    with pytest.raises(InvalidFields) as refused:
        read_recipes(resize, output, None)
    return refused.value.problems[0].problem


@pytest.mark.parametrize("nothing", [None, [], ()])
def test_nothing_asked_is_a_webp_of_the_originals_size(nothing: object) -> None:
    assert read_recipes(nothing, nothing, None) == [[Recipe()]]
    assert read_recipes([{}], nothing, "") == [[Recipe(resize=Resize(), output=Webp())]]


def test_the_guides_upload_makes_two_formats_of_three_sizes() -> None:
    recipes = read_recipes(
        [{}, {"width": 720}, {"height": 580}], [{"format": "webp"}, {"format": "avif"}], "1.777"
    )
    assert [[type(recipe.output) for recipe in image] for image in recipes] == [[Webp, Avif]] * 3
    assert [image[0].resize for image in recipes] == [
        Resize(),
        Resize(width=720),
        Resize(height=580),
    ]
    assert {recipe.ratio for image in recipes for recipe in image} == {1.777}


def test_the_guides_jpeg_options_are_all_taken() -> None:
    (output,) = read_format_options(
        [
            {
                "format": "jpeg",
                "options": {
                    "background": "#FF0000",
                    "quality": 70,
                    "mozjpeg": True,
                    "chromaSubsampling": "4:2:0",
                    "progressive": True,
                    "force": True,
                },
            }
        ]
    )
    assert isinstance(output, Jpeg)
    assert (output.quality, output.mozjpeg, output.progressive) == (70, True, True)
    assert output.background is not None
    assert output.background.red == 255


def test_a_single_object_is_an_array_of_one_with_a_shorter_path() -> None:
    assert read_resize_options({"width": 9}) == read_resize_options([{"width": 9}])
    assert problems({"width": 0}) == ["resizeOptions.width"]
    assert problems([{}, {"width": 0}]) == ["resizeOptions[1].width"]
    assert problems(None, {"format": "webp", "options": {"quality": 0}}) == [
        "formatOptions.options.quality"
    ]


def test_every_problem_is_named_at_once() -> None:
    found = problems(
        [{"width": -1, "fit": "round"}, "wide", {"padding": {"px": -1, "pz": 1}}],
        [
            {"format": "jpeg", "options": {"quality": 101, "mozjpeg": 1}},
            {"format": "bmp"},
            {"options": {}},
            {"format": "webp", "options": []},
            {"format": "JPG", "quality": 1},
        ],
        "16:9",
    )
    assert found == [
        "resizeOptions[1]",
        "resizeOptions[0].width",
        "resizeOptions[0].fit",
        "resizeOptions[2].padding.pz",
        "resizeOptions[2].padding.px",
        "formatOptions[0].options.quality",
        "formatOptions[0].options.mozjpeg",
        "formatOptions[1].format",
        "formatOptions[2].format",
        "formatOptions[3].options",
        "formatOptions[4].quality",
        "formatOptions[4].format",
        "ratio",
    ]


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    assert sentence({"widht": 9}) == "is not a known option; did you mean 'width'?"
    assert sentence({"zzz": 9}) == "is not a known option"
    spelled = {"format": "jpeg", "options": {"chromaSubsamling": "4:4:4"}}
    assert "'chromaSubsampling'" in sentence(None, spelled)
    assert "'format'" in sentence(None, {"fromat": "webp"})


def test_null_is_not_given() -> None:
    nulls = dict.fromkeys(RESIZE)
    assert read_resize_options(nulls | {"padding": None}) == [Resize()]
    for name, (kind, options) in FORMATS.items():
        entry = {"format": name, "options": dict.fromkeys(options)}
        assert read_format_options(entry) == [kind()]
        assert read_format_options({"format": name, "options": None}) == [kind()]


# field, valid values, refused values
RANGES: list[tuple[str, list[object], list[object]]] = [
    ("width", [1, 1.0, 100_000_000], [0, -1, 1.5, "1", True, math.nan, math.inf, 100_000_001, []]),
    ("height", [1, 2e3], [0, 10**400, -(10**400), {}, "", False]),
    ("fit", ["cover", "contain", "fill", "inside", "outside"], ["Cover", "", 1, None.__class__]),
    ("position", [0, 8, 16, 17, 5.0, "north", "center"], [9, 15, 18, -1, 1.1, "0", "top left"]),
    ("kernel", ["nearest", "mks2021"], ["bicubic", 1, True]),
    ("background", ["#fff", [1, 2, 3]], ["fff", 0, True, {}]),
    ("withoutEnlargement", [True, False], [0, 1, "true"]),
    ("withoutReduction", [True, False], [0, 1, "false"]),
    ("fastShrinkOnLoad", [True, False], [1, "yes"]),
    ("padding", [{}, {"px": 1}, {"px": 0, "py": 2.0}], [1, [1], "1", {"px": -1}, {"px": True}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "valid", "refused"), RANGES)
def test_resize_options_have_sharps_ranges(
    name: str, valid: list[object], refused: list[object]
) -> None:
    for value in valid:
        assert read_resize_options({name: value})
    for value in refused:
        assert problems({name: value})[0].startswith(f"resizeOptions.{name}")


WRONG_BOOLEANS: list[object] = [0, 1, "true", [], {}]
FORMAT_RANGES: list[tuple[str, str, list[object], list[object]]] = [
    *(
        (name, "quality", [1, 80.0, 100], [0, 101, 80.5, "80", True, math.nan])
        for name in ("jpeg", "webp", "avif")
    ),
    ("png", "quality", [0, 100], [-1, 101]),
    ("png", "compressionLevel", [0, 9], [-1, 10]),
    ("png", "effort", [1, 10], [0, 11]),
    ("png", "colours", [2, 256], [0, 1, 257]),
    ("png", "colors", [2, 256], [0, 1, 257]),
    ("png", "dither", [0, 0.5, 1], [-0.1, 1.1, math.nan, "1", True]),
    ("webp", "alphaQuality", [0, 100], [-1, 101]),
    ("webp", "effort", [0, 6], [-1, 7]),
    ("webp", "preset", ["icon"], ["Icon", 3]),
    ("webp", "loop", [0, 65535], [-1, 65536]),
    ("webp", "delay", [0, 65535, [1, 2.0]], [-1, 65536, [], [1, -1], ["1"], [[1]]]),
    ("avif", "effort", [0, 9], [-1, 10]),
    ("avif", "bitdepth", [8, 10.0, 12], [9, "8", 16]),
    ("avif", "tune", ["auto", "iq", "psnr", "ssim"], ["ms-ssim", 1]),
    ("avif", "chromaSubsampling", ["4:2:0", "4:4:4"], ["4:2:2", 420]),
    ("avif", "compression", ["av1"], ["hevc", 1]),
    ("jpeg", "chromaSubsampling", ["4:2:0", "4:4:4"], ["4:2:2", 420]),
    ("jpeg", "quantisationTable", [0, 8], [-1, 9]),
    ("jpeg", "quantizationTable", [0, 8], [-1, 9, "3"]),
    ("jpeg", "force", [True], [False, "yes"]),
    ("gif", "effort", [1, 10], [0, 11]),
    ("gif", "interFrameMaxError", [0, 32], [-1, 33]),
    ("gif", "interPaletteMaxError", [0, 256], [-1, 257]),
    ("ico", "sizes", [16, [16, 256]], [0, 257, [], "16", [True]]),
    *(
        (name, option, [True, False], WRONG_BOOLEANS)
        for name, options in {
            "jpeg": [
                "progressive", "optimiseCoding", "optimizeCoding", "mozjpeg", "trellisQuantisation",
                "trellisQuantization", "overshootDeringing", "optimiseScans", "optimizeScans",
            ],
            "png": ["progressive", "adaptiveFiltering", "palette"],
            "webp": [
                "lossless", "nearLossless", "smartSubsample", "smartDeblock", "minSize", "mixed",
                "exact",
            ],
            "avif": ["lossless"],
            "gif": ["reuse", "progressive", "keepDuplicateFrames"],
        }.items()
        for option in options
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "option", "valid", "refused"), FORMAT_RANGES)
def test_format_options_have_sharps_ranges(
    name: str, option: str, valid: list[object], refused: list[object]
) -> None:
    for value in valid:
        assert read_format_options({"format": name, "options": {option: value}})
    for value in refused:
        field = f"formatOptions.options.{option}"
        assert problems(None, {"format": name, "options": {option: value}}) == [field]


def test_every_option_of_every_format_is_tried_above() -> None:
    tried = {(name, option) for name, option, _, _ in FORMAT_RANGES}
    shared = {"background", "force", "loop", "delay", "colours", "colors", "dither"}
    for name, (_, options) in FORMATS.items():
        for option in options:
            assert option in shared or (name, option) in tried


def test_two_spellings_may_agree_but_not_contradict() -> None:
    agree = {"format": "jpeg", "options": {"optimizeScans": True, "optimiseScans": True}}
    assert read_format_options(agree) == [Jpeg(optimise_scans=True)]
    argue = {"format": "png", "options": {"colours": 4, "colors": 8}}
    assert problems(None, argue) == ["formatOptions.options.colors"]


def test_a_format_can_be_asked_for_once() -> None:
    assert problems(None, [{"format": "jpg"}, {"format": "webp"}, {"format": "JPEG"}]) == [
        "formatOptions[2].format"
    ]


def test_a_format_is_known_in_any_letter_case_and_by_its_short_name() -> None:
    spelled = ["JPEG", "jpg", "Jpe", "PNG", "WebP", "AVIF", "Gif", "ico"]
    kinds = [type(read_format_options({"format": name})[0]) for name in spelled]
    assert kinds == [Jpeg, Jpeg, Jpeg, Png, Webp, Avif, Gif, Ico]


@pytest.mark.parametrize(
    ("text", "ratio"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("1.777", 1.777),
        (" 1 ", 1.0),
        ("2.3333333333333335", 2.3333333333333335),
        ("1e1", 10.0),
        (".5", 0.5),
    ],
)
def test_a_ratio_is_a_positive_number(text: str | None, ratio: float | None) -> None:
    assert read_ratio(text) == ratio


@pytest.mark.parametrize(
    "text", ["0", "-1", "nan", "inf", "1e999", "16:9", "16/9", "1_0", "0x1", "1.2.3", "1,5"]
)
def test_what_is_no_ratio_is_refused(text: str) -> None:
    assert problems(None, None, text) == ["ratio"]


def test_an_endless_array_is_refused_before_it_is_read() -> None:
    assert problems([{}] * (MOST_ENTRIES + 1)) == ["resizeOptions"]
    assert len(read_resize_options([{}] * MOST_ENTRIES)) == MOST_ENTRIES


def test_a_refusal_repeats_little_of_what_was_sent() -> None:
    assert len(sentence({"fit": "x" * 10_000})) < 200
    assert len(sentence({"x" * 10_000: 1})) < 200
    assert len(sentence({"width": 10**3000})) < 200


@given(
    JSON | RESIZE_LIKE | st.lists(RESIZE_LIKE),
    JSON | FORMAT_LIKE | st.lists(FORMAT_LIKE),
    st.none() | st.text(),
)
@example([{"width": 10**5000}], [{"format": "png", "options": {"dither": 10**5000}}], "9" * 5000)
def test_any_json_is_recipes_or_a_named_refusal(
    resize: Any, output: Any, ratio: str | None
) -> None:
    answer = attempt(resize, output, ratio)
    if isinstance(answer, InvalidFields):
        assert answer.problems
        assert all(found.field and found.problem for found in answer.problems)
    else:
        assert answer
        assert all(isinstance(recipe, Recipe) for image in answer for recipe in image)


@given(st.integers(1, 9999), st.integers(1, 9999), st.sampled_from(["inside", "fill"]))
def test_good_options_are_read_as_they_are(width: int, height: int, fit: Any) -> None:
    asked = {"width": width, "height": height, "fit": fit, "padding": {"px": 1, "py": 2}}
    assert read_resize_options([asked]) == [
        Resize(width=width, height=height, fit=fit, padding=Padding(px=1, py=2))
    ]
