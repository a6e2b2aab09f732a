"""The engine: from a file to prints. It runs inside a child; nothing else calls libvips."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Protocol

import pi_heif
import pyvips

from models.outputs import Ico, Mezzanine, Output
from models.recipe import Recipe, settle
from pipeline import geometry
from pipeline.engine_develop import decode, place
from pipeline.engine_drawing import near_lossless
from pipeline.engine_encode import format_of, icon_sides, mount, write
from pipeline.engine_errors import reading, writing
from pipeline.engine_expose import Exposure, expose
from pipeline.engine_keep import keep, take
from pipeline.engine_load import Load, Original, number, open_original
from pipeline.engine_webp import prepare_webp
from pipeline.geometry import Size
from pipeline.prints import CONTENT_TYPES, EXTENSIONS, Canvas, Picture, Print, Probe
from pipeline.shelf import Shelf
from pipeline.stages import Step

__all__ = [
    "Canvas",
    "Picture",
    "Print",
    "Probe",
    "develop",
    "encode",
    "keep",
    "pictures",
    "prepare",
    "probe",
    "render",
    "take",
]

Watch = Callable[[Step, str], AbstractContextManager[None]]
"""Is told of every step while it is done."""


def _unwatched(_step: Step, _kind: str) -> AbstractContextManager[None]:
    return nullcontext()


class Reader(Protocol):
    """Reads originals: anew, or what was read before."""

    def open(self, source: Path) -> Original:
        """The file, sniffed and opened."""

    def decode(self, original: Original, how: Load, *, shared: bool) -> pyvips.Image:
        """The picture in its working space; `shared` when it will be read more than once."""


class Anew:
    """Reads everything from its file."""

    def open(self, source: Path) -> Original:
        """The file, sniffed and opened."""
        return open_original(source)

    def decode(self, original: Original, how: Load, *, shared: bool) -> pyvips.Image:
        """The picture in its working space: in memory if it is shared, else a stream."""
        return decode(original, how, shared=shared)


def prepare() -> None:
    """Once per process, first: one thread, no cache, only loaders made for hostile files."""
    pyvips.concurrency_set(1)  # AVIF bytes depend on the thread count
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(state=True)
    pyvips.operation_block_set(
        "VipsForeignLoadSvg", state=False
    )  # librsvg follows nothing from memory
    pi_heif.options.DECODE_THREADS = 1
    prepare_webp()


def probe(source: Path) -> Probe:
    """What the header says. EmptyFile, NotAnImage, DamagedImage, ImageTooLarge."""
    original = open_original(source)
    header = original.header
    width, height = header.width, header.height
    if geometry.is_turned(original.orientation):
        width, height = height, width
    return Probe(
        format=original.format,
        content_type=CONTENT_TYPES[original.format],
        extension=EXTENSIONS[original.format],
        width=width,
        height=height,
        frames=original.frames,
        bands=header.bands,
        bits=number(header, "bits-per-sample", 8),
        alpha=bool(header.hasalpha()),
        interlaced=bool(number(header, "interlaced", 0)),
        orientation=original.orientation,
    )


def develop(source: Path, recipe: Recipe) -> Picture:
    """Decode and place the pixels: 8-bit sRGB in memory, ready for any number of encoders."""
    return next(pictures(source, [recipe]))[0]


def encode(picture: Picture, output: Output) -> Print:
    """Write a picture as a file. ImageTooLarge when the format cannot hold it."""
    canvas = picture.canvas
    frame = Size(canvas.width, canvas.frame_height)
    if isinstance(output, Mezzanine):
        output = near_lossless(mount(picture, output))
    with writing():
        data = write(picture, output, frame)
    if isinstance(output, Ico):
        side = icon_sides(output, frame)[-1]
        frame = Size(side, side)
    name = format_of(output)
    return Print(
        data=data,
        width=frame.width,
        height=frame.height,
        format=name,
        content_type=CONTENT_TYPES[name],
        extension=EXTENSIONS[name],
    )


def pictures(
    source: Path,
    recipes: Sequence[Recipe],
    watch: Watch = _unwatched,
    reader: Reader | None = None,
) -> Iterator[tuple[Picture, tuple[int, ...]]]:
    """Each distinct picture once, with the positions of the recipes that are printed from it."""
    reader = reader or Anew()
    original = reader.open(source)
    wanted: dict[Exposure, list[int]] = {}
    for i, recipe in enumerate(recipes):
        wanted.setdefault(expose(original, settle(recipe)), []).append(i)
    decodes: Shelf[Load, pyvips.Image] = Shelf(exposure.load for exposure in wanted)
    for exposure, positions in wanted.items():
        with reading():
            with watch("decode", original.format):
                make = partial(reader.decode, original, exposure.load)
                image = decodes.take(exposure.load, make)
            with watch("resize", original.format):
                picture = place(exposure, image)
        del image  # a shared decode is large: nothing may keep it longer than the shelf does
        yield picture, tuple(positions)


def render(source: Path, recipes: Sequence[Recipe]) -> Iterator[Print]:
    """One print per recipe, in their order. What recipes share is decoded and placed once."""
    ahead: dict[int, Print] = {}
    done = 0
    for picture, positions in pictures(source, recipes):
        for position in positions:
            ahead[position] = encode(picture, recipes[position].output)
        while done in ahead:
            yield ahead.pop(done)
            done += 1
