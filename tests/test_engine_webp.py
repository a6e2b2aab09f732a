"""WebP stills: whoever writes them, the bytes are libvips'."""

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.colour import Colour
from models.defaults import settle
from models.errors import ImageTooLarge
from models.outputs import Output, Webp
from pipeline import engine, engine_encode
from pipeline.engine_encode import mount, save
from pipeline.engine_webp import can_write, write_webp
from pipeline.geometry import Size
from pipeline.prints import Canvas, Picture
from pipeline.webp_still import LARGEST
from tests import pictures

RED = Colour(red=255.0)


@pytest.fixture(autouse=True, scope="module")
def _prepared() -> None:
    engine.prepare()


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Picture]]:
    """What Pillow writes."""
    seen: list[Picture] = []

    def noted(picture: Picture, settled: Webp) -> bytes:
        seen.append(picture)
        return write_webp(picture, settled)

    monkeypatch.setattr(engine_encode, "write_webp", noted)
    return seen


def _picture(width: int, height: int, *, clear: bool, seed: int = 0) -> Picture:
    """A part of a scene; a clear one has every degree of transparency somewhere."""
    scene = pictures.scene(max(width, 24), max(height, 24)).crop((0, 0, width, height))
    if clear:
        scene.putalpha(0)
        alpha = random.Random(seed).choices((0, 1, 90, 200, 255), k=width * height)
        pixels = bytearray(scene.convert("RGBA").tobytes())
        pixels[3::4] = bytes(alpha)
        return Picture(Canvas(width=width, height=height, bands=4), memoryview(pixels))
    return Picture(Canvas(width=width, height=height, bands=3), scene.tobytes())


def _by_libvips(picture: Picture, output: Output) -> bytes:
    canvas = picture.canvas
    return save(mount(picture, output), output, Size(canvas.width, canvas.height))


options = st.builds(
    Webp,
    quality=st.integers(1, 100),
    alpha_quality=st.integers(0, 100),
    lossless=st.booleans(),
    effort=st.integers(0, 6),
    exact=st.booleans(),
    min_size=st.booleans(),
    mixed=st.booleans(),
    loop=st.none() | st.integers(0, 9),
    delay=st.none() | st.just((40,)),
)


@settings(max_examples=150, deadline=None)
@given(options, st.integers(1, 90), st.integers(1, 70), st.booleans(), st.integers(0, 5))
def test_a_still_has_the_bytes_of_libvips(
    output: Webp, width: int, height: int, clear: bool, seed: int
) -> None:
    picture, settled = _picture(width, height, clear=clear, seed=seed), settle(output)
    assert can_write(settled, picture)
    assert write_webp(picture, settled) == _by_libvips(picture, output)


@pytest.mark.parametrize("clear", [False, True])
def test_what_has_no_word_in_pillow_is_written_by_libvips(
    clear: bool, written: list[Picture]
) -> None:
    picture = _picture(60, 40, clear=clear)
    for output in (
        Webp(near_lossless=True),
        Webp(smart_subsample=True),
        Webp(smart_deblock=True),
        Webp(preset="photo"),
    ):
        assert engine.encode(picture, output).data == _by_libvips(picture, output)
    assert not written
    assert engine.encode(picture, Webp()).data == _by_libvips(picture, Webp())
    assert written == [picture]


def test_what_has_to_be_flattened_first_is(written: list[Picture]) -> None:
    clear, solid = _picture(60, 40, clear=True), _picture(60, 40, clear=False)
    assert engine.encode(clear, Webp(background=RED)).data == _by_libvips(
        clear, Webp(background=RED)
    )
    assert not written
    assert engine.encode(solid, Webp(background=RED)).data == engine.encode(solid, Webp()).data
    assert written == [solid, solid]


def test_grey_and_moving_pictures_are_written_by_libvips(written: list[Picture]) -> None:
    grey = Picture(Canvas(width=30, height=20, bands=1), bytes(600))
    moving = Picture(Canvas(width=30, height=40, bands=3, frames=2), bytes(3600))
    for picture in (grey, moving):
        assert engine.encode(picture, Webp()).data
    assert not written


def test_a_picture_that_is_large_is_written_by_who_holds_it_once(written: list[Picture]) -> None:
    side = 16_000
    large = Picture(Canvas(width=side, height=LARGEST // side + 1, bands=3), b"")
    assert not can_write(settle(Webp()), large)
    assert not written


def test_a_side_that_webp_cannot_have_is_too_large(written: list[Picture]) -> None:
    long = Picture(Canvas(width=16_384, height=1, bands=3), bytes(3 * 16_384))
    with pytest.raises(ImageTooLarge):
        engine.encode(long, Webp())
    assert not written
