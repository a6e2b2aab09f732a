"""Recipes: exact over the wire, and one fingerprint for every spelling of one request."""

import re
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import defaults
from models.colour import Colour
from models.forms import read_recipes
from models.outputs import Chroma, Preset, Tune
from models.recipe import (
    THUMB_BIG,
    THUMB_SMALL,
    Avif,
    Fit,
    Gif,
    Ico,
    Jpeg,
    Kernel,
    Output,
    Padding,
    Png,
    Position,
    Recipe,
    Resize,
    Webp,
    fingerprint,
    settle,
    thumbnails,
)

PINNED = "9a42252e9d7ee9edae3244e344eb353c7ea97478e5168f3b1ac26030e0796f1b"
MAYBE = st.none() | st.booleans()
CHANNELS = st.floats(0, 255)
COLOURS = st.builds(Colour, red=CHANNELS, green=CHANNELS, blue=CHANNELS, alpha=st.integers(0, 255))


def upto(highest: int, lowest: int = 1) -> st.SearchStrategy[int | None]:
    return st.none() | st.integers(lowest, highest)


def word(literal: Any) -> st.SearchStrategy[Any]:
    return st.none() | st.sampled_from(get_args(literal))


BACKGROUND = st.none() | COLOURS
DELAY = st.none() | st.lists(st.integers(0, 65535), min_size=1, max_size=4).map(tuple)
DITHER = st.none() | st.floats(0, 1)
JPEGS = st.builds(
    Jpeg,
    background=BACKGROUND,
    quality=upto(100),
    progressive=MAYBE,
    chroma_subsampling=word(Chroma),
    optimise_coding=MAYBE,
    mozjpeg=MAYBE,
    trellis_quantisation=MAYBE,
    overshoot_deringing=MAYBE,
    optimise_scans=MAYBE,
    quantisation_table=upto(8, 0),
)
PNGS = st.builds(
    Png,
    background=BACKGROUND,
    progressive=MAYBE,
    compression_level=upto(9, 0),
    adaptive_filtering=MAYBE,
    palette=MAYBE,
    quality=upto(100, 0),
    effort=upto(10),
    colours=upto(256, 2),
    dither=DITHER,
)
WEBPS = st.builds(
    Webp,
    background=BACKGROUND,
    quality=upto(100),
    alpha_quality=upto(100, 0),
    lossless=MAYBE,
    near_lossless=MAYBE,
    smart_subsample=MAYBE,
    smart_deblock=MAYBE,
    preset=word(Preset),
    effort=upto(6, 0),
    min_size=MAYBE,
    mixed=MAYBE,
    exact=MAYBE,
    loop=upto(65535, 0),
    delay=DELAY,
)
AVIFS = st.builds(
    Avif,
    background=BACKGROUND,
    quality=upto(100),
    lossless=MAYBE,
    effort=upto(9, 0),
    chroma_subsampling=word(Chroma),
    bitdepth=st.sampled_from([None, 8, 10, 12]),
    tune=word(Tune),
)
GIFS = st.builds(
    Gif,
    background=BACKGROUND,
    reuse=MAYBE,
    colours=upto(256, 2),
    effort=upto(10),
    dither=DITHER,
    inter_frame_max_error=st.none() | st.floats(0, 32),
    loop=upto(65535, 0),
    delay=DELAY,
)
SIDES = st.lists(st.integers(1, 256), min_size=1, max_size=4, unique=True)
ICOS = st.builds(Ico, background=BACKGROUND, sizes=st.none() | SIDES.map(sorted).map(tuple))
OUTPUTS: st.SearchStrategy[Output] = st.one_of(JPEGS, PNGS, WEBPS, AVIFS, GIFS, ICOS)
RESIZES = st.builds(
    Resize,
    width=upto(9999),
    height=upto(9999),
    fit=st.sampled_from(get_args(Fit)),
    position=st.sampled_from(get_args(Position)),
    background=COLOURS,
    kernel=st.sampled_from(get_args(Kernel)),
    without_enlargement=st.booleans(),
    without_reduction=st.booleans(),
    fast_shrink_on_load=st.booleans(),
    padding=st.builds(Padding, px=st.integers(0, 99), py=st.integers(0, 99)),
)
RECIPES = st.builds(Recipe, resize=RESIZES, ratio=st.none() | st.floats(0.01, 100), output=OUTPUTS)


