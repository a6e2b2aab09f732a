"""Filters on the placed picture: blur, then sharpen, as sharp does them."""

from typing import Final

import pyvips

from pipeline.engine_place import Strip, each_frame

_SMALLEST: Final = 0.2  # sharp's min_ampl: where the blur's mask ends
_MASK: Final = {"m1": 1.0, "m2": 2.0, "x1": 2.0, "y2": 10.0, "y3": 20.0}


def blur(strip: Strip, sigma: float) -> Strip:
    """Gaussian blur; 0 is none."""
    if not sigma:
        return strip
    return each_frame(
        strip, lambda frame: frame.gaussblur(sigma, min_ampl=_SMALLEST, precision="integer")
    )


def sharpen(strip: Strip, sigma: float) -> Strip:
    """Sharpen what is light and dark, not the colours; 0 is none."""
    if not sigma:
        return strip
    return each_frame(strip, lambda frame: _sharper(frame, sigma))


def _sharper(image: pyvips.Image, sigma: float) -> pyvips.Image:
    return image.sharpen(sigma=sigma, **_MASK).colourspace(image.interpretation)
