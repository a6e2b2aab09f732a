"""Every option a request may name: the field it fills, and the values that are valid for it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from models.colour import read_colour
from models.outputs import Avif, Gif, Ico, Jpeg, Output, Png, Webp
from models.readers import Malformed, is_whole, number, one_of, several, shown, truth, whole
from models.recipe import LARGEST_ICON, Position

_LONGEST_SIDE: Final = 100_000_000  # sharp's; the studio refuses far smaller pictures than that
_MOST_FRAMES: Final = 1_000_000
_MOST_SIDES: Final = 32
_BITDEPTHS: Final = (8, 10, 12)

_POSITIONS: Final[Mapping[int, tuple[Position, tuple[str, ...]]]] = {
    0: ("centre", ("centre", "center")),
    1: ("top", ("top", "north")),
    2: ("right", ("right", "east")),
    3: ("bottom", ("bottom", "south")),
    4: ("left", ("left", "west")),
    5: ("right top", ("right top", "northeast")),
    6: ("right bottom", ("right bottom", "southeast")),
    7: ("left bottom", ("left bottom", "southwest")),
    8: ("left top", ("left top", "northwest")),
    16: ("entropy", ("entropy",)),
    17: ("attention", ("attention",)),
}
_POSITION_NAMES: Final = {
    name: position for position, names in _POSITIONS.values() for name in names
}


def _read_position(value: object) -> Position:
    if is_whole(value) and int(value) in _POSITIONS:
        return _POSITIONS[int(value)][0]
    if isinstance(value, str) and value in _POSITION_NAMES:
        return _POSITION_NAMES[value]
    names = ", ".join(_POSITION_NAMES)
    raise Malformed(f"must be one of: {names}, or 0 to 8, 16 or 17, not {shown(value)}")


def _read_bitdepth(value: object) -> int:
    if is_whole(value) and int(value) in _BITDEPTHS:
        return int(value)
    raise Malformed(f"must be 8, 10 or 12, not {shown(value)}")


def _read_force(value: object) -> None:
    # sharp takes `force: false` for "keep the input format"; here a request names its format.
    if not truth(value):
        raise Malformed("must be true: the output always has the format that was asked for")


def _read_sizes(value: object) -> tuple[int, ...]:
    return tuple(sorted(set(several(whole(1, LARGEST_ICON), _MOST_SIDES)(value))))


class Option(NamedTuple):
    """One option: the field it fills (None fills nothing) and how its value is read."""

    field: str | None
    read: Callable[[object], object]


Options = Mapping[str, Option]

PADDING: Final[Options] = {
    "px": Option("px", whole(0, _LONGEST_SIDE)),
    "py": Option("py", whole(0, _LONGEST_SIDE)),
}
RESIZE: Final[Options] = {
    "width": Option("width", whole(1, _LONGEST_SIDE)),
    "height": Option("height", whole(1, _LONGEST_SIDE)),
    "fit": Option("fit", one_of("cover", "contain", "fill", "inside", "outside")),
    "position": Option("position", _read_position),
    "background": Option("background", read_colour),
    "kernel": Option(
        "kernel",
        one_of(
            "nearest", "linear", "cubic", "mitchell", "lanczos2", "lanczos3", "mks2013", "mks2021"
        ),
    ),
    "withoutEnlargement": Option("without_enlargement", truth),
    "withoutReduction": Option("without_reduction", truth),
    "fastShrinkOnLoad": Option("fast_shrink_on_load", truth),
}
_COMMON: Final[Options] = {
    "background": Option("background", read_colour),
    "force": Option(None, _read_force),
}
_CHROMA: Final = Option("chroma_subsampling", one_of("4:2:0", "4:4:4"))
_COLOURS: Final = Option("colours", whole(2, 256))
_DITHER: Final = Option("dither", number(0, 1))
_QUALITY: Final = Option("quality", whole(1, 100))
_PROGRESSIVE: Final = Option("progressive", truth)
_ANIMATION: Final[Options] = {
    "loop": Option("loop", whole(0, 65535)),
    "delay": Option("delay", several(whole(0, 65535), _MOST_FRAMES)),
}

_JPEG: Final[Options] = {
    **_COMMON,
    "quality": _QUALITY,
    "progressive": _PROGRESSIVE,
    "chromaSubsampling": _CHROMA,
    "optimiseCoding": Option("optimise_coding", truth),
    "optimizeCoding": Option("optimise_coding", truth),
    "mozjpeg": Option("mozjpeg", truth),
    "trellisQuantisation": Option("trellis_quantisation", truth),
    "trellisQuantization": Option("trellis_quantisation", truth),
    "overshootDeringing": Option("overshoot_deringing", truth),
    "optimiseScans": Option("optimise_scans", truth),
    "optimizeScans": Option("optimise_scans", truth),
    "quantisationTable": Option("quantisation_table", whole(0, 8)),
    "quantizationTable": Option("quantisation_table", whole(0, 8)),
}
_PNG: Final[Options] = {
    **_COMMON,
    "progressive": _PROGRESSIVE,
    "compressionLevel": Option("compression_level", whole(0, 9)),
    "adaptiveFiltering": Option("adaptive_filtering", truth),
    "palette": Option("palette", truth),
    "quality": Option("quality", whole(0, 100)),
    "effort": Option("effort", whole(1, 10)),
    "colours": _COLOURS,
    "colors": _COLOURS,
    "dither": _DITHER,
}
_WEBP: Final[Options] = {
    **_COMMON,
    "quality": _QUALITY,
    "alphaQuality": Option("alpha_quality", whole(0, 100)),
    "lossless": Option("lossless", truth),
    "nearLossless": Option("near_lossless", truth),
    "smartSubsample": Option("smart_subsample", truth),
    "smartDeblock": Option("smart_deblock", truth),
    "preset": Option("preset", one_of("default", "photo", "picture", "drawing", "icon", "text")),
    "effort": Option("effort", whole(0, 6)),
    "minSize": Option("min_size", truth),
    "mixed": Option("mixed", truth),
    "exact": Option("exact", truth),
    **_ANIMATION,
}
_AVIF: Final[Options] = {
    **_COMMON,
    "quality": _QUALITY,
    "lossless": Option("lossless", truth),
    "effort": Option("effort", whole(0, 9)),
    "chromaSubsampling": _CHROMA,
    "bitdepth": Option("bitdepth", _read_bitdepth),
    "tune": Option("tune", one_of("auto", "iq", "psnr", "ssim")),
    "compression": Option(None, one_of("av1")),
}
_GIF: Final[Options] = {
    **_COMMON,
    "reuse": Option("reuse", truth),
    "progressive": _PROGRESSIVE,
    "colours": _COLOURS,
    "colors": _COLOURS,
    "effort": Option("effort", whole(1, 10)),
    "dither": _DITHER,
    "interFrameMaxError": Option("inter_frame_max_error", number(0, 32)),
    "interPaletteMaxError": Option("inter_palette_max_error", number(0, 256)),
    "keepDuplicateFrames": Option("keep_duplicate_frames", truth),
    **_ANIMATION,
}
_ICO: Final[Options] = {**_COMMON, "sizes": Option("sizes", _read_sizes)}

FORMATS: Final[Mapping[str, tuple[type[Output], Options]]] = {
    "jpeg": (Jpeg, _JPEG),
    "png": (Png, _PNG),
    "webp": (Webp, _WEBP),
    "avif": (Avif, _AVIF),
    "gif": (Gif, _GIF),
    "ico": (Ico, _ICO),
}
ALIASES: Final = {"jpg": "jpeg", "jpe": "jpeg"}
