"""What is measured: real photos when they lie beside the checkout, drawn ones otherwise."""

from pathlib import Path
from typing import Final

import pyvips

PHOTOS: Final = Path(__file__).parents[2] / "shared" / "photos"
# Portrait, food, bird, landscape, phone picture, low light, screenshots, a Kodak classic, a city.
VARIED: Final = ("14-*", "17-*", "18-*", "19-*", "23-*", "28-*", "31-*", "61-*", "59-*", "63-*")
WIDTHS: Final = (400, 800, 1200)


def varied(folder: Path) -> list[Path]:
    """One file per subject, the real ones if there are any."""
    found = [path for pattern in VARIED for path in sorted(PHOTOS.glob(pattern))]
    return found or [draw_photo(folder / f"drawn-{seed}.jpg", seed) for seed in range(3)]


def twelve_megapixels(folder: Path) -> Path:
    """A 12 MP JPEG as a phone makes it."""
    found = sorted(PHOTOS.glob("23-*"))
    return found[0] if found else draw_photo(folder / "drawn.jpg", 1)


def draw_photo(target: Path, seed: int) -> Path:
    """A 12 MP JPEG with large shapes, texture and grain, so that encoders have work to do."""
    width, height = 4032, 3024
    layers = [
        pyvips.Image.perlin(width, height, cell_size=cell, seed=seed + cell) * weight
        for cell, weight in ((1024, 90), (256, 40), (64, 20), (16, 10))
    ]
    grain = pyvips.Image.gaussnoise(width, height, sigma=4, seed=seed)
    light = pyvips.Image.sum([*layers, grain])
    colours = light.bandjoin([light.rot180(), light.fliphor()]) * 0.6 + 128
    colours.cast("uchar").copy(interpretation="srgb").jpegsave(str(target), Q=93)
    return target


def references(folder: Path) -> list[Path]:
    """The subjects at the widths websites ask for, lossless: what encodings are compared with."""
    made = []
    for source in varied(folder):
        for width in WIDTHS:
            small = pyvips.Image.thumbnail(
                str(source), width, height=10_000, size="down", export_profile="srgb"
            )
            if small.width == width:
                made.append(folder / f"{source.stem}-{width}.png")
                opaque = small.flatten(background=255) if small.hasalpha() else small
                opaque.pngsave(str(made[-1]), keep="none", compression=1)
    return made
