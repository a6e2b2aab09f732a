"""Forms: what a stranger wrote about sizes and formats, read with every problem named."""

import difflib
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from models.colour import read_colour
from models.errors import InvalidFields, Problem
from models.outputs import Avif, Gif, Ico, Jpeg, Output, Png, Webp
from models.readers import (
    Malformed,
    is_array,
    is_whole,
    number,
    one_of,
    several,
    shown,
    truth,
    whole,
)
from models.recipe import Padding, Position, Recipe, Resize

MOST_ENTRIES: Final = 100
_LONGEST_SIDE: Final = 100_000_000  # sharp's; the studio refuses far smaller pictures than that
_MOST_FRAMES: Final = 1_000_000

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


def _words(*names: str) -> dict[str, str]:
    return {name: name for name in names}


def _read_position(value: object) -> Position:
    if is_whole(value) and int(value) in _POSITIONS:
        return _POSITIONS[int(value)][0]
    if isinstance(value, str) and value in _POSITION_NAMES:
        return _POSITION_NAMES[value]
    names = ", ".join(_POSITION_NAMES)
    raise Malformed(f"must be one of: {names}, or 0 to 8, 16 or 17, not {shown(value)}")


def _read_bitdepth(value: object) -> int:
    if is_whole(value) and int(value) in (8, 10, 12):
        return int(value)
    raise Malformed(f"must be 8, 10 or 12, not {shown(value)}")


def _read_force(value: object) -> None:
    # sharp takes `force: false` for "keep the input format"; here a request names its format.
    if not truth(value):
        raise Malformed("must be true: the output always has the format that was asked for")


def _read_sizes(value: object) -> tuple[int, ...]:
    return tuple(sorted(set(several(whole(1, 256), 32)(value))))


class Option(NamedTuple):
    """One option: the field it fills (None fills nothing) and how its value is read."""

    field: str | None
    read: Callable[[object], object]


Options = Mapping[str, Option]

