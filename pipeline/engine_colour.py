"""Colour on the way through: profiles to sRGB, backgrounds in the picture's own space."""

import contextlib
from typing import Final

import pyvips

from models.colour import Colour

_SIXTEEN_BIT: Final = ("rgb16", "grey16")
_LUMA: Final = (0.2126, 0.7152, 0.0722)
_COLOUR_BANDS: Final = 3


def to_working_space(image: pyvips.Image) -> pyvips.Image:
    """By the embedded profile to sRGB (Display P3 for 16 bit); anything else stays in its space."""
    space = "p3" if image.interpretation == "rgb16" else "srgb"
    if _has_profile(image) and image.interpretation not in ("labs", "grey16"):
        depth = 16 if image.interpretation in _SIXTEEN_BIT else 8
        with contextlib.suppress(pyvips.Error):  # a broken profile counts as none
            return image.icc_transform(space, embedded=True, depth=depth, intent="perceptual")
        return image
    if image.interpretation == "cmyk":
        return image.icc_transform(space, input_profile="cmyk", intent="perceptual")
    return image


def to_srgb(image: pyvips.Image) -> pyvips.Image:
    """8-bit sRGB with 3 or 4 bands, which is what every encoder gets."""
    if image.interpretation in _SIXTEEN_BIT:
        image = image.cast("ushort")
    if image.interpretation != "srgb":
        image = image.colourspace("srgb", source_space=image.interpretation)
    if image.format != "uchar":
        image = image.cast("uchar")
    return image[:4] if image.bands > 4 else image  # noqa: PLR2004 - red, green, blue, alpha


def flatten(image: pyvips.Image, colour: Colour) -> pyvips.Image:
    """Compose on an opaque colour; the colour's own alpha plays no part."""
    if not image.hasalpha():
        return image
    unit = _unit(image)
    background = [colour.red * unit, colour.green * unit, colour.blue * unit]
    return image.flatten(background=background)


def with_background(
    image: pyvips.Image, colour: Colour, *, premultiplied: bool
) -> tuple[pyvips.Image, list[float]]:
    """The picture, with alpha if the colour is translucent, and the colour in its space."""
    unit = _unit(image)
    rgb = [colour.red * unit, colour.green * unit, colour.blue * unit]
    if image.bands < _COLOUR_BANDS:
        rgb = [sum(part * luma for part, luma in zip(rgb, _LUMA, strict=True))]
    if colour.alpha < 255 or image.hasalpha():  # noqa: PLR2004 - a byte
        extra = image.bands - 3 if image.bands > 4 else 1  # noqa: PLR2004
        rgb += [colour.alpha * unit] * extra
    values = _in_space(rgb, image.interpretation, premultiplied=premultiplied)
    if colour.alpha < 255 and not image.hasalpha():  # noqa: PLR2004
        image = image.bandjoin_const([255 * unit])
    return image, values


def _in_space(values: list[float], interpretation: str, *, premultiplied: bool) -> list[float]:
    """Grey backgrounds are not even premultiplied, as in sharp: parity wins over taste here."""
    if len(values) < _COLOUR_BANDS:
        return values
    pixel = pyvips.Image.new_from_array([[0.0]]).new_from_image(values)
    pixel = pixel.colourspace(interpretation, source_space="srgb")
    if premultiplied:
        pixel = pixel.premultiply()
    return list(pixel(0, 0))


def _unit(image: pyvips.Image) -> float:
    """16-bit values are 8-bit values times 256, so white is 254 in the end, as in sharp."""
    return 256.0 if image.interpretation in _SIXTEEN_BIT else 1.0


def _has_profile(image: pyvips.Image) -> bool:
    return bool(image.get_typeof("icc-profile-data") == pyvips.GValue.blob_type)
