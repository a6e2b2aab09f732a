"""A case: one print, in the words of a request, for sharp and for us."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.colour import read_colour
from models.forms import read_recipes
from models.recipe import Recipe

# What sharp does when an option is not named. Ours differ, so we are always told.
_SHARP: Mapping[str, Mapping[str, Any]] = {
    "jpeg": {
        "quality": 80,
        "progressive": False,
        "chromaSubsampling": "4:2:0",
        "optimiseCoding": True,
        "trellisQuantisation": False,
        "overshootDeringing": False,
        "optimiseScans": False,
        "quantisationTable": 0,
    },
    "png": {"progressive": False, "compressionLevel": 6, "adaptiveFiltering": False},
    "webp": {
        "quality": 80,
        "alphaQuality": 100,
        "lossless": False,
        "nearLossless": False,
        "smartSubsample": False,
        "smartDeblock": False,
        "preset": "default",
        "effort": 4,
        "minSize": False,
        "mixed": False,
        "exact": False,
    },
    "avif": {
        "quality": 50,
        "lossless": False,
        "effort": 4,
        "chromaSubsampling": "4:4:4",
        "bitdepth": 8,
        "tune": "auto",
    },
    "gif": {
        "reuse": True,
        "progressive": False,
        "colours": 256,
        "effort": 7,
        "dither": 1.0,
        "interFrameMaxError": 0,
        "interPaletteMaxError": 3,
        "keepDuplicateFrames": False,
    },
}
# What sharp's palettes do when not named; naming them would ask for a palette.
_PALETTE: Mapping[str, Any] = {"quality": 100, "effort": 7, "dither": 1.0}
_BY_MOZJPEG = ("progressive", "trellis", "overshoot", "optimiseScans", "quantisationTable")
_SPELLINGS = {
    "optimizeCoding": "optimiseCoding",
    "trellisQuantization": "trellisQuantisation",
    "optimizeScans": "optimiseScans",
    "quantizationTable": "quantisationTable",
    "colors": "colours",
}


@dataclass(frozen=True)
class Case:
    """`picture` names an input; the rest is what the request's form would say."""

    picture: str
    format: str = "png"
    resize: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    ratio: float | None = None

    def __str__(self) -> str:
        """Short and readable: the name of the test."""
        said = [*self.resize.items(), *self.options.items()]
        said += [("ratio", self.ratio)] if self.ratio else []
        words = [self.picture, self.format, *(f"{name}={value}" for name, value in said)]
        return " ".join(words).replace("'", "").replace("::", "")[:150]

    @property
    def animated(self) -> bool:
        """Only WebP and GIF move."""
        return self.format in {"webp", "gif"}

    @property
    def background(self) -> Any:
        """What transparent pixels are flattened on, if at all."""
        return self.options.get("background", "white" if self.format == "jpeg" else None)

    def for_sharp(self) -> dict[str, Any]:
        """The case as sharp.js takes it."""
        # sharp knows no ratio; where the height is a whole number it is a cover of that height
        cut = {"height": round(self.resize["width"] / self.ratio)} if self.ratio else {}
        clear = read_colour(self.resize.get("background", "black")).alpha < 255
        return {
            "resize": {**self.resize, **cut},
            "format": self.format,
            "options": self.options,
            "animated": self.animated,
            "background": self.background,
            "clear": clear and self.format == "jpeg",
        }

    def recipe(self) -> Recipe:
        """The case as we take it, with sharp's defaults spelled out."""
        given = [{"format": self.format, "options": _defaults(self) | dict(self.options)}]
        ratio = str(self.ratio) if self.ratio else None
        return read_recipes([dict(self.resize)], given, ratio)[0][0]


def _defaults(case: Case) -> dict[str, Any]:
    named = {_SPELLINGS.get(name, name) for name in case.options}
    missing = {name: value for name, value in _SHARP[case.format].items() if name not in named}
    if case.options.get("mozjpeg"):
        missing = {n: v for n, v in missing.items() if not n.startswith(_BY_MOZJPEG)}
    return missing
