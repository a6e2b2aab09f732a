# ruff: noqa: PLR2004 - the numbers are those of the colour spaces' definitions
"""From other colour spaces to sRGB (0 to 255), with the formulas of sharp's colour parser."""

import math
from collections.abc import Callable, Sequence
from typing import Final

Channels = Sequence[float]
ToRgb = Callable[[Channels], Channels]

_LAB_STEP: Final = (6 / 29) ** 3


def hsl_to_rgb(hsl: Channels) -> Channels:
    """Hue in degrees, saturation and lightness in percent."""
    hue, saturation, light = _turn(hsl[0]) / 360, _part(hsl[1]), _part(hsl[2])
    if saturation == 0:
        return [light * 255] * 3
    high = light * (1 + saturation) if light < 0.5 else light + saturation - light * saturation
    low = 2 * light - high
    return [_hue_ramp(low, high, hue + 1 / 3 * step) * 255 for step in (1, 0, -1)]


def hwb_to_rgb(hwb: Channels) -> Channels:
    """Hue in degrees, whiteness and blackness in percent."""
    hue, white, black = _turn(hwb[0]) / 360, _part(hwb[1]), _part(hwb[2])
    if white + black > 1:
        white, black = white / (white + black), black / (white + black)
    sector = math.floor(6 * hue)
    fraction = 6 * hue - sector
    value = 1 - black
    between = white + (1 - fraction if sector & 1 else fraction) * (value - white)
    return [part * 255 for part in _sector(sector, value, between, white)]


def _hsv_to_rgb(hsv: Channels) -> Channels:
    hue, saturation, value = _turn(hsv[0]) / 60, _part(hsv[1]), _part(hsv[2])
    fraction = hue - math.floor(hue)
    low = 255 * value * (1 - saturation)
    falling = 255 * value * (1 - saturation * fraction)
    rising = 255 * value * (1 - saturation * (1 - fraction))
    sector = math.floor(hue) % 6
    return _sector(sector, value * 255, falling if sector & 1 else rising, low)


def _hcg_to_rgb(hcg: Channels) -> Channels:
    hue, chroma, grey = _turn(hcg[0]) / 360, _part(hcg[1]), _part(hcg[2])
    if chroma == 0:
        return [grey * 255] * 3
    sector = math.floor(hue % 1 * 6)
    fraction = hue % 1 * 6 % 1
    pure = _sector(sector, 1.0, 1 - fraction if sector & 1 else fraction, 0.0)
    return [(chroma * part + (1 - chroma) * grey) * 255 for part in pure]


def _cmyk_to_rgb(cmyk: Channels) -> Channels:
    cyan, magenta, yellow, black = (_part(channel) for channel in cmyk)
    inks = (cyan, magenta, yellow)
    return [(1 - min(1.0, ink * (1 - black) + black)) * 255 for ink in inks]


def _xyz_to_rgb(xyz: Channels) -> Channels:
    x, y, z = (max(0.0, min(top, c)) for c, top in zip(xyz, (95.047, 100, 108.833), strict=True))
    return _unclipped_xyz_to_rgb([x, y, z])


def _unclipped_xyz_to_rgb(xyz: Channels) -> Channels:
    x, y, z = (channel / 100 for channel in xyz)
    linear = (
        x * 3.2404542 + y * -1.5371385 + z * -0.4985314,
        x * -0.969266 + y * 1.8760108 + z * 0.041556,
        x * 0.0556434 + y * -0.2040259 + z * 1.0572252,
    )
    return [_gamma(channel) * 255 for channel in linear]


def _lab_to_rgb(lab: Channels) -> Channels:
    return _unclipped_lab_to_rgb([max(0.0, min(100.0, lab[0])), lab[1], lab[2]])


def _unclipped_lab_to_rgb(lab: Channels) -> Channels:
    y = (lab[0] + 16) / 116
    x, z = lab[1] / 500 + y, y - lab[2] / 200
    parts = [part**3 if part**3 > _LAB_STEP else (part - 16 / 116) / 7.787 for part in (x, y, z)]
    return _unclipped_xyz_to_rgb([parts[0] * 95.047, parts[1] * 100, parts[2] * 108.883])


def _lch_to_rgb(lch: Channels) -> Channels:
    return _unclipped_lab_to_rgb(_polar(lch))


def _oklab_to_rgb(oklab: Channels) -> Channels:
    light, a, b = (channel / 100 for channel in oklab)
    long = (light + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (light - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (light - 0.0894841775 * a - 1.291485548 * b) ** 3
    linear = (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
    )
    return [_gamma(channel) * 255 for channel in linear]


def _oklch_to_rgb(oklch: Channels) -> Channels:
    return _oklab_to_rgb(_polar(oklch))


def _apple_to_rgb(apple: Channels) -> Channels:
    return [channel / 65535 * 255 for channel in apple]


def _grey_to_rgb(grey: Channels) -> Channels:
    return [grey[0] / 100 * 255] * 3


def _rgb_to_rgb(rgb: Channels) -> Channels:
    return rgb


SPACES: Final[Sequence[tuple[tuple[str, ...], ToRgb]]] = (
    (("r", "g", "b"), _rgb_to_rgb),
    (("h", "s", "l"), hsl_to_rgb),
    (("h", "s", "v"), _hsv_to_rgb),
    (("h", "w", "b"), hwb_to_rgb),
    (("h", "c", "g"), _hcg_to_rgb),
    (("c", "m", "y", "k"), _cmyk_to_rgb),
    (("x", "y", "z"), _xyz_to_rgb),
    (("l", "a", "b"), _lab_to_rgb),
    (("l", "c", "h"), _lch_to_rgb),
    (("okl", "oka", "okb"), _oklab_to_rgb),
    (("okl", "okc", "okh"), _oklch_to_rgb),
    (("r16", "g16", "b16"), _apple_to_rgb),
    (("gray",), _grey_to_rgb),
)


def _sector(sector: int, top: float, between: float, low: float) -> Channels:
    """Red, green and blue of one sixth of the colour wheel."""
    return (
        (top, between, low),
        (between, top, low),
        (low, top, between),
        (low, between, top),
        (between, low, top),
        (top, low, between),
    )[sector % 6]


def _hue_ramp(low: float, high: float, hue: float) -> float:
    hue += (hue < 0) - (hue > 1)
    if 6 * hue < 1:
        return low + (high - low) * 6 * hue
    if 2 * hue < 1:
        return high
    if 3 * hue < 2:
        return low + (high - low) * (2 / 3 - hue) * 6
    return low


def _polar(light_chroma_hue: Channels) -> Channels:
    light, chroma, hue = light_chroma_hue
    radians = hue / 360 * 2 * math.pi
    return [light, chroma * math.cos(radians), chroma * math.sin(radians)]


def _gamma(linear: float) -> float:
    curved = 1.055 * linear ** (1 / 2.4) - 0.055 if linear > 0.0031308 else linear * 12.92
    return min(max(0.0, curved), 1.0)


def _turn(degrees: float) -> float:
    return (math.fmod(degrees, 360) + 360) % 360


def _part(percent: float) -> float:
    return max(0.0, min(100.0, percent)) / 100
