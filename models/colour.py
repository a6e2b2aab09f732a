"""Colours in every spelling sharp takes: names, hex, rgb(), hsl(), hwb(), objects, arrays."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Final

from models.colour_names import NAMES
from models.colour_spaces import SPACES, Channels, ToRgb, hsl_to_rgb, hwb_to_rgb
from models.readers import Malformed
from models.wire import Wire

_SHORTEST, _LONGEST = 3, 200
_FLAGS: Final = re.IGNORECASE | re.ASCII
_HEX: Final = re.compile(r"#([a-f\d]{6})([a-f\d]{2})?", _FLAGS)
_SHORT_HEX: Final = re.compile(r"#([a-f\d]{3})([a-f\d])?", _FLAGS)
_NUMBER: Final = r"([+-]?(?:\d*\.)?\d+(?:e\d+)?)"
_LOOSE: Final = r"([+-]?[\d.]+)"
_FRACTION: Final = r"([+-]?(?=\.\d|\d)(?:0|[1-9]\d*)?(?:\.\d*)?(?:e[+-]?\d+)?)"
_RGB: Final = re.compile(
    rf"rgba?\(\s*{_NUMBER}(?=[\s,])\s*(?:,\s*)?{_NUMBER}(?=[\s,])\s*(?:,\s*)?{_NUMBER}"
    rf"\s*(?:[\s,|/]\s*{_NUMBER}(%?)\s*)?\)",
    _FLAGS,
)
_RGB_PERCENT: Final = re.compile(
    rf"rgba?\(\s*{_LOOSE}%\s*,?\s*{_LOOSE}%\s*,?\s*{_LOOSE}%\s*(?:[\s,|/]\s*{_LOOSE}(%?)\s*)?\)",
    _FLAGS,
)
_HSL: Final = re.compile(
    rf"hsla?\(\s*([+-]?(?:\d{{0,3}}\.)?\d+)(?:deg)?\s*,?\s*{_LOOSE}%\s*,?\s*{_LOOSE}%"
    rf"\s*(?:[,|/]\s*{_FRACTION}\s*)?\)",
    _FLAGS,
)
_HWB: Final = re.compile(
    rf"hwb\(\s*([+-]?\d{{0,3}}(?:\.\d+)?)(?:deg)?\s*[\s,]\s*{_LOOSE}%\s*[\s,]\s*{_LOOSE}%"
    rf"\s*(?:[\s,]\s*{_FRACTION}\s*)?\)",
    _FLAGS,
)
_PREFIX: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", _FLAGS)
_BARE_HEX: Final = re.compile(r"#?(?:([a-f\d]{6})|([a-f\d]{3}))", _FLAGS)
_CYLINDERS: Final = {"hsl": (_HSL, hsl_to_rgb), "hwb": (_HWB, hwb_to_rgb)}


class Colour(Wire, frozen=True):
    """An sRGB colour: channels 0 to 255 (fractions are kept), alpha 0 (clear) to 255 (opaque)."""

    red: float = 0.0
    green: float = 0.0
    blue: float = 0.0
    alpha: int = 255


BLACK: Final = Colour()


def read_colour(value: object) -> Colour:
    """The colour meant by a JSON value, or Malformed with what is wrong with it."""
    match value:
        case str():
            return _from_text(value)
        case Mapping():
            return _from_object(value)
        case Sequence():
            return _from_array(value)
    raise Malformed("must be a colour: a string, an object or an array")


def _from_text(text: str) -> Colour:
    if not _SHORTEST <= len(text) <= _LONGEST:
        raise Malformed("must be a colour of 3 to 200 characters")
    prefix = text[:3].lower()
    if prefix in _CYLINDERS:
        return _cylinder(text, *_CYLINDERS[prefix])
    return _from_css(text)


def _from_css(text: str) -> Colour:
    if match := _HEX.fullmatch(text):
        return _packed(int(match[1], 16), int(match[2] or "ff", 16))
    if match := _SHORT_HEX.fullmatch(text):
        return _packed(int(_doubled(match[1]), 16), int((match[2] or "f") * 2, 16))
    if match := _RGB.fullmatch(text):
        return _colour([_parsed(match[i]) for i in (1, 2, 3)], _alpha(match[4], match[5]))
    if match := _RGB_PERCENT.fullmatch(text):
        channels = [math.floor(_parsed(match[i]) * 2.55 + 0.5) for i in (1, 2, 3)]
        return _colour(channels, _alpha(match[4], match[5]))
    return _named(text)


def _from_object(value: Mapping[object, object]) -> Colour:
    """`{r, g, b}` or another space sharp knows, each with an optional `alpha` from 0 to 1."""
    labels = frozenset(str(label) for label in value) - {"alpha"}
    alpha = _finite(value["alpha"], "alpha") if value.get("alpha") is not None else 1.0
    if labels in ({"hex"}, {"keyword"}):
        return _spelled(value, alpha)
    for names, to_rgb in SPACES:
        if labels == frozenset(names):
            return _colour(to_rgb([_finite(value[name], name) for name in names]), alpha)
    raise Malformed("must have the channels of a colour, such as r, g, b and optionally alpha")


def _from_array(value: Sequence[object]) -> Colour:
    channels = [_finite(channel, "every channel") for channel in value]
    match channels:
        case [_, _, _]:
            return _colour(channels, 1.0)
        case [_, _, _, alpha]:
            return _colour(channels[:3], alpha)
    raise Malformed("must be an array of red, green, blue and optionally alpha")


def _spelled(value: Mapping[object, object], alpha: float) -> Colour:
    word = value.get("keyword", value.get("hex"))
    if not isinstance(word, str):
        raise Malformed("must be a string")
    if "keyword" in value:
        named = _named(word)
    elif match := _BARE_HEX.fullmatch(word):
        named = _packed(int(match[1] or _doubled(match[2]), 16), 255)
    else:
        raise Malformed("must be three or six hexadecimal digits")
    return _colour([named.red, named.green, named.blue], alpha)


def _named(text: str) -> Colour:
    name = text.lower()
    if name == "transparent":
        return Colour(alpha=0)
    if name not in NAMES:
        raise Malformed("must be a CSS colour name, #hex, rgb(), hsl() or hwb()")
    return _packed(NAMES[name], 255)


def _doubled(digits: str) -> str:
    return "".join(digit * 2 for digit in digits)


def _packed(rgb: int, alpha: int) -> Colour:
    return Colour(
        red=float(rgb >> 16), green=float(rgb >> 8 & 255), blue=float(rgb & 255), alpha=alpha
    )


def _cylinder(text: str, pattern: re.Pattern[str], to_rgb: ToRgb) -> Colour:
    match = pattern.fullmatch(text)
    if match is None:
        raise Malformed("must be a CSS colour name, #hex, rgb(), hsl() or hwb()")
    channels = [_parsed(match[i]) for i in (1, 2, 3)]
    return _colour(to_rgb(channels), _parsed(match[4]) if match[4] else 1.0)


def _colour(channels: Channels, alpha: float) -> Colour:
    """Out of range is clipped, as in sharp; alpha becomes a byte, halves rounded up."""
    red, green, blue = (_clip(channel, 255.0) for channel in channels)
    return Colour(red=red, green=green, blue=blue, alpha=math.floor(_clip(alpha, 1.0) * 255 + 0.5))


def _alpha(text: str | None, percent: str | None) -> float:
    if not text:
        return 1.0
    return _parsed(text) * 0.01 if percent else _parsed(text)


def _parsed(text: str) -> float:
    """JavaScript's parseFloat: the number the text begins with."""
    match = _PREFIX.match(text)
    if match is None:
        raise Malformed("must have numbers as channels")
    return _finite(float(match[0]), "every channel")


def _clip(value: float, highest: float) -> float:
    return max(0.0, min(highest, float(value))) + 0.0  # -0.0 and 0.0 are one colour


def _finite(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(f"must have a number for {name}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise Malformed(f"must have a finite number for {name}")
    return number
