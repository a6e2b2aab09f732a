"""Outputs: the file a variant becomes. Names are sharp's; None means not given."""

from typing import Literal

from models.colour import Colour
from models.wire import Wire

Chroma = Literal["4:2:0", "4:4:4"]
Preset = Literal["default", "photo", "picture", "drawing", "icon", "text"]
Tune = Literal["auto", "iq", "psnr", "ssim"]
Bitdepth = Literal[8, 10, 12]


class Jpeg(Wire, frozen=True, tag_field="format", tag="jpeg"):
    """JPEG. Transparent pixels are flattened on `background`, white when not given."""

    background: Colour | None = None
    quality: int | None = None
    progressive: bool | None = None
    chroma_subsampling: Chroma | None = None
    optimise_coding: bool | None = None
    mozjpeg: bool | None = None
    trellis_quantisation: bool | None = None
    overshoot_deringing: bool | None = None
    optimise_scans: bool | None = None
    quantisation_table: int | None = None


class Png(Wire, frozen=True, tag_field="format", tag="png"):
    """PNG, 8 bit. A `background` flattens it."""

    background: Colour | None = None
    progressive: bool | None = None
    compression_level: int | None = None
    adaptive_filtering: bool | None = None
    palette: bool | None = None
    quality: int | None = None
    effort: int | None = None
    colours: int | None = None
    dither: float | None = None


class Webp(Wire, frozen=True, tag_field="format", tag="webp"):
    """WebP, still or animated. `delay` in milliseconds per frame; one value stands for all."""

    background: Colour | None = None
    quality: int | None = None
    alpha_quality: int | None = None
    lossless: bool | None = None
    near_lossless: bool | None = None
    smart_subsample: bool | None = None
    smart_deblock: bool | None = None
    preset: Preset | None = None
    effort: int | None = None
    min_size: bool | None = None
    mixed: bool | None = None
    exact: bool | None = None
    loop: int | None = None
    delay: tuple[int, ...] | None = None


class Avif(Wire, frozen=True, tag_field="format", tag="avif"):
    """AVIF, always AV1 and still."""

    background: Colour | None = None
    quality: int | None = None
    lossless: bool | None = None
    effort: int | None = None
    chroma_subsampling: Chroma | None = None
    bitdepth: Bitdepth | None = None
    tune: Tune | None = None


class Gif(Wire, frozen=True, tag_field="format", tag="gif"):
    """GIF, still or animated."""

    background: Colour | None = None
    reuse: bool | None = None
    progressive: bool | None = None
    colours: int | None = None
    effort: int | None = None
    dither: float | None = None
    inter_frame_max_error: float | None = None
    inter_palette_max_error: float | None = None
    keep_duplicate_frames: bool | None = None
    loop: int | None = None
    delay: tuple[int, ...] | None = None


class Ico(Wire, frozen=True, tag_field="format", tag="ico"):
    """A Windows icon: the picture squared, once per side in `sizes` (1 to 256 pixels), as PNG."""

    background: Colour | None = None
    sizes: tuple[int, ...] | None = None


class Mezzanine(Wire, frozen=True, tag_field="format", tag="mezzanine"):
    """A near-lossless working copy. The picture decides: JPEG for photos, else lossless WebP.

    No request can ask for it.
    """

    background: Colour | None = None


Output = Jpeg | Png | Webp | Avif | Gif | Ico | Mezzanine
