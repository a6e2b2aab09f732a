"""What is made when nobody says how."""

from pathlib import Path

from PIL import Image, ImageDraw

from models.recipe import Avif, Png, Recipe
from pipeline import engine
from tests import pictures


def lettering() -> Image.Image:
    """Thin red, blue and green lines of text on white."""
    picture = Image.new("RGB", (240, 160), "white")
    draw = ImageDraw.Draw(picture)
    for line, colour in enumerate(("#d00000", "#0000d0", "#008000", "#c000c0") * 3):
        draw.text((4, 4 + 12 * line), "Thin coloured lettering on white", fill=colour)
    return picture


def drawn(folder: Path, picture: Image.Image) -> engine.Picture:
    picture.save(folder / "drawn.png")
    return engine.develop(folder / "drawn.png", Recipe())


def test_coloured_lettering_keeps_its_colours_in_avif(tmp_path: Path) -> None:
    picture = drawn(tmp_path, lettering())
    full = engine.encode(picture, Avif(chroma_subsampling="4:4:4"))
    assert engine.encode(picture, Avif()) == full


def test_soft_colours_are_halved_in_avif(tmp_path: Path) -> None:
    soft = Image.effect_noise((240, 160), 60).convert("RGB")
    picture = drawn(tmp_path, Image.blend(soft, Image.new("RGB", soft.size, "teal"), 0.5))
    halved = engine.encode(picture, Avif(chroma_subsampling="4:2:0"))
    assert engine.encode(picture, Avif()) == halved


def test_chroma_that_is_named_is_honoured(tmp_path: Path) -> None:
    picture = drawn(tmp_path, lettering())
    named = engine.encode(picture, Avif(chroma_subsampling="4:2:0"))
    assert named != engine.encode(picture, Avif())


def test_fine_quality_in_avif_has_full_chroma(tmp_path: Path) -> None:
    picture = drawn(tmp_path, Image.effect_noise((64, 64), 60).convert("RGB"))
    full = engine.encode(picture, Avif(quality=90, chroma_subsampling="4:4:4"))
    assert engine.encode(picture, Avif(quality=90)) == full


def test_a_palette_is_written_without_adaptive_filters(tmp_path: Path) -> None:
    picture = drawn(tmp_path, pictures.scene())
    plain = engine.encode(picture, Png(palette=True, adaptive_filtering=False))
    assert engine.encode(picture, Png(palette=True)) == plain


def test_a_pixel_can_be_an_avif(tmp_path: Path) -> None:
    picture = drawn(tmp_path, Image.new("RGB", (1, 1), "red"))
    assert engine.encode(picture, Avif()).width == 1