@given(RECIPES)
def test_a_recipe_survives_the_wire_exactly(recipe: Recipe) -> None:
    text = msgspec.json.encode(recipe)
    again = msgspec.json.decode(text, type=Recipe)
    assert again == recipe
    assert msgspec.json.encode(again) == text
    assert fingerprint(again) == fingerprint(recipe)


@given(RECIPES)
def test_settling_twice_changes_nothing(recipe: Recipe) -> None:
    settled = settle(recipe)
    assert settle(settled) == settled
    assert fingerprint(settled) == fingerprint(recipe)


@given(RECIPES)
def test_what_is_named_stays_as_it_was_named(recipe: Recipe) -> None:
    asked = msgspec.structs.asdict(recipe.output)
    settled = msgspec.structs.asdict(settle(recipe).output)
    bent = {"mozjpeg", "progressive", "colours", "tune"}
    if settled.get("palette") is False:
        bent |= {"quality", "effort", "dither"}
    for name in asked.keys() - bent:
        assert asked[name] is None or settled[name] == asked[name]


def test_a_fingerprint_is_the_same_on_every_machine_and_day() -> None:
    recipe = Recipe(
        resize=Resize(width=720), ratio=1.5, output=Ico(sizes=(16, 32), background=Colour(red=1.5))
    )
    assert re.fullmatch("[0-9a-f]{64}", fingerprint(recipe))
    assert fingerprint(recipe) == PINNED


def one(resize: object = None, output: object = None, ratio: str | None = None) -> Recipe:
    ((recipe,),) = read_recipes(resize, output, ratio)
    return recipe


W, JPEG = {"width": 64, "height": 48}, {"format": "jpeg"}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({}, {"fit": "cover", "position": "centre", "kernel": "lanczos3"}),
        (W, W | {"fit": "cover", "withoutEnlargement": False, "background": "#000"}),
        (W, {"width": 64.0, "height": 48.0}),
        (W | {"position": "northeast"}, W | {"position": 5}),
        (W | {"position": "right top"}, W | {"position": 5.0}),
        (W | {"position": "center"}, W | {"position": 0}),
        (W | {"position": "attention"}, W | {"position": 17}),
        (W | {"position": "top", "fit": "fill"}, W | {"fit": "fill"}),
        (W | {"background": "red"}, W),
        (
            W | {"fit": "contain", "background": "red"},
            W | {"fit": "contain", "background": {"r": 255, "g": 0, "b": 0, "alpha": 1}},
        ),
        (
            W | {"fit": "contain", "background": "#F00"},
            W | {"fit": "contain", "background": "hsl(0, 100%, 50%)"},
        ),
        (W | {"padding": {"px": 0}}, W | {"padding": None}),
        ({"width": 64, "fit": "inside", "position": "top"}, {"width": 64}),
        ({"height": 64, "fit": "outside"}, {"height": 64}),
        (
            W | {"withoutReduction": True, "withoutEnlargement": True},
            W | {"withoutReduction": True},
        ),
        ({"kernel": "nearest", "fastShrinkOnLoad": False, "withoutEnlargement": True}, {}),
    ],
)
def test_spellings_of_one_size_have_one_fingerprint(left: object, right: object) -> None:
    assert fingerprint(one(left)) == fingerprint(one(right))


def jpeg(**options: object) -> dict[str, object]:
    return {"format": "jpeg", "options": options}


def webp(**options: object) -> dict[str, object]:
    return {"format": "webp", "options": options}


