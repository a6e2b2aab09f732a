"""Turned, mirrored, blurred, sharpened: what the engine does beyond sizes and formats."""

import io
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageFilter, ImageOps, ImageStat

from models.recipe import Orientation, Png, Recipe, Resize, Webp, fingerprint
from pipeline import engine
from pipeline.engine_develop import decode, place
from pipeline.engine_expose import expose
from pipeline.engine_load import open_original
from pipeline.extent import extent
from tests import pictures

TRANSPOSED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@pytest.fixture(autouse=True, scope="module")
def _prepared() -> None:
    engine.prepare()


def made(folder: Path, data: bytes, recipe: Recipe) -> Image.Image:
    path = folder / "upload.bin"
    path.write_bytes(data)
    picture = Image.open(io.BytesIO(next(engine.render(path, [recipe])).data))
    picture.load()
    return picture


def apart(left: Image.Image, right: Image.Image) -> float:
    """The mean difference of two pictures, in levels."""
    difference = ImageChops.difference(left.convert("RGB"), right.convert("RGB"))
    return sum(ImageStat.Stat(difference).mean) / 3


@pytest.mark.parametrize("exif", [1, 2, 6])
@pytest.mark.parametrize("orientation", TRANSPOSED)
def test_a_picture_is_upright_before_it_is_turned(
    orientation: Orientation, exif: int, tmp_path: Path
) -> None:
    data = pictures.jpeg(48, 32, orientation=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    turn = TRANSPOSED[orientation]
    expected = upright.transpose(turn) if turn is not None else upright
    turned = made(tmp_path, data, Recipe(orientation=orientation, output=Png()))
    assert turned.size == expected.size
    assert apart(turned, expected) < 2


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_sizes_are_those_of_the_turned_picture(orientation: Orientation, tmp_path: Path) -> None:
    recipe = Recipe(orientation=orientation, resize=Resize(width=24), output=Png())
    turned = made(tmp_path, pictures.png(120, 80), recipe)
    assert turned.size == ((24, 36) if orientation in (6, 8) else (24, 16))
    header = engine.probe(tmp_path / "upload.bin")
    assert tuple(extent(header, recipe).final) == turned.size


def test_an_animation_is_turned_and_blurred_frame_by_frame(tmp_path: Path) -> None:
    recipe = Recipe(orientation=6, blur=4.0, resize=Resize(width=30), output=Webp(lossless=True))
    film = made(tmp_path, pictures.animated_webp(), recipe)
    assert (film.size, getattr(film, "n_frames", 1)) == ((30, 40), 4)
    alone = made(tmp_path, pictures.webp(80, 60), Recipe(blur=4.0, output=Png()))
    assert alone.size == (80, 60)


def test_a_blur_is_a_gaussian(tmp_path: Path) -> None:
    data = pictures.png(96, 64)
    blurred = made(tmp_path, data, Recipe(blur=3.0, output=Png()))
    expected = Image.open(io.BytesIO(data)).filter(ImageFilter.GaussianBlur(3))
    assert apart(blurred, expected) < 4
    assert apart(blurred, Image.open(io.BytesIO(data))) > apart(blurred, expected) * 2


def test_sharpening_makes_edges_steeper_and_leaves_flat_colour(tmp_path: Path) -> None:
    data = pictures.png(96, 64)
    sharp = made(tmp_path, data, Recipe(sharpen=2.0, output=Png()))
    edges = [
        sum(ImageStat.Stat(picture.convert("L").filter(ImageFilter.FIND_EDGES)).mean)
        for picture in (Image.open(io.BytesIO(data)), sharp)
    ]
    assert edges[1] > edges[0] * 1.05


def test_what_cannot_be_seen_through_a_hole_does_not_bleed_out_of_it(tmp_path: Path) -> None:
    """Transparent red beside opaque blue: without premultiplying, the edge would turn violet."""
    picture = Image.new("RGBA", (64, 64), (0, 0, 255, 255))
    picture.paste((255, 0, 0, 0), (0, 0, 32, 64))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    blurred = made(tmp_path, buffer.getvalue(), Recipe(blur=5.0, output=Png())).convert("RGBA")
    assert max(pixel[0] for pixel in blurred.get_flattened_data() if pixel[3] > 32) < 16
    assert len(set(blurred.getchannel("A").get_flattened_data())) > 8


@pytest.mark.parametrize("side", [{"width": 37}, {"height": 23}, {"width": 500}])
@pytest.mark.parametrize("kept", [True, False])
def test_with_one_side_asked_for_every_fit_that_keeps_the_ratio_is_the_same(
    side: dict[str, int], kept: bool, tmp_path: Path
) -> None:
    """They share a fingerprint, so they must share their pixels, whatever settling leaves out."""
    data = pictures.jpeg(101, 67, orientation=6)
    (tmp_path / "upload.bin").write_bytes(data)
    recipes = [
        Recipe(
            resize=Resize(**side, fit=fit, position=position, without_enlargement=kept),
            output=Png(),
        )
        for fit in ("cover", "inside", "outside")
        for position in ("centre", "top", "attention")
    ]
    assert len({fingerprint(recipe) for recipe in recipes}) == 1
    with_all_said = [expose(open_original(tmp_path / "upload.bin"), one) for one in recipes]
    pixels = set()
    for exposure in with_all_said:
        original = open_original(tmp_path / "upload.bin")
        picture = place(exposure, decode(original, exposure.load, shared=False))
        pixels.add((picture.canvas.width, picture.canvas.height, bytes(picture.pixels)))
    assert len(pixels) == 1
