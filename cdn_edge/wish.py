"""Wishes: what one request may have, and the recipe that makes it from a source."""

import string
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import quote

import msgspec

from cdn_edge.dialect import AUTO, NOTHING, Format, Wanted
from cdn_edge.grammar import write_wanted
from models.options import FORMATS
from models.outputs import Jpeg, Output
from models.recipe import Recipe, Resize
from models.wire import Wire

Reads = Literal["avif", "webp", "plain"]
"""The best that a client reads; plain is what every client does: JPEG, PNG and GIF."""

SAVING: Final = {"jpeg": 60, "webp": 60, "avif": 40}
"""Qualities for who wants to save data, and the formats that have one."""
_OPAQUE: Final = 255
_ENDINGS: Final = {"jpg": (".jpg", ".jpeg"), "jpeg": (".jpg", ".jpeg")}
_PLAIN_SIGNS: Final = frozenset(string.ascii_letters + string.digits + " ._-()")
_UNWRITTEN: Final[Format] = "webp"
"""What becomes of a source in a format that we only read."""


class Wish(Wire, frozen=True):
    """The pixels, with every size known, and how they are to be sent."""

    wanted: Wanted = Wanted()
    reads: Reads | None = None
    """What the client's Accept allows; None unless the format is to be negotiated."""
    saving: bool = False
    """Whether the client saves data, and the quality is ours to choose."""
    download: str = ""
    vary: tuple[str, ...] = ()
    """The request headers that the answer depends on."""
    hints: tuple[str, ...] = ()
    """Client hints to ask the browser for."""
    passing: bool = False
    """Whether the same address may mean something else tomorrow: a preset, or a bucket's sizes."""
    expires: int | None = None
    """When the signature ends, in Unix seconds."""

    key: str = ""
    """The name of its bytes beside the object's path; '' when that is all there is to say."""

    @property
    def bare(self) -> bool:
        """Whether the stored object is what is wanted, as it is."""
        return not self.key


def named(wish: Wish) -> Wish:
    """The wish with its key: spellings of one wish share it."""
    parts = (write_wanted(wish.wanted), wish.reads or "", "saving" if wish.saving else "")
    bare = wish.wanted == NOTHING
    return msgspec.structs.replace(wish, key="" if bare else ";".join(parts))


def disposition(name: str, extension: str) -> str:
    """The Content-Disposition of a download: a plain name, and the true one as RFC 8187 has it."""
    ends = _ENDINGS.get(extension, f".{extension}")
    full = name if name.lower().endswith(ends) else f"{name}.{extension}"
    plain = "".join(sign if sign in _PLAIN_SIGNS else "_" for sign in full)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(full, safe='')}"


class Source(NamedTuple):
    """What a wish is about: the format it is in, and what is in it."""

    format: str
    alpha: bool = False
    animated: bool = False


def needs_look(wish: Wish, source_format: str) -> bool:
    """Whether `recipe_of` must know more of the source than its format."""
    return wish.wanted.format == AUTO and source_format != "jpeg"


def recipe_of(wish: Wish, source: Source) -> Recipe | None:
    """The recipe of this wish; None when the source answers it as it is."""
    name = _format_of(wish, source)
    recipe = msgspec.structs.replace(_pixels(wish.wanted), output=_output(name, wish))
    same = name == source.format and recipe.output == FORMATS[name][0]()
    return None if same and keeps_pixels(recipe) else recipe


def keeps_pixels(recipe: Recipe) -> bool:
    """Whether nothing is asked for but a format or a quality."""
    return msgspec.structs.replace(recipe, output=_PLAIN.output) == _PLAIN


_PLAIN: Final = Recipe()


def _format_of(wish: Wish, source: Source) -> str:
    asked = wish.wanted.format
    if asked == AUTO:
        return _negotiated(wish.reads or "plain", source)
    return asked or (source.format if source.format in FORMATS else _UNWRITTEN)


def _negotiated(reads: Reads, source: Source) -> str:
    """AVIF is always still here; who reads it reads WebP, which moves."""
    if source.animated:
        return "gif" if reads == "plain" else "webp"
    if reads == "plain":
        return "png" if source.alpha else "jpeg"
    return reads


def _pixels(wanted: Wanted) -> Recipe:
    background = wanted.background or Resize().background
    resize = Resize(position=wanted.position, padding=wanted.padding, background=background)
    if wanted.width or wanted.height:
        resize = msgspec.structs.replace(
            resize,
            width=wanted.width,
            height=wanted.height,
            fit=wanted.fit,
            without_enlargement=not wanted.enlarge,
        )
    return Recipe(
        orientation=wanted.orientation,
        resize=resize,
        ratio=wanted.ratio,
        blur=wanted.blur,
        sharpen=wanted.sharpen,
    )


def _output(name: str, wish: Wish) -> Output:
    """A quality is for formats that lose something; a colour one can see through flattens none."""
    kind, background = FORMATS[name][0], wish.wanted.background
    options: dict[str, Any] = {}
    if name in SAVING and wish.wanted.quality is not None:
        options["quality"] = _quality(name, wish)
    if background and (background.alpha == _OPAQUE or kind is Jpeg):
        options["background"] = background
    return kind(**options)


def _quality(name: str, wish: Wish) -> int | None:
    if wish.wanted.quality == AUTO:
        return SAVING[name] if wish.saving else None
    return wish.wanted.quality
