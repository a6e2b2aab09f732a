"""The schemas of resizeOptions and formatOptions, from the tables that requests are read with."""

from collections.abc import Callable, Mapping

import msgspec

from gateway.openapi.words import Json, ref, some_of
from models import options
from models.ai_config import INSTRUCTION
from models.colour import read_colour
from models.defaults import AVIF, GIF, JPEG, PNG, WEBP
from models.entries import MOST_ENTRIES
from models.options import ALIASES, FORMATS, PADDING, RESIZE, Option
from models.outputs import Output
from models.readers import Number, OneNumberOf, OneOf, Several, Whole
from models.readers import truth as read_truth
from models.recipe import Padding, Resize

Reader = Callable[[object], object]

MEANINGS: Mapping[str, str] = {
    "adaptiveFiltering": "Try every row filter.",
    "alphaQuality": "Quality of the transparency.",
    "background": "What shows through: transparent pixels, and the area that `contain` leaves.",
    "bitdepth": "Bits of a channel.",
    "chromaSubsampling": "Whether colour has half the resolution of brightness.",
    "colors": "The same as `colours`.",
    "colours": "Most entries of the palette.",
    "compression": "AVIF is always AV1.",
    "compressionLevel": "0 is fastest and largest.",
    "delay": "Milliseconds of each frame; one value stands for all.",
    "dither": "How much to dither when colours are lost.",
    "effort": "CPU to spend on a smaller file; 0 or 1 is fastest.",
    "exact": "Keep the colours of clear pixels.",
    "fastShrinkOnLoad": "Let the decoder shrink as far as it can.",
    "fit": "How the picture meets width and height when both are given.",
    "force": "Always true here: the output has the format that was asked for.",
    "height": "Height in pixels.",
    "interFrameMaxError": "How much a pixel may change and still count as standing still.",
    "interPaletteMaxError": "How much palettes may differ and still be shared.",
    "keepDuplicateFrames": "Keep frames that show the same as the one before.",
    "kernel": "How pixels are averaged when the picture shrinks.",
    "loop": "How often the animation plays; 0 is without end.",
    "lossless": "Lose nothing.",
    "minSize": "Spend more CPU on a smaller animation.",
    "mixed": "Let each frame of an animation be lossy or lossless.",
    "mozjpeg": "Spend more CPU on a smaller file: trellis, deringing, progressive scans.",
    "nearLossless": "Lose nearly nothing.",
    "optimiseCoding": "Huffman tables of its own.",
    "optimiseScans": "Choose the best progressive scans.",
    "optimizeCoding": "The same as `optimiseCoding`.",
    "optimizeScans": "The same as `optimiseScans`.",
    "overshootDeringing": "Less ringing around black on white.",
    "padding": "Pixels added outside width and height.",
    "palette": "Write a palette instead of full colour.",
    "position": "What stays in view when `cover` cuts or `ratio` crops.",
    "preset": "What kind of picture it is.",
    "progressive": "Show a rough picture early.",
    "px": "Pixels added on the left and on the right.",
    "py": "Pixels added above and below.",
    "quality": "How much may be lost: higher is better and larger.",
    "quantisationTable": "Which quantisation table to use.",
    "quantizationTable": "The same as `quantisationTable`.",
    "reuse": "Share one palette among frames.",
    "sizes": "Sides of the icon's pictures in pixels.",
    "smartDeblock": "Filter block edges by their content.",
    "smartSubsample": "Halve colour resolution more carefully.",
    "trellisQuantisation": "Trellis quantisation.",
    "trellisQuantization": "The same as `trellisQuantisation`.",
    "tune": "What the encoder optimises for.",
    "width": "Width in pixels.",
    "withoutEnlargement": "Never scale up.",
    "withoutReduction": "Never scale down.",
}

_TABLES = (JPEG, PNG, WEBP, AVIF, GIF)


