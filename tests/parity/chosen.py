"""The chosen cases: every option with every kind of value, every input, every odd corner."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from tests.parity.case import Case
from tests.parity.inputs import DRAWN, MOVING, REAL

FITS = ("cover", "contain", "fill", "inside", "outside")
KERNELS = ("nearest", "linear", "cubic", "mitchell", "lanczos2", "lanczos3", "mks2013", "mks2021")
ANCHORS = ("centre", "center", "top", "north", "right", "east", "bottom", "south", "left", "west")
CORNERS = ("right top", "northeast", "right bottom", "southeast")
OTHER_CORNERS = ("left bottom", "southwest", "left top", "northwest")
NUMBERS = (0, 1, 2, 3, 4, 5, 6, 7, 8)
STRATEGIES = ("entropy", "attention", 16, 17)
COLOURS: Sequence[Any] = (
    "white",
    "RebeccaPurple",
    "transparent",
    "#f60",
    "#f608",
    "#FF6600",
    "#ff660080",
    "rgb(255, 102, 0)",
    "rgb(10% 20% 30%)",
    "rgba(1, 2, 3, 0.5)",
    "rgb(10.4, 20.5, 30.6)",
    "hsl(200, 50%, 40%)",
    "hsla(-160deg, 50%, 40%, 0.25)",
    "hwb(90 10% 20%)",
    {"r": 12, "g": 200, "b": 99},
    {"r": 12, "g": 200, "b": 99, "alpha": 0.3},
    {"h": 120, "s": 40, "v": 60},
    {"h": 20, "s": 40, "l": 60, "alpha": 0.7},
    {"c": 20, "m": 40, "y": 60, "k": 10},
    [9, 8, 7],
    [9, 8, 7, 0.6],
)

_BOOLEANS = {
    "jpeg": "progressive optimiseCoding optimizeCoding mozjpeg trellisQuantisation "
    "trellisQuantization overshootDeringing optimiseScans optimizeScans",
    "png": "progressive adaptiveFiltering palette",
    "webp": "lossless nearLossless smartSubsample smartDeblock minSize mixed exact",
    "avif": "lossless",
    "gif": "reuse progressive keepDuplicateFrames",
}
_VALUES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "jpeg": {
        "quality": (1, 30, 80.0, 90, 100),
        "chromaSubsampling": ("4:2:0", "4:4:4"),
        "quantisationTable": tuple(range(9)),
        "quantizationTable": (3,),
        "background": ("red", "#00ff0080"),
    },
    "png": {
        "compressionLevel": (0, 1, 6, 9),
        "quality": (0, 50, 100),
        "effort": (1, 10),
        "colours": (2, 3, 4, 5, 16, 17, 256),
        "colors": (8,),
        "dither": (0, 0.5, 1),
        "background": ("red",),
    },
    "webp": {
        "quality": (1, 50, 100),
        "alphaQuality": (0, 50),
        "preset": ("default", "photo", "picture", "drawing", "icon", "text"),
        "effort": tuple(range(7)),
        "background": ("red",),
    },
    "avif": {
        "quality": (1, 60, 100),
        "effort": (0, 1, 2, 3, 5),
        "chromaSubsampling": ("4:4:4", "4:2:0"),
        "bitdepth": (8, 10, 12),
        "tune": ("auto", "iq", "psnr", "ssim"),
    },
    "gif": {
        "colours": (2, 4, 16, 256),
        "colors": (5,),
        "effort": (1, 10),
        "dither": (0, 0.5),
        "interFrameMaxError": (0, 8.5, 32),
        "interPaletteMaxError": (0, 64, 256),
    },
}
_TOGETHER: Sequence[tuple[str, Mapping[str, Any]]] = (
    ("jpeg", {"mozjpeg": True, "progressive": False}),
    ("jpeg", {"mozjpeg": True, "trellisQuantisation": False}),
    ("jpeg", {"mozjpeg": True, "quantisationTable": 0, "quality": 60}),
    ("jpeg", {"mozjpeg": True, "optimiseScans": False}),
    ("jpeg", {"mozjpeg": True, "overshootDeringing": False, "chromaSubsampling": "4:4:4"}),
    ("jpeg", {"optimiseScans": True, "progressive": False}),
    ("png", {"palette": True, "quality": 60, "effort": 3, "dither": 0.2}),
    ("png", {"palette": True, "colours": 16, "progressive": True}),
    ("png", {"palette": False, "quality": 60}),
    ("png", {"palette": False, "colours": 16}),
    ("png", {"adaptiveFiltering": True, "compressionLevel": 9, "progressive": True}),
    ("webp", {"nearLossless": True, "quality": 50}),
    ("webp", {"nearLossless": True, "lossless": True, "quality": 20}),
    ("webp", {"lossless": True, "effort": 6, "exact": True}),
    ("avif", {"lossless": True, "tune": "iq"}),
    ("avif", {"lossless": True, "chromaSubsampling": "4:2:0"}),
    ("avif", {"effort": 2, "quality": 52, "chromaSubsampling": "4:2:0", "bitdepth": 10}),
)


def _box(width: int | None, height: int | None, **more: Any) -> dict[str, Any]:
    sides = {"width": width, "height": height}
    return {name: side for name, side in sides.items() if side is not None} | more


def _fits() -> Iterator[Case]:
    sizes = [(100, 100), (61, None), (None, 71), (333, 59), (49, 200), (480, 400), (1, 1)]
    for fit, (width, height) in product(FITS, sizes):
        yield Case("jpeg", resize=_box(width, height, fit=fit))
    for fit, (width, height) in product(FITS, [(90, 91), (300, None), (301, 119)]):
        yield Case("png-alpha", resize=_box(width, height, fit=fit))
        yield Case("jpeg-turned-6", resize=_box(width, height, fit=fit))
    yield Case("jpeg")
    yield Case("jpeg-odd", resize={"kernel": "cubic"})


def _roundings() -> Iterator[Case]:
    """Halves and floors differ by decoder."""
    for name, width in product(("jpeg-odd", "jpeg-large", "jpeg-thin", "jpeg-tall"), (10, 47, 111)):
        yield Case(name, resize={"width": width})
    for name, height in product(("jpeg-odd", "webp-large", "webp", "png", "avif"), (9, 50, 99)):
        yield Case(name, resize={"height": height})
    for width in (800, 801, 400, 401, 200, 201, 533):  # exactly, nearly a half, a quarter...
        yield Case("jpeg-large", resize={"width": width})
        yield Case("webp-large", resize={"width": width})
    yield Case("png-dot", resize={"width": 9, "height": 4})
    yield Case("png-tiny", resize={"width": 2})
    yield Case("jpeg-thin", resize={"width": 20, "height": 20, "fit": "contain"})


def _positions() -> Iterator[Case]:
    for position in (*ANCHORS, *CORNERS, *OTHER_CORNERS, *NUMBERS):
        yield Case("jpeg", resize=_box(81, 120, position=position))
        yield Case("png", resize=_box(151, 60, position=position, fit="contain"))
    for position, name in product(STRATEGIES, ("jpeg", "png-alpha", "jpeg-turned-8", "webp")):
        yield Case(name, resize=_box(60, 141, position=position))
    for position in ("entropy", "attention"):
        yield Case("jpeg", resize=_box(120, 80, position=position))  # fits already
        yield Case("jpeg", resize=_box(60, 90, position=position, fit="contain"))


def _kernels() -> Iterator[Case]:
    for kernel, width in product(KERNELS, (97, 331)):
        yield Case("png", resize={"width": width, "kernel": kernel})
        yield Case("jpeg-large", resize={"width": width, "kernel": kernel})


def _flags() -> Iterator[Case]:
    for fit, size in product(FITS, [(90, 90), (500, 400), (300, 100), (None, 400)]):
        yield Case("jpeg", resize=_box(*size, fit=fit, withoutEnlargement=True))
        if fit != "contain":  # a larger picture keeps its place with us; sharp loses it
            yield Case("jpeg", resize=_box(*size, fit=fit, withoutReduction=True))
    yield Case("jpeg", resize=_box(500, 400, withoutReduction=True, withoutEnlargement=True))
    for fast, width in product((True, False), (15, 150, 401, 700)):
        yield Case("jpeg-large", resize={"width": width, "fastShrinkOnLoad": fast})
        yield Case("webp-large", resize={"width": width, "fastShrinkOnLoad": fast})


def _backgrounds() -> Iterator[Case]:
    for colour, name in product(COLOURS, ("jpeg", "png-alpha")):
        yield Case(name, resize=_box(100, 100, fit="contain", background=colour))
    kinds = ("png-grey", "png-grey-alpha", "png16", "png16-grey-alpha", "png16-alpha")
    for name, colour in product((*kinds, "tiff-cmyk"), ("#f60", "#ff660080")):
        yield Case(name, resize=_box(50, 50, fit="contain", background=colour))
    for colour in ("#f60", "#ff660080"):
        yield Case("png-alpha", "jpeg", _box(100, 100, fit="contain", background=colour))


def _ratios() -> Iterator[Case]:
    names = ("jpeg", "jpeg-large", "png-alpha", "webp-large", "jpeg-turned-6", "png16")
    for name, (ratio, width) in product(names, [(2, 60), (1, 45), (0.5, 33), (1.6, 160)]):
        yield Case(name, resize={"width": width}, ratio=ratio)
    for position in ("top", "right bottom", "attention"):
        yield Case("jpeg-turned-8", resize={"width": 50, "position": position}, ratio=0.5)


def _paddings() -> Iterator[Case]:
    pads = [{"px": 8}, {"py": 7}, {"px": 3, "py": 5}, {"px": 0, "py": 0}]
    for pad, name in product(pads, ("jpeg", "png-alpha", "png-grey")):
        yield Case(name, resize=_box(60, 60, padding=pad, background="#0c08"))
    yield Case("jpeg", resize={"padding": {"px": 4, "py": 4}})
    yield Case("jpeg", resize=_box(80, 30, fit="contain", padding={"px": 4}, background="teal"))
    yield Case("jpeg-turned-5", resize=_box(80, 30, padding={"px": 4, "py": 1}))


def _inputs() -> Iterator[Case]:
    for name in DRAWN:
        yield Case(name, "png", _box(60, 41))
        yield Case(name, "webp", _box(50, 50, fit="contain", background="#fff8"))
        yield Case(name, "jpeg", {"height": 44})
        yield Case(name, "png")
    for name in ("png-alpha", "webp-alpha", "png16-alpha", "jpeg-grey", "tiff-cmyk", "svg"):
        yield Case(name, "avif", {"width": 48}, {"effort": 0})
        yield Case(name, "gif", {"width": 48})


def _outputs() -> Iterator[Case]:
    small = {"width": 64}
    for format_name, options in _BOOLEANS.items():
        for option, value in product(options.split(), (True, False)):
            yield Case("png-alpha", format_name, small, {option: value})
    for format_name, ranges in _VALUES.items():
        for option, values in ranges.items():
            for value in values:
                yield Case("png-alpha", format_name, small, {option: value})
    for format_name, together in _TOGETHER:
        yield Case("jpeg", format_name, small, together)
    for format_name in _VALUES:
        yield Case("jpeg", format_name, {"width": 100})


def _animations() -> Iterator[Case]:
    resizes: list[dict[str, Any]] = [
        {},
        {"width": 41},
        _box(40, 40),
        _box(40, 50, fit="contain", background="#f008"),
        _box(33, 47, fit="fill"),
        {"height": 90},
        {"width": 40, "padding": {"px": 2, "py": 3}},
    ]
    for name, format_name, resize in product(MOVING, ("gif", "webp"), resizes):
        yield Case(name, format_name, resize)
    times: list[dict[str, Any]] = [
        {"loop": 0},
        {"loop": 7},
        {"delay": 50},
        {"delay": [50]},
        {"delay": [10, 20, 30, 40]},
        {"loop": 65535, "delay": 65535},
    ]
    for name, format_name, options in product(MOVING, ("gif", "webp"), times):
        yield Case(name, format_name, {"width": 30}, options)
    for options in times:
        yield Case("png", "gif", {"width": 30}, options)
        yield Case("png", "webp", {"width": 30}, options)
    for name, format_name in product(MOVING, ("png", "jpeg", "avif")):
        yield Case(name, format_name, {"width": 30})


def _photos() -> Iterator[Case]:
    for name in REAL:
        yield Case(name, "png", _box(120, 90))
        yield Case(name, "webp", {"width": 101})
        yield Case(name, "jpeg", _box(90, 120, fit="contain", background="#369"))
    for name in REAL[::3]:
        yield Case(name, "avif", {"width": 64}, {"effort": 1})


def chosen() -> list[Case]:
    """All of them, each once."""
    groups = (_fits, _roundings, _positions, _kernels, _flags, _backgrounds, _ratios, _paddings)
    groups += (_inputs, _outputs, _animations, _photos)
    return list({str(case): case for group in groups for case in group()}.values())