def png(**options: object) -> dict[str, object]:
    return {"format": "png", "options": options}


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (JPEG, {"format": "JPG", "options": None}),
        (JPEG, jpeg(force=True)),
        (JPEG, jpeg(background="#FFFFFF")),
        (jpeg(quality=80), jpeg(quality=80.0)),
        (jpeg(optimiseCoding=False), jpeg(optimizeCoding=False)),
        (jpeg(trellisQuantisation=True), jpeg(trellisQuantization=True)),
        (jpeg(optimiseScans=True), jpeg(optimizeScans=True, progressive=True)),
        (jpeg(quantisationTable=3), jpeg(quantizationTable=3)),
        (
            jpeg(mozjpeg=True),
            jpeg(
                mozjpeg=True,
                progressive=False,
                trellisQuantisation=True,
                overshootDeringing=True,
                optimiseScans=True,
                quantisationTable=3,
            ),
        ),
        (png(colours=17), png(colors=256)),
        (png(quality=90), png(quality=90, palette=True)),
        (png(palette=False), png(palette=False, quality=3, dither=0.5, effort=1)),
        (webp(delay=50), webp(delay=[50])),
        (
            {"format": "avif", "options": {"tune": "iq", "lossless": True}},
            {"format": "avif", "options": {"tune": "ssim", "lossless": True, "compression": "av1"}},
        ),
        (webp(delay=50, loop=0), webp(loop=0.0, delay=[50.0])),
        (
            {"format": "ico", "options": {"sizes": [32, 16, 16]}},
            {"format": "ico", "options": {"sizes": [16, 32]}},
        ),
    ],
)  # fmt: skip
def test_spellings_of_one_format_have_one_fingerprint(left: object, right: object) -> None:
    assert fingerprint(one(output=left)) == fingerprint(one(output=right))


@pytest.mark.parametrize(
    "output", [defaults.JPEG, defaults.PNG, defaults.WEBP, defaults.AVIF, defaults.GIF]
)
def test_naming_our_own_defaults_changes_nothing(output: Output) -> None:
    if isinstance(output, Png):
        output = msgspec.structs.replace(
            output, quality=None, effort=None, colours=None, dither=None
        )
    assert fingerprint(Recipe(output=output)) == fingerprint(Recipe(output=type(output)()))


@given(RECIPES, RECIPES)
def test_recipes_that_settle_apart_have_fingerprints_apart(one: Recipe, other: Recipe) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (settle(one) == settle(other))


def test_an_option_that_matters_changes_the_fingerprint() -> None:
    plain = Recipe(resize=Resize(width=64, height=48), output=Webp())
    changed = [
        one(W, {"format": "webp"}, "1.5"),
        one(W | {"position": "top"}),
        one(W | {"fit": "contain"}),
        one(W | {"kernel": "cubic"}),
        one(W | {"fastShrinkOnLoad": False}),
        one(W | {"padding": {"px": 1}}),
        one(W, {"format": "webp", "options": {"quality": 1}}),
        one(W, {"format": "webp", "options": {"background": "#FFF"}}),
        one(W, JPEG),
        one({"width": 64}),
    ]
    assert len({fingerprint(recipe) for recipe in [plain, *changed]}) == 11


def test_mozjpeg_sets_five_options_and_named_ones_win_over_it() -> None:
    settled = settle(one(output=jpeg(mozjpeg=True, trellisQuantisation=False))).output
    assert isinstance(settled, Jpeg)
    assert settled.progressive
    assert settled.overshoot_deringing
    assert settled.optimise_scans
    assert settled.quantisation_table == 3
    assert not settled.trellis_quantisation


def test_naming_a_palette_option_asks_for_a_palette() -> None:
    assert settle(one(output=png(quality=90))).output.palette  # type: ignore[union-attr]
    assert settle(one(output=png(colours=4))).output.palette  # type: ignore[union-attr]
    assert settle(one(output=png(compressionLevel=9))).output.palette is False  # type: ignore[union-attr]


def test_thumbnails_are_small_webps_that_follow_the_ratio() -> None:
    assert thumbnails(None) == (THUMB_SMALL, THUMB_BIG)
    small, big = thumbnails(1.9)
    assert (small.resize.width, big.resize.width) == (120, 320)
    assert small.ratio == big.ratio == 1.9
    assert small.output == big.output == Webp(quality=30)


def test_a_recipe_from_a_stranger_is_checked_by_its_types() -> None:
    for text in (
        b'{"output":{"format":"bmp"}}',
        b'{"resize":{"fit":"round"}}',
        b'{"resize":{"width":"9"}}',
        b'{"unknown":1}',
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=Recipe)