def shapes() -> dict[str, Json]:
    """Resize options, colours, and one entry of formatOptions for each format."""
    kinds = {_name(key): _format(key) for key in FORMATS}
    return {
        "Colour": _colour(),
        "ResizeOptions": _resize(),
        **kinds,
        "FormatOptions": {
            "description": "A format, and how to write it.",
            "oneOf": [ref(name) for name in kinds],
        },
        "ResizeOptionsField": _one_or_several("ResizeOptions", "Sizes: an image for each."),
        "FormatOptionsField": _one_or_several("FormatOptions", "Formats: a file for each."),
    }


def _one_or_several(name: str, description: str) -> Json:
    array = {"type": "array", "items": ref(name), "maxItems": MOST_ENTRIES}
    return {"description": description, "anyOf": [ref(name), array]}


def _name(key: str) -> str:
    return f"{key.capitalize()}Output"


def _resize() -> Json:
    usual, none = msgspec.structs.asdict(Resize()), msgspec.structs.asdict(Padding())
    fields = _fields(RESIZE, usual)
    fields["padding"] = some_of(MEANINGS["padding"], (), **_fields(PADDING, none))
    return some_of("Where the pixels go.", (), **fields)


def _format(key: str) -> Json:
    kind, table = FORMATS[key]
    names = [key, *(alias for alias, name in ALIASES.items() if name == key)]
    chosen = some_of(f"How to write {key}.", (), **_fields(table, _usual(kind)))
    spelled: Json = {"enum": names} if len(names) > 1 else {"const": key}
    spelled["description"] = "Its name."
    return some_of(f"A file in {key}.", ("format",), format=spelled, options=chosen)


def _usual(kind: type[Output]) -> Mapping[str, object]:
    """What options mean when nobody names them."""
    for table in _TABLES:
        if isinstance(table, kind):
            return msgspec.structs.asdict(table)
    return {}


def _fields(table: Mapping[str, Option], usual: Mapping[str, object]) -> dict[str, Json]:
    return {name: _field(name, option, usual) for name, option in table.items()}


def _field(name: str, option: Option, usual: Mapping[str, object]) -> Json:
    default = usual.get(option.field or "")
    schema = schema_of(option.read) | {"description": MEANINGS[name]}
    return schema | ({"default": default} if isinstance(default, int | float | str) else {})


def schema_of(reader: Reader) -> Json:
    """What a reader takes. KeyError for one that nobody described here."""
    match reader:
        case Whole(lowest, highest):
            return {"type": "integer", "minimum": lowest, "maximum": highest}
        case Number(least, most):
            return {"type": "number", "minimum": least, "maximum": most}
        case OneOf(words):
            return {"enum": list(words)}
        case OneNumberOf(numbers):
            return {"enum": list(numbers)}
        case Several(read_one, longest):
            return _several(schema_of(read_one), longest)
        case _:
            return _PLAIN[reader]


def _several(one: Json, most: int) -> Json:
    array = {"type": "array", "items": one, "minItems": 1, "maxItems": most}
    return {"anyOf": [one, array]}


def _colour() -> Json:
    spelled = {"type": "string", "minLength": 3, "maxLength": 200}
    channels = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 4}
    return {
        "description": (
            "A colour as CSS spells it (a name, `#rgb`, `#rrggbbaa`, `rgb()`, `hsl()`, `hwb()`), "
            "an object with the channels of a colour space and `alpha` from 0 to 1, "
            "or an array of red, green, blue and alpha."
        ),
        "anyOf": [spelled, {"type": "object"}, channels],
        "examples": ["#ff8800", "rgba(0, 0, 0, 0.5)", {"r": 255, "g": 136, "b": 0, "alpha": 1}],
    }


_PLAIN: Mapping[Reader, Json] = {
    read_truth: {"type": "boolean"},
    read_colour: {"$ref": "#/components/schemas/Colour"},
    options.read_force: {"const": True},
    options.read_position: {"enum": [*options.POSITION_NAMES, *options.POSITIONS]},
    options.read_sizes: schema_of(options.SIZES),
    INSTRUCTION: {"type": "string", "maxLength": INSTRUCTION.longest},
}
