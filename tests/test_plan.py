"""Orders are planned: what is shared is done once, what is large is refused before it is begun."""

import io

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ImageTooLarge
from models.recipe import Avif, Gif, Jpeg, Padding, Png, Recipe, Resize, Webp, settle
from pipeline import engine
from pipeline.admission import admit
from pipeline.extent import extent
from pipeline.footprint import footprint
from pipeline.limits import Limits
from pipeline.plan import plan
from pipeline.prints import Probe
from tests import pictures

sides = st.none() | st.integers(1, 400)
resizes = st.builds(
    Resize,
    width=sides,
    height=sides,
    fit=st.sampled_from(["cover", "contain", "fill", "inside", "outside"]),
    without_enlargement=st.booleans(),
    padding=st.builds(Padding, px=st.integers(0, 9), py=st.integers(0, 9)),
)
outputs = st.one_of(
    st.builds(Jpeg, quality=st.none() | st.just(80)),
    st.builds(Webp, effort=st.none() | st.integers(0, 6), lossless=st.none() | st.booleans()),
    st.builds(Avif, effort=st.integers(0, 9)),
    st.builds(Png, palette=st.booleans()),
    st.builds(Gif),
)
ratios = st.none() | st.floats(0.2, 5)
recipes = st.builds(Recipe, resize=resizes, ratio=ratios, output=outputs)
probes = st.builds(
    Probe,
    format=st.sampled_from(["jpeg", "png", "webp", "gif", "avif", "tiff", "heic", "svg"]),
    content_type=st.just("image/x"),
    extension=st.just("x"),
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    frames=st.integers(1, 50),
    bands=st.integers(1, 4),
    bits=st.sampled_from([8, 16]),
    interlaced=st.booleans(),
)


@given(probes, st.lists(recipes, min_size=1, max_size=12), st.integers(0, 8))
def test_every_recipe_is_made_exactly_once_and_the_dearest_first(
    probe: Probe, wanted: list[Recipe], free: int
) -> None:
    made = plan(probe, wanted, free)
    places = [position for part in made.parts for position in part.positions]
    assert sorted(places) == list(range(len(wanted)))
    for part in made.parts:
        assert all(settle(wanted[position]) == part.recipe for position in part.positions)
    assert len({part.recipe for part in made.parts}) == len(made.parts)
    costs = [part.cost for part in made.parts]
    assert costs == sorted(costs, reverse=True)
    assert made.together == (free > 1 and len(made.parts) > 1)


def test_two_spellings_of_a_recipe_are_one_part() -> None:
    probe = msgspec.structs.replace(A_PHOTO, width=100, height=100)
    made = plan(
        probe, [Recipe(output=Jpeg()), Recipe(output=settle(Recipe(output=Jpeg())).output)], 2
    )
    assert [part.positions for part in made.parts] == [(0, 1)]


A_PHOTO = Probe(format="jpeg", content_type="image/jpeg", extension="jpg", width=4000, height=3000)


@settings(max_examples=150)
@given(recipes, st.integers(1, 240), st.integers(1, 160), st.sampled_from(["png", "jpeg"]))
def test_the_size_of_a_result_is_known_from_the_header(
    tmp_path_factory: pytest.TempPathFactory, recipe: Recipe, width: int, height: int, kind: str
) -> None:
    source = tmp_path_factory.mktemp("extent") / "original"
    picture = pictures.scene(max(width, 24), max(height, 24)).crop((0, 0, width, height))
    data = io.BytesIO()
    picture.save(data, kind)
    source.write_bytes(data.getvalue())
    settled = settle(recipe)
    here = extent(engine.probe(source), settled)
    made = engine.develop(source, recipe).canvas
    slack = 2 if kind == "jpeg" else 1  # a decoder that shrinks rounds first
    assert abs(made.width - here.final.width) <= slack
    assert abs(made.frame_height - here.final.height) <= slack


@given(probes, st.lists(recipes, min_size=1, max_size=6), recipes)
def test_more_recipes_never_take_less_memory(
    probe: Probe, wanted: list[Recipe], more: Recipe
) -> None:
    settled = [settle(recipe) for recipe in wanted]
    before, after = footprint(probe, settled), footprint(probe, [*settled, settle(more)])
    assert after.child >= before.child > 0
    assert after.order >= after.child


@given(probes, st.lists(recipes, min_size=1, max_size=6), st.integers(2, 5))
def test_a_larger_original_never_takes_less_memory(
    probe: Probe, wanted: list[Recipe], factor: int
) -> None:
    settled = [settle(recipe) for recipe in wanted]
    larger = msgspec.structs.replace(
        probe, width=probe.width * factor, height=probe.height * factor
    )
    assert footprint(larger, settled).reading >= footprint(probe, settled).reading * 0.9


@given(probes, st.lists(recipes, min_size=1, max_size=6))
def test_what_is_admitted_keeps_every_limit(probe: Probe, wanted: list[Recipe]) -> None:
    limits = Limits(pixels=2_000_000, output_side=300, frames=20, memory=200_000_000)
    settled = [settle(recipe) for recipe in wanted]
    try:
        memory = admit(probe, settled, limits)
    except ImageTooLarge:
        return
    assert memory.child <= limits.memory
    for recipe in settled:
        here = extent(probe, recipe)
        assert max(here.final) <= 300
        assert here.pixels <= 2_000_000
        assert here.frames <= 20


def _admit(probe: Probe, *recipes: Recipe, **limits: int) -> None:
    admit(probe, [settle(recipe) for recipe in recipes], Limits(**limits))


def test_a_photo_of_100_megapixels_is_welcome_and_of_101_is_not() -> None:
    photo = msgspec.structs.replace(A_PHOTO, width=10_000, height=10_000)
    _admit(photo, Recipe(resize=Resize(width=1200)))
    with pytest.raises(ImageTooLarge, match="100 megapixels"):
        _admit(msgspec.structs.replace(photo, height=10_100), Recipe(resize=Resize(width=1200)))


def test_a_side_over_12_000_pixels_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="12000"):
        _admit(A_PHOTO, Recipe(resize=Resize(width=12_001, height=10)))
    _admit(A_PHOTO, Recipe(resize=Resize(width=12_000, height=10)))


def test_frames_count_only_where_an_output_keeps_them() -> None:
    film = msgspec.structs.replace(A_PHOTO, format="gif", width=10, height=10, frames=501)
    _admit(film, Recipe(output=Jpeg()))
    with pytest.raises(ImageTooLarge, match="500 frames"):
        _admit(film, Recipe(output=Jpeg()), Recipe(output=Webp()))


def test_an_avif_of_100_megapixels_is_refused_for_its_memory() -> None:
    avif = msgspec.structs.replace(A_PHOTO, format="avif", width=10_000, height=10_000)
    with pytest.raises(ImageTooLarge, match="memory"):
        _admit(avif, Recipe(resize=Resize(width=120)))


def test_attention_looks_at_the_whole_scaled_original() -> None:
    strip = msgspec.structs.replace(A_PHOTO, width=10, height=60_000)
    square = Resize(width=1000, height=1000)
    _admit(strip, Recipe(resize=square))
    with pytest.raises(ImageTooLarge, match="result"):
        _admit(strip, Recipe(resize=msgspec.structs.replace(square, position="attention")))
