"""Recipe: everything asked of one variant, as a frozen value."""

import hashlib
from typing import Final, Literal

import msgspec

from models.colour import BLACK, Colour
from models.defaults import settle as settle_output
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
    "Orientation",
    "Output",
    "Padding",
    "Png",
    "Position",
    "Recipe",
    "Resize",
    "Webp",
    "fingerprint",
    "settle",
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
Orientation = Literal[1, 2, 3, 4, 5, 6, 7, 8]
"""How a picture is turned and mirrored, in EXIF's numbers: 1 is not at all."""

LARGEST_ICON: Final = 256
_PLACED: Final = ("cover", "contain")
_FOLLOWING: Final = ("inside", "outside")
_SCALING: Final = (
    "fit",
    "kernel",
    "without_enlargement",
    "without_reduction",
    "fast_shrink_on_load",
)


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
    """One variant: turned, cut to `ratio` (width / height) if given, resized, written as `output`.

    `blur` and `sharpen` are sigmas in pixels of the result; 0 is none.
    """

    orientation: Orientation = 1
    resize: Resize = Resize()
    ratio: float | None = None
    blur: float = 0.0
    sharpen: float = 0.0
    output: Output = Webp()


THUMB_SMALL: Final = Recipe(resize=Resize(width=120), output=Webp(quality=30))
THUMB_BIG: Final = Recipe(resize=Resize(width=320), output=Webp(quality=30))


def thumbnails(ratio: float | None) -> tuple[Recipe, Recipe]:
    """The small and the big thumbnail of an image cut to `ratio`."""
    small, big = (msgspec.structs.replace(thumb, ratio=ratio) for thumb in (THUMB_SMALL, THUMB_BIG))
    return small, big


def settle(recipe: Recipe) -> Recipe:
    """The same request with everything that shapes the bytes spelled out, and nothing else.

    Recipes that settle to the same value make the same bytes from the same original.
    """
    resize = _icon_resize(recipe) if isinstance(recipe.output, Ico) else recipe.resize
    return msgspec.structs.replace(
        recipe,
        resize=_settle_resize(resize, recipe.ratio),
        output=settle_output(recipe.output),
    )


def fingerprint(recipe: Recipe) -> str:
    """Hex SHA-256 of the settled recipe's canonical JSON.

    Spellings of one request share it; it changes when our defaults do, as the bytes then do.
    """
    canonical = msgspec.json.encode(_spelled_out(settle(recipe)), order="sorted")
    return hashlib.sha256(canonical).hexdigest()


def _spelled_out(value: object) -> object:
    """Every field of every struct: what JSON leaves out depends on identity, not equality."""
    if not isinstance(value, msgspec.Struct):
        return value
    fields = {name: _spelled_out(field) for name, field in msgspec.structs.asdict(value).items()}
    return {"format": type(value).__struct_config__.tag, **fields}


def _icon_resize(recipe: Recipe) -> Resize:
    """An icon asked for without a size needs no more pixels than its largest side."""
    asked, resize = recipe.output, recipe.resize
    if not isinstance(asked, Ico) or resize.width or resize.height:
        return resize
    side = max(asked.sizes or (LARGEST_ICON,))
    return msgspec.structs.replace(
        resize,
        width=side,
        height=side,
        fit="inside",
        without_enlargement=True,
        without_reduction=False,
    )


def _follows(resize: Resize) -> bool:
    """Whether nothing is cut off or added: at most one side is asked for, the other follows it."""
    if not (resize.width or resize.height):
        return True
    one = not (resize.width and resize.height)
    return one and resize.fit in ("cover", *_FOLLOWING) and not resize.without_reduction


def _settle_resize(resize: Resize, ratio: float | None) -> Resize:
    """Options that cannot matter beside the others go back to their defaults."""
    usual = Resize()
    changes: dict[str, object] = {}
    if not (resize.width or resize.height):
        for name in _SCALING:
            changes[name] = getattr(usual, name)
    elif resize.without_reduction:  # sharp lets it win alone
        changes["without_enlargement"] = False
    elif _follows(resize):
        changes["fit"] = usual.fit
    fit = changes.get("fit", resize.fit)
    if ratio is None and (fit not in _PLACED or _follows(resize)):
        changes["position"] = usual.position
    if ratio is None and fit == "contain" and resize.position in ("entropy", "attention"):
        changes["position"] = usual.position
    if fit != "contain" and resize.padding == usual.padding:
        changes["background"] = usual.background
    return msgspec.structs.replace(resize, **changes)
