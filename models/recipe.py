"""Recipe: everything asked of one variant, as a frozen value."""

import hashlib
from typing import Final, Literal

import msgspec

from models.colour import BLACK, Colour
from models.defaults import settle
from models.outputs import Avif, Gif, Ico, Jpeg, Output, Png, Webp
from models.wire import Wire

__all__ = [
    "THUMB_BIG",
    "THUMB_SMALL",
    "Avif",
    "Fit",
    "Gif",
    "Ico",
    "Jpeg",
    "Kernel",
    "Output",
    "Padding",
    "Png",
    "Position",
    "Recipe",
    "Resize",
    "Webp",
    "fingerprint",
    "thumbnails",
]

Fit = Literal["cover", "contain", "fill", "inside", "outside"]
Position = Literal[
    "centre",
    "top",
    "right",
    "bottom",
    "left",
    "right top",
    "right bottom",
    "left bottom",
    "left top",
    "entropy",
    "attention",
]
Kernel = Literal[
    "nearest", "linear", "cubic", "mitchell", "lanczos2", "lanczos3", "mks2013", "mks2021"
]


class Padding(Wire, frozen=True):
    """Pixels added outside the picture: px left and right, py top and bottom."""

    px: int = 0
    py: int = 0


class Resize(Wire, frozen=True):
    """Where the pixels go. Sizes in pixels; None means not given."""

    width: int | None = None
    height: int | None = None
    fit: Fit = "cover"
    position: Position = "centre"
    background: Colour = BLACK
    kernel: Kernel = "lanczos3"
    without_enlargement: bool = False
    without_reduction: bool = False
    fast_shrink_on_load: bool = True
    padding: Padding = Padding()


class Recipe(Wire, frozen=True):
    """One variant: cut to `ratio` (width / height) if given, resized, written as `output`."""

    resize: Resize = Resize()
    ratio: float | None = None
    output: Output = Webp()


THUMB_SMALL: Final = Recipe(resize=Resize(width=120), output=Webp(quality=30))
THUMB_BIG: Final = Recipe(resize=Resize(width=320), output=Webp(quality=30))


def thumbnails(ratio: float | None) -> tuple[Recipe, Recipe]:
    """The small and the big thumbnail of an image cut to `ratio`."""
    small, big = (msgspec.structs.replace(thumb, ratio=ratio) for thumb in (THUMB_SMALL, THUMB_BIG))
    return small, big


def settled(recipe: Recipe) -> Recipe:
    """The recipe with its output's options all spelled out."""
    return msgspec.structs.replace(recipe, output=settle(recipe.output))


def fingerprint(recipe: Recipe) -> str:
    """Hex SHA-256 of the settled recipe's canonical JSON.

    Spellings of one request share it; it changes when our defaults do, as the bytes then do.
    """
    return hashlib.sha256(msgspec.json.encode(settled(recipe), order="sorted")).hexdigest()
