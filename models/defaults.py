"""What an option means when nobody named it: one table, and the rules for filling from it."""

from typing import Final, TypeVar

import msgspec

from models.colour import Colour
from models.outputs import Avif, Gif, Ico, Jpeg, Mezzanine, Output, Png, Webp

WHITE: Final = Colour(red=255.0, green=255.0, blue=255.0)

# Measured by benchmarks/defaults.py on 27 resized photos and screenshots, as ratios to sharp's
# defaults: the encoder's CPU, bytes, butteraugli (below 1 is better).
#   jpeg  1.91  0.934  0.994   mozjpeg's table 2, deringing, progressive
#   png   1.70  0.744  1.000   adaptive filters; small flat drawings grow, everything else shrinks
#   webp  1.00  1.000  1.000   the same: nothing else was better at no more CPU
#   avif  0.20  1.036  1.000   effort 3 at 52, instead of effort 4 at 50 and 4:4:4; 4:2:0 except
#                              for pictures with thin coloured detail, which the encoder looks for
#   gif   0.88  0.995  0.990   half the dither; pixels of an animation that change by no more than
#                              2 of 255 stay, which makes it up to a quarter smaller
JPEG: Final = Jpeg(
    background=WHITE,
    quality=80,
    progressive=True,
    chroma_subsampling="4:2:0",
    optimise_coding=True,
    mozjpeg=False,
    trellis_quantisation=False,
    overshoot_deringing=True,
    optimise_scans=False,
    quantisation_table=2,
)
PNG: Final = Png(
    progressive=False,
    compression_level=6,
    adaptive_filtering=True,
    palette=False,
    quality=100,
    effort=7,
    colours=256,
    dither=1.0,
)
WEBP: Final = Webp(
    quality=80,
    alpha_quality=100,
    lossless=False,
    near_lossless=False,
    smart_subsample=False,
    smart_deblock=False,
    preset="default",
    effort=4,
    min_size=False,
    mixed=False,
    exact=False,
)
AVIF: Final = Avif(
    quality=52,
    lossless=False,
    effort=3,
    chroma_subsampling=None,  # the picture decides
    bitdepth=8,
    tune="auto",
)
GIF: Final = Gif(
    reuse=True,
    progressive=False,
    colours=256,
    effort=7,
    dither=0.5,
    inter_frame_max_error=2.0,
    inter_palette_max_error=3.0,
    keep_duplicate_frames=False,
)

# What `mozjpeg: true` stands for; options named beside it win, except progressive: false.
_MOZJPEG: Final = Jpeg(
    progressive=True,
    trellis_quantisation=True,
    overshoot_deringing=True,
    optimise_scans=True,
    quantisation_table=3,
)
_PLAIN_JPEG: Final = Jpeg(
    progressive=False,
    trellis_quantisation=False,
    overshoot_deringing=False,
    optimise_scans=False,
    quantisation_table=0,
)
# What quality 90 is asked for would be lost in halved chroma.
_FINE_AVIF: Final = msgspec.structs.replace(AVIF, chroma_subsampling="4:4:4")
_FINE_FROM: Final = 90
# Neighbouring palette indices are no gradients: adaptive filters make such files larger.
_FLAT_PNG: Final = msgspec.structs.replace(PNG, adaptive_filtering=False)
_PALETTE_COUNTS: Final = (2, 4, 16, 256)

_AnyOutput = TypeVar("_AnyOutput", Jpeg, Png, Webp, Avif, Gif)


def settle(output: Output) -> Output:
    """The same request with every option that shapes the bytes spelled out.

    Two outputs that settle to the same value encode to the same bytes. Options that are named stay
    as they are; the others come from the table above.
    """
    match output:
        case Jpeg():
            return _settle_jpeg(output)
        case Png():
            return _settle_png(output)
        case Webp():
            return _filled(output, WEBP)
        case Avif():
            return _settle_avif(output)
        case Gif():
            return _filled(_rounded(output), GIF)
        case Ico() | Mezzanine():
            return output


def _settle_jpeg(output: Jpeg) -> Jpeg:
    """Sharp's order: mozjpeg sets five options at once, then each named one is applied on top."""
    table = JPEG
    if output.mozjpeg is not None:
        table = _filled(_MOZJPEG if output.mozjpeg else _PLAIN_JPEG, JPEG)
    elif JPEG.mozjpeg:
        table = _filled(_MOZJPEG, JPEG)
    if output.progressive is False and output.mozjpeg is None and not output.optimise_scans:
        # A sequential file was asked for by name; what only the table wants must not undo that.
        table = msgspec.structs.replace(table, optimise_scans=False)
    settled = _filled(output, table)
    progressive = settled.progressive or bool(output.mozjpeg) or settled.optimise_scans
    return msgspec.structs.replace(settled, mozjpeg=None, progressive=progressive)


def _settle_png(output: Png) -> Png:
    """Naming an option of palettes asks for a palette; `palette: false` makes them mean nothing.

    But not `colours`: below 256 it sets the bit depth, and libvips then writes a palette anyway,
    with the three others as they are here.
    """
    output = _rounded(output)
    asked = (output.quality, output.effort, output.colours, output.dither)
    palette = output.palette
    if palette is None:
        palette = True if any(value is not None for value in asked) else PNG.palette
    table = _FLAT_PNG if palette else PNG
    settled = _filled(msgspec.structs.replace(output, palette=palette), table)
    if palette:
        return settled
    return msgspec.structs.replace(settled, quality=100, effort=7, dither=1.0)


def _settle_avif(output: Avif) -> Avif:
    fine = output.quality is not None and output.quality >= _FINE_FROM
    settled = _filled(output, _FINE_AVIF if fine else AVIF)
    if settled.lossless and settled.tune == "iq":  # libheif refuses the pair
        return msgspec.structs.replace(settled, tune="ssim")
    return settled


def _rounded(output: _AnyOutput) -> _AnyOutput:
    """Palettes exist with 2, 4, 16 and 256 colours only."""
    colours = getattr(output, "colours", None)
    if colours is None:
        return output
    enough = next(count for count in _PALETTE_COUNTS if count >= colours)
    return msgspec.structs.replace(output, colours=enough)


def _filled(output: _AnyOutput, table: _AnyOutput) -> _AnyOutput:
    """`output` with each option that was not given taken from `table`."""
    given = {
        name: value for name, value in msgspec.structs.asdict(output).items() if value is not None
    }
    return msgspec.structs.replace(table, **given)
