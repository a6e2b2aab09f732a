"""Cases drawn at random: any picture, any size, any options that go together."""

from typing import Any

from hypothesis import strategies as st

from models.colour import read_colour
from tests.parity.case import Case
from tests.parity.chosen import ANCHORS, COLOURS, CORNERS, FITS, KERNELS, NUMBERS, OTHER_CORNERS
from tests.parity.inputs import DRAWN, MOVING, REAL

FORMATS = ("jpeg", "png", "webp", "avif", "gif")
# Twelve megapixels a time would be spent on decoding; the chosen cases have them.
_REAL = tuple(name for name in REAL if not name.startswith(("22-", "23-", "51-")))
_SIDES = st.integers(1, 300)
_COLOURS = st.sampled_from(COLOURS) | st.tuples(*[st.integers(0, 255)] * 3, st.floats(0, 1)).map(
    list
)
_PLACES = st.sampled_from((*ANCHORS, *CORNERS, *OTHER_CORNERS, *NUMBERS))
_STRATEGIES = st.sampled_from(("entropy", "attention"))
_PADDINGS = st.fixed_dictionaries({}, optional={"px": st.integers(0, 40), "py": st.integers(0, 40)})
_QUALITY = st.integers(1, 100)
_COLOUR_COUNTS = st.integers(2, 256)
_DITHER = st.floats(0, 1)
_EVER = st.integers(0, 65_535)
_OPTIONS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "jpeg": {
        "quality": _QUALITY,
        "progressive": st.booleans(),
        "chromaSubsampling": st.sampled_from(("4:2:0", "4:4:4")),
        "optimiseCoding": st.booleans(),
        "mozjpeg": st.booleans(),
        "trellisQuantisation": st.booleans(),
        "overshootDeringing": st.booleans(),
        "optimiseScans": st.booleans(),
        "quantisationTable": st.integers(0, 8),
        "background": _COLOURS,
    },
    "png": {
        "progressive": st.booleans(),
        "compressionLevel": st.integers(0, 9),
        "adaptiveFiltering": st.booleans(),
        "palette": st.booleans(),
        "quality": st.integers(0, 100),
        "effort": st.integers(1, 10),
        "colours": _COLOUR_COUNTS,
        "dither": _DITHER,
        "background": _COLOURS,
    },
    "webp": {
        "quality": _QUALITY,
        "alphaQuality": st.integers(0, 100),
        "lossless": st.booleans(),
        "nearLossless": st.booleans(),
        "smartSubsample": st.booleans(),
        "smartDeblock": st.booleans(),
        "preset": st.sampled_from(("default", "photo", "picture", "drawing", "icon", "text")),
        "effort": st.integers(0, 6),
        "minSize": st.booleans(),
        "mixed": st.booleans(),
        "exact": st.booleans(),
        "loop": _EVER,
        "delay": _EVER,
    },
    "avif": {
        "quality": _QUALITY,
        "lossless": st.booleans(),
        "effort": st.integers(0, 3),
        "chromaSubsampling": st.sampled_from(("4:2:0", "4:4:4")),
        "bitdepth": st.sampled_from((8, 10, 12)),
        "tune": st.sampled_from(("auto", "iq", "psnr", "ssim")),
    },
    "gif": {
        "reuse": st.booleans(),
        "progressive": st.booleans(),
        "colours": _COLOUR_COUNTS,
        "effort": st.integers(1, 10),
        "dither": _DITHER,
        "interFrameMaxError": st.floats(0, 32),
        "interPaletteMaxError": st.floats(0, 256),
        "keepDuplicateFrames": st.booleans(),
        "loop": _EVER,
        "delay": _EVER,
    },
}


@st.composite
def resizes(draw: st.DrawFn, *, moving: bool) -> dict[str, Any]:
    """Resize options that both sides understand alike."""
    options: dict[str, st.SearchStrategy[Any]] = {
        "width": _SIDES,
        "height": _SIDES,
        "fit": st.sampled_from(FITS),
        "position": _PLACES if moving else _PLACES | _STRATEGIES,
        "background": _COLOURS,
        "kernel": st.sampled_from(KERNELS),
        "withoutEnlargement": st.booleans(),
        "withoutReduction": st.booleans(),
        "fastShrinkOnLoad": st.booleans(),
        "padding": _PADDINGS,
    }
    resize: dict[str, Any] = draw(st.fixed_dictionaries({}, optional=options))
    if resize.get("fit") == "contain":
        resize.pop("withoutReduction", None)  # the one place where we differ on purpose
    return resize


@st.composite
def cases(draw: st.DrawFn, name: str) -> Case:
    """Any print of the format `name`."""
    picture = draw(st.sampled_from((*DRAWN, *_REAL)))
    moving = picture in MOVING or picture.startswith(("66-", "67-"))
    resize = draw(resizes(moving=moving and name in {"gif", "webp"}))
    if picture in REAL and not resize.keys() & {"width", "height"}:
        resize["width"] = draw(_SIDES)
    options = draw(st.fixed_dictionaries({}, optional=_OPTIONS[name]))
    if name != "jpeg" and read_colour(resize.get("background", "black")).alpha < 255:
        options.pop("background", None)  # sharp flattens the picture, we what is around it as well
    return Case(picture, name, resize, options)
