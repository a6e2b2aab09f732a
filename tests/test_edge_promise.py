"""One URL, one size, whatever file of an image its pixels come from."""

from urllib.parse import urlencode

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cdn_edge.grammar import read_pairs, read_wanted
from cdn_edge.promise import keeps_scale, promised, turned
from cdn_edge.sources import Kind, Stored, headroom, ranked, recipe_from
from cdn_edge.wish import Source, Wish, recipe_of
from models.recipe import Recipe, Resize, settle
from pipeline import engine, geometry
from pipeline.extent import extent
from pipeline.geometry import Size
from pipeline.mezzanine import mezzanine_of
from pipeline.prints import Probe
from tests import pictures

SIDES = st.integers(1, 5000)
SIZES = st.builds(Size, SIDES, SIDES)


@st.composite
def recipes(draw: st.DrawFn, most: int = 4000) -> Recipe:
    """What a URL asks: every parameter that changes a size, as the grammar reads it."""
    sides = st.integers(1, most)
    chosen = {
        "w": draw(st.none() | sides),
        "h": draw(st.none() | sides),
        "fit": draw(st.none() | st.sampled_from(["cover", "contain", "fill", "inside", "outside"])),
        "ar": draw(st.none() | st.sampled_from(["16:9", "1:1", "3:4", "21:9", "1:3"])),
        "pos": draw(st.none() | st.sampled_from(["top", "left", "right bottom"])),
        "pad": draw(st.none() | st.integers(0, 50)),
        "dpr": draw(st.none() | st.sampled_from(["1.3", "2", "3"])),
        "rot": draw(st.none() | st.sampled_from([90, 180, 270])),
        "flip": draw(st.none() | st.sampled_from(["h", "v"])),
        "enlarge": draw(st.none() | st.just(1)),
    }
    given_ones = {name: value for name, value in chosen.items() if value is not None}
    if not {"w", "h"} & given_ones.keys():
        for name in ("fit", "dpr", "enlarge"):
            given_ones.pop(name, None)
    recipe = recipe_of(Wish(wanted=read_wanted(read_pairs(urlencode(given_ones)))), Source("webp"))
    assume(recipe is not None)
    assert recipe
    return recipe


def made(recipe: Recipe, size: Size) -> Size:
    """What a recipe makes of a picture of this size."""
    return geometry.outcome(turned(recipe, size), recipe.resize, recipe.ratio)


def copies(variant: Size, original: Size) -> list[Stored]:
    """All that is stored of an image, the mezzanine as the pipeline makes it."""
    probe = Probe(
        format="jpeg", content_type="", extension="", width=variant.width, height=variant.height
    )
    recipe = mezzanine_of(probe, Recipe())
    assert recipe
    mezzanine = extent(probe, settle(recipe)).final
    return [
        stored("mezzanine", "jpeg", mezzanine),
        stored("original", "jpeg", original),
        stored("variant", "png", original),
    ]


def stored(kind: Kind, form: str, size: Size) -> Stored:
    return Stored(
        kind=kind, key=kind + form, format=form, width=size.width, height=size.height, sha256="a"
    )


@given(recipe=recipes(), variant=SIZES, factor=st.floats(0.05, 20))
def test_a_result_has_the_size_that_the_variant_promises_from_whatever_it_is_made(
    recipe: Recipe, variant: Size, factor: float
) -> None:
    original = Size(*(max(1, round(side * factor)) for side in variant))
    own = stored("variant", "webp", variant)
    asked = promised(recipe, variant)
    sources = ranked(asked, own, copies(variant, original))
    assert own in sources
    assert {made(asked, one.size) for one in sources} == {made(recipe, variant)}
    most = max(headroom(asked, one) for one in sources)
    assert sources[0].kind == "original" or headroom(asked, sources[0]) >= min(1, most)


@given(recipe=recipes(), variant=SIZES, source=SIZES)
def test_even_a_file_of_another_shape_comes_out_at_the_promised_size(
    recipe: Recipe, variant: Size, source: Size
) -> None:
    asked = promised(recipe, variant)
    if not keeps_scale(recipe, variant):
        assert made(asked, source) == made(recipe, variant)


@given(recipe=recipes(), variant=st.builds(Size, st.integers(20, 5000), st.integers(20, 5000)))
def test_what_is_promised_shows_what_was_asked_for(recipe: Recipe, variant: Size) -> None:
    """As large before anything is cut off, but for what was rounded."""
    asked, size = promised(recipe, variant), turned(recipe, variant)
    before = geometry.fitted(size, recipe.resize, recipe.ratio).inside
    after = geometry.fitted(size, asked.resize, recipe.ratio).inside
    assert abs(before.width - after.width) <= 2
    assert abs(before.height - after.height) <= 2


@settings(max_examples=40)
@given(recipe=recipes(400), sides=st.tuples(st.integers(3, 300), st.integers(3, 300)))
@pytest.mark.parametrize("kind", ["jpeg", "webp", "png"])
def test_decoders_that_shrink_do_not_change_the_size(
    kind: str, recipe: Recipe, sides: tuple[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    variant = Size(*sides)
    larger = Size(variant.width * 5 // 2 + 1, variant.height * 5 // 2)
    assume(max(made(recipe, variant)) <= 2000)
    asked = promised(recipe, variant)
    for size in [variant] if keeps_scale(recipe, variant) else [variant, larger]:
        path = tmp_path_factory.getbasetemp() / f"{kind}-{size.width}x{size.height}"
        path.write_bytes(getattr(pictures, kind)(*size))
        (picture,) = engine.render(path, [asked])
        assert (picture.width, picture.height) == made(recipe, variant)
        path.unlink()


@pytest.mark.parametrize(("width", "height"), [(160, 107), (320, 213), (640, 427), (800, 534)])
def test_a_copy_of_rounded_size_gives_the_rows_that_its_variant_gives(
    width: int, height: int
) -> None:
    variant, copy = Size(4240, 2828), Size(2048, 1366)
    asked = promised(Recipe(resize=Resize(width=width, without_enlargement=True)), variant)
    assert made(asked, copy) == made(asked, variant) == Size(width, height)


def test_no_copy_of_another_size_goes_on_a_canvas_that_the_variant_does_not_fill() -> None:
    resize = Resize(width=400, height=300, fit="contain", without_enlargement=True)
    small = stored("variant", "webp", Size(100, 80))
    large = stored("original", "jpeg", Size(1000, 800))
    asked = promised(Recipe(resize=resize), small.size)
    assert ranked(asked, small, [large]) == [small]


def test_only_the_decoder_of_a_mezzanine_is_told_to_throw_away_less() -> None:
    asked = promised(Recipe(resize=Resize(width=160)), Size(4240, 2828))
    size = Size(2048, 1366)
    careful = recipe_from(stored("mezzanine", "jpeg", size), asked)
    assert not careful.resize.fast_shrink_on_load
    assert made(careful, size) == made(asked, size)
    for other in (stored("original", "jpeg", size), stored("mezzanine", "webp", size)):
        assert recipe_from(other, asked) == asked