_PADDING: Final[Options] = {
    "px": Option("px", whole(0, _LONGEST_SIDE)),
    "py": Option("py", whole(0, _LONGEST_SIDE)),
}
_RESIZE: Final[Options] = {
    "width": Option("width", whole(1, _LONGEST_SIDE)),
    "height": Option("height", whole(1, _LONGEST_SIDE)),
    "fit": Option("fit", one_of(_words("cover", "contain", "fill", "inside", "outside"))),
    "position": Option("position", _read_position),
    "background": Option("background", read_colour),
    "kernel": Option(
        "kernel",
        one_of(
            _words(
                "nearest",
                "linear",
                "cubic",
                "mitchell",
                "lanczos2",
                "lanczos3",
                "mks2013",
                "mks2021",
            )
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
_CHROMA: Final = Option("chroma_subsampling", one_of(_words("4:2:0", "4:4:4")))
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
    "preset": Option(
        "preset", one_of(_words("default", "photo", "picture", "drawing", "icon", "text"))
    ),
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
    "tune": Option("tune", one_of(_words("auto", "iq", "psnr", "ssim"))),
    "compression": Option(None, one_of(_words("av1"))),
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

_FORMATS: Final[Mapping[str, tuple[type[Output], Options]]] = {
    "jpeg": (Jpeg, _JPEG),
    "png": (Png, _PNG),
    "webp": (Webp, _WEBP),
    "avif": (Avif, _AVIF),
    "gif": (Gif, _GIF),
    "ico": (Ico, _ICO),
}
_ALIASES: Final = {"jpg": "jpeg", "jpe": "jpeg"}


def read_resize_options(value: object) -> list[Resize]:
    """An array of resize options or a single one; nothing means the original's size."""
    problems: list[Problem] = []
    resizes = _resizes(value, problems)
    _refuse(problems)
    return resizes


def read_format_options(value: object) -> list[Output]:
    """An array of `{format, options}` or a single one; nothing means WebP."""
    problems: list[Problem] = []
    outputs = _outputs(value, problems)
    _refuse(problems)
    return outputs


def read_ratio(text: str | None) -> float | None:
    """Width / height as text; absent or empty means the original's."""
    problems: list[Problem] = []
    ratio = _ratio(text, problems)
    _refuse(problems)
    return ratio


def read_recipes(
    resize_options: object, format_options: object, ratio: str | None
) -> list[list[Recipe]]:
    """The recipes of each resize option, one per format; problems of all three fields together."""
    problems: list[Problem] = []
    resizes = _resizes(resize_options, problems)
    outputs = _outputs(format_options, problems)
    cut = _ratio(ratio, problems)
    _refuse(problems)
    return [
        [Recipe(resize=resize, ratio=cut, output=output) for output in outputs]
        for resize in resizes
    ]


def _refuse(problems: list[Problem]) -> None:
    if problems:
        raise InvalidFields(problems)


def _resizes(value: object, problems: list[Problem]) -> list[Resize]:
    entries = _entries("resizeOptions", value, problems)
    return [_resize(path, entry, problems) for path, entry in entries] or [Resize()]


def _outputs(value: object, problems: list[Problem]) -> list[Output]:
    entries = _entries("formatOptions", value, problems)
    outputs = [_output(path, entry, problems) for path, entry in entries]
    formats: set[type[Output]] = set()
    for (path, _), output in zip(entries, outputs, strict=True):
        if type(output) in formats:
            problems.append(Problem(field=f"{path}.format", problem="is asked for twice"))
        if output is not None:
            formats.add(type(output))
    return [output for output in outputs if output is not None] or [Webp()]


def _ratio(text: str | None, problems: list[Problem]) -> float | None:
    if text is None or not text.strip():
        return None
    try:
        ratio = float(text)
    except ValueError:
        ratio = math.nan
    if 0 < ratio < math.inf:
        return ratio
    problem = f"must be a positive number such as 1.777, not {shown(text)}"
    problems.append(Problem(field="ratio", problem=problem))
    return None


def _entries(
    field: str, value: object, problems: list[Problem]
) -> list[tuple[str, Mapping[object, object]]]:
    """The objects of an array, or the one object, each with its path."""
    if value is None:
        return []
    listed = (
        [(f"{field}[{i}]", entry) for i, entry in enumerate(value)]
        if is_array(value)
        else [(field, value)]
    )
    if len(listed) > MOST_ENTRIES:
        problem = f"must have at most {MOST_ENTRIES} entries, not {len(listed)}"
        problems.append(Problem(field=field, problem=problem))
        return []
    entries = []
    for path, entry in listed:
        if isinstance(entry, Mapping):
            entries.append((path, entry))
        else:
            problems.append(Problem(field=path, problem=f"must be an object, not {shown(entry)}"))
    return entries


def _resize(path: str, entry: Mapping[object, object], problems: list[Problem]) -> Resize:
    padding = entry.get("padding")
    fields = _fields(path, entry, _RESIZE, problems, also=("padding",))
    if isinstance(padding, Mapping):
        fields["padding"] = Padding(**_fields(f"{path}.padding", padding, _PADDING, problems))
    elif padding is not None:
        problem = f"must be an object with px and py, not {shown(padding)}"
        problems.append(Problem(field=f"{path}.padding", problem=problem))
    return Resize(**fields)


def _output(path: str, entry: Mapping[object, object], problems: list[Problem]) -> Output | None:
    _check_names(path, entry, ("format", "options"), problems)
    name = entry.get("format")
    key = name.lower() if isinstance(name, str) else ""
    known = _FORMATS.get(_ALIASES.get(key, key))
    if known is None:
        said = (
            "is required"
            if name is None
            else f"must be one of: {', '.join(_FORMATS)}, not {shown(name)}"
        )
        problems.append(Problem(field=f"{path}.format", problem=said))
        return None
    kind, options = known
    given = entry.get("options")
    if not isinstance(given, Mapping | None):
        problem = f"must be an object, not {shown(given)}"
        problems.append(Problem(field=f"{path}.options", problem=problem))
        return kind()
    return kind(**_fields(f"{path}.options", given or {}, options, problems))


def _fields(
    path: str,
    entry: Mapping[object, object],
    options: Options,
    problems: list[Problem],
    also: tuple[str, ...] = (),
) -> dict[str, Any]:
    """The clean values of an entry by field name; null means not given."""
    _check_names(path, entry, (*options, *also), problems)
    fields: dict[str, Any] = {}
    for name, option in options.items():
        value = entry.get(name)
        if value is None:
            continue
        try:
            read = option.read(value)
        except Malformed as malformed:
            problems.append(Problem(field=f"{path}.{name}", problem=str(malformed)))
            continue
        if option.field is None:
            continue
        if option.field in fields and fields[option.field] != read:
            problems.append(
                Problem(field=f"{path}.{name}", problem="contradicts its other spelling")
            )
        fields[option.field] = read
    return fields


def _check_names(
    path: str, entry: Mapping[object, object], known: tuple[str, ...], problems: list[Problem]
) -> None:
    for name in entry:
        if name in known:
            continue
        nearest = difflib.get_close_matches(str(name)[:60], known, n=1)
        hint = f"; did you mean '{nearest[0]}'?" if nearest else ""
        problems.append(
            Problem(field=f"{path}.{str(name)[:60]}", problem=f"is not a known option{hint}")
        )
