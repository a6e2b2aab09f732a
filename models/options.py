"""Every option a request may name: the field it fills, and the values that are valid for it."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from models.colour import read_colour
from models.outputs import Avif, Gif, Ico, Jpeg, Output, Png, Webp
from models.readers import (
    Malformed,
    Number,
    OneNumberOf,
    OneOf,
    Several,
    Whole,
    is_whole,
    shown,
    truth,
)
from models.recipe import LARGEST_ICON, Position

_LONGEST_SIDE: Final = 100_000_000  # sharp's; the studio refuses far smaller pictures than that
_MOST_FRAMES: Final = 1_000_000
SIZES: Final = Several(Whole(1, LARGEST_ICON), 32)

POSITIONS: Final[Mapping[int, tuple[Position, tuple[str, ...]]]] = {
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
POSITION_NAMES: Final = {name: position for position, names in POSITIONS.values() for name in names}


def read_position(value: object) -> Position:
    """A place in the picture, by one of its names or sharp's number for it."""
    if is_whole(value) and int(value) in POSITIONS:
        return POSITIONS[int(value)][0]
    if isinstance(value, str) and value in POSITION_NAMES:
        return POSITION_NAMES[value]
    names = ", ".join(POSITION_NAMES)
    raise Malformed(f"must be one of: {names}, or 0 to 8, 16 or 17, not {shown(value)}")


def read_force(value: object) -> None:
    """Nothing but true, which changes nothing."""
    # sharp takes `force: false` for "keep the input format"; here a request names its format.
    if not truth(value):
        raise Malformed("must be true: the output always has the format that was asked for")


def read_sizes(value: object) -> tuple[int, ...]:
    """The sides of an icon, each once, the smallest first."""
    return tuple(sorted(set(SIZES(value))))


class Option(NamedTuple):
    """One option: the field it fills (None fills nothing) and how its value is read."""

    field: str | None
    read: Callable[[object], object]


Options = Mapping[str, Option]

PADDING: Final[Options] = {
    "px": Option("px", Whole(0, _LONGEST_SIDE)),
    "py": Option("py", Whole(0, _LONGEST_SIDE)),
}
RESIZE: Final[Options] = {
    "width": Option("width", Whole(1, _LONGEST_SIDE)),
    "height": Option("height", Whole(1, _LONGEST_SIDE)),
    "fit": Option("fit", OneOf(("cover", "contain", "fill", "inside", "outside"))),
    "position": Option("position", read_position),
    "background": Option("background", read_colour),
    "kernel": Option(
        "kernel",
        OneOf(
            ("nearest", "linear", "cubic", "mitchell", "lanczos2", "lanczos3", "mks2013", "mks2021")
        ),
    ),
    "withoutEnlargement": Option("without_enlargement", truth),
    "withoutReduction": Option("without_reduction", truth),
    "fastShrinkOnLoad": Option("fast_shrink_on_load", truth),
}
_COMMON: Final[Options] = {
    "background": Option("background", read_colour),
    "force": Option(None, read_force),
}
_CHROMA: Final = Option("chroma_subsampling", OneOf(("4:2:0", "4:4:4")))
_COLOURS: Final = Option("colours", Whole(2, 256))
_DITHER: Final = Option("dither", Number(0, 1))
_QUALITY: Final = Option("quality", Whole(1, 100))
_PROGRESSIVE: Final = Option("progressive", truth)
_ANIMATION: Final[Options] = {
    "loop": Option("loop", Whole(0, 65535)),
    "delay": Option("delay", Several(Whole(0, 65535), _MOST_FRAMES)),
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
    "quantisationTable": Option("quantisation_table", Whole(0, 8)),
    "quantizationTable": Option("quantisation_table", Whole(0, 8)),
}
_PNG: Final[Options] = {
    **_COMMON,
    "progressive": _PROGRESSIVE,
    "compressionLevel": Option("compression_level", Whole(0, 9)),
    "adaptiveFiltering": Option("adaptive_filtering", truth),
    "palette": Option("palette", truth),
    "quality": Option("quality", Whole(0, 100)),
    "effort": Option("effort", Whole(1, 10)),
    "colours": _COLOURS,
    "colors": _COLOURS,
    "dither": _DITHER,
}
_WEBP: Final[Options] = {
    **_COMMON,
    "quality": _QUALITY,
    "alphaQuality": Option("alpha_quality", Whole(0, 100)),
    "lossless": Option("lossless", truth),
    "nearLossless": Option("near_lossless", truth),
    "smartSubsample": Option("smart_subsample", truth),
    "smartDeblock": Option("smart_deblock", truth),
    "preset": Option("preset", OneOf(("default", "photo", "picture", "drawing", "icon", "text"))),
    "effort": Option("effort", Whole(0, 6)),
    "minSize": Option("min_size", truth),
    "mixed": Option("mixed", truth),
    "exact": Option("exact", truth),
    **_ANIMATION,
}
_AVIF: Final[Options] = {
    **_COMMON,
    "quality": _QUALITY,
    "lossless": Option("lossless", truth),
    "effort": Option("effort", Whole(0, 9)),
    "chromaSubsampling": _CHROMA,
    "bitdepth": Option("bitdepth", OneNumberOf((8, 10, 12))),
    "tune": Option("tune", OneOf(("auto", "iq", "psnr", "ssim"))),
    "compression": Option(None, OneOf(("av1",))),
}
_GIF: Final[Options] = {
    **_COMMON,
    "reuse": Option("reuse", truth),
    "progressive": _PROGRESSIVE,
    "colours": _COLOURS,
    "colors": _COLOURS,
    "effort": Option("effort", Whole(1, 10)),
    "dither": _DITHER,
    "interFrameMaxError": Option("inter_frame_max_error", Number(0, 32)),
    "interPaletteMaxError": Option("inter_palette_max_error", Number(0, 256)),
    "keepDuplicateFrames": Option("keep_duplicate_frames", truth),
    **_ANIMATION,
}
_ICO: Final[Options] = {**_COMMON, "sizes": Option("sizes", read_sizes)}

FORMATS: Final[Mapping[str, tuple[type[Output], Options]]] = {
    "jpeg": (Jpeg, _JPEG),
    "png": (Png, _PNG),
    "webp": (Webp, _WEBP),
    "avif": (Avif, _AVIF),
    "gif": (Gif, _GIF),
    "ico": (Ico, _ICO),
}
ALIASES: Final = {"jpg": "jpeg", "jpe": "jpeg"}
