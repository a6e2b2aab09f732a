"""What becomes of a photo: it keeps its format where browsers show it, and its pixels.

HEIC and TIFF become JPEG, a drawing (SVG, which could carry a script) becomes PNG. A photo that
lies on its side is decoded, turned and written again; every other one is only freed of metadata.
"""

from typing import Final

from models.outputs import Avif, Gif, Jpeg, Output, Png, Webp
from models.recipe import Recipe, settle
from pipeline.prints import InputFormat, Probe

_SHOWN_AS: Final[dict[InputFormat, InputFormat]] = {"heic": "jpeg", "tiff": "jpeg", "svg": "png"}
_OUTPUTS: Final[dict[str, Output]] = {
    "jpeg": Jpeg(),
    "png": Png(),
    "webp": Webp(lossless=True),
    "gif": Gif(),
    "avif": Avif(),
}


def shown_as(format_name: InputFormat) -> InputFormat:
    """The format in which a photo of this one is kept."""
    return _SHOWN_AS.get(format_name, format_name)


def is_written_again(format_name: InputFormat, orientation: int) -> bool:
    """Whether its pixels have to be decoded and encoded."""
    return orientation != 1 or shown_as(format_name) != format_name


def stand_in(probe: Probe) -> Recipe:
    """A recipe that takes at least as much time and memory as keeping this photo."""
    output = _OUTPUTS[shown_as(probe.format)]
    if isinstance(output, Avif) and not is_written_again(probe.format, probe.orientation):
        output = Jpeg()  # it is decoded to see that it is whole, and not encoded
    return settle(Recipe(output=output))
