"""The engine: from a file to prints. It runs inside a child; nothing else calls libvips."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pi_heif
import pyvips

from models.colour import Colour
from models.defaults import settle
from models.outputs import Gif, Ico, Output, Webp
from models.recipe import Recipe, Resize
from pipeline import geometry
from pipeline.engine_colour import flatten, to_srgb, to_working_space
from pipeline.engine_encode import format_of, icon_sides, save
from pipeline.engine_errors import reading, writing
from pipeline.engine_load import Load, Original, load, number, open_original
from pipeline.engine_place import Strip, crop, fit, is_turned, pad, scale, upright
from pipeline.geometry import Size
from pipeline.prints import CONTENT_TYPES, EXTENSIONS, Canvas, Picture, Print, Probe

__all__ = ["Canvas", "Picture", "Print", "Probe", "develop", "encode", "prepare", "probe", "render"]

_LARGEST_ICON: Final = 256


def prepare() -> None:
    """Once per process, first: one thread, no cache, only loaders made for hostile files."""
    pyvips.concurrency_set(1)  # AVIF bytes depend on the thread count
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(state=True)
    pyvips.operation_block_set(
        "VipsForeignLoadSvg", state=False
    )  # librsvg follows nothing from memory
    pi_heif.options.DECODE_THREADS = 1


def probe(source: Path) -> Probe:
    """What the header says. EmptyFile, NotAnImage, DamagedImage, ImageTooLarge."""
    original = open_original(source)
    header = original.header
    width, height = header.width, header.height
    if is_turned(original.orientation):
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
    original = open_original(source)
    task = _task(original, recipe)
    with reading():
        return _place(original, task, to_working_space(load(original, task.load)))


def encode(picture: Picture, output: Output) -> Print:
    """Write a picture as a file. ImageTooLarge when the format cannot hold it."""
    canvas = picture.canvas
    frame = Size(canvas.width, canvas.frame_height)
    with writing():
        data = save(_mounted(picture, output), output, frame)
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


class _Task(msgspec.Struct, frozen=True):
    """The pixels of a recipe: recipes with equal tasks share one picture."""

    load: Load
    resize: Resize
    ratio: float | None
    background: Colour | None  # flatten on it before anything is scaled, as sharp does


def _task(original: Original, recipe: Recipe) -> _Task:
    resize = recipe.resize
    if isinstance(recipe.output, Ico) and resize.width is None and resize.height is None:
        largest = max(recipe.output.sizes or (_LARGEST_ICON,))
        resize = msgspec.structs.replace(
            resize, width=largest, height=largest, fit="inside", without_enlargement=True
        )
    background = settle(recipe.output).background if original.header.hasalpha() else None
    return _Task(_how(original, recipe, resize), resize, recipe.ratio, background)


def _how(original: Original, recipe: Recipe, resize: Resize) -> Load:
    """How far the decoder itself can shrink, and whether it gives all frames."""
    animated = original.frames > 1 and isinstance(recipe.output, Webp | Gif)
    if resize.width is None and resize.height is None:
        return Load(animated=animated)
    size = Size(original.header.width, original.header.height)
    common = _shrink(original, size, resize, recipe.ratio).common
    match original.format:
        case "jpeg":
            return Load(shrink=geometry.jpeg_shrink(common, fast=resize.fast_shrink_on_load))
        case "webp" if resize.fast_shrink_on_load and common > 1:
            return Load(scale=1.0 / common, animated=animated)
        case "svg":
            return Load(scale=1.0 / common)
    return Load(animated=animated)


def _shrink(original: Original, size: Size, resize: Resize, ratio: float | None) -> geometry.Shrink:
    turn = is_turned(original.orientation)
    cut = geometry.cut_size(size, ratio, turn=turn)
    return geometry.resolve_shrink(*cut, geometry.turned(resize, turn=turn), resize)


def _place(original: Original, task: _Task, image: pyvips.Image) -> Picture:
    """Everything between decoder and encoder, in sharp's order."""
    if task.background:
        image = flatten(image, task.background)
    strip = Strip(image, original.frames if task.load.animated else 1)
    shrink = _shrink(original, strip.size, task.resize, task.ratio)
    cut = geometry.cut_size(strip.size, task.ratio, turn=is_turned(original.orientation))
    even, _ = geometry.frame_shrink(strip.size.height, strip.frames, shrink)
    band_format = image.format
    premultiplied = bool(image.hasalpha()) and even != geometry.UNTOUCHED
    if premultiplied:
        # Back to integers at once: staying in float gives other pixels than sharp's.
        strip = Strip(image.premultiply().cast(band_format), strip.frames)
    strip = upright(scale(strip, even, task.resize.kernel), original.orientation)
    if task.ratio is not None:
        wanted = geometry.scaled_cut(cut, shrink, strip.size, turn=is_turned(original.orientation))
        strip = crop(strip, wanted, task.resize.position, premultiplied=premultiplied)
    strip = fit(strip, task.resize, premultiplied=premultiplied)
    strip = pad(strip, task.resize, premultiplied=premultiplied)
    image = strip.image
    if premultiplied:
        image = image.unpremultiply().cast(band_format)
    return _fixed(to_srgb(image), strip.frames)


def _fixed(image: pyvips.Image, frames: int) -> Picture:
    """Run the pipeline: from here on the pixels are in memory."""
    pixels = image.write_to_memory()
    canvas = Canvas(
        width=image.width,
        height=image.height,
        bands=image.bands,
        frames=frames,
        delay=_integers(image, "delay"),
        loop=number(image, "loop", 0) if image.get_typeof("loop") else None,
        palette=_integers(image, "gif-palette"),
        density=(image.xres, image.yres),
    )
    return Picture(canvas, memoryview(pixels))


def _integers(image: pyvips.Image, field: str) -> tuple[int, ...] | None:
    return tuple(image.get(field)) if image.get_typeof(field) else None


def _mounted(picture: Picture, output: Output) -> pyvips.Image:
    """The picture as libvips sees it, with what the encoders read beside the pixels."""
    canvas = picture.canvas
    image = pyvips.Image.new_from_memory(
        picture.pixels, canvas.width, canvas.height, canvas.bands, "uchar"
    ).copy(interpretation="srgb", xres=canvas.density[0], yres=canvas.density[1])
    if not isinstance(output, Webp | Gif):
        return image
    _animate(image, canvas, output)
    return image


def _animate(image: pyvips.Image, canvas: Canvas, output: Webp | Gif) -> None:
    """Frames, delays and repetitions. A still that says nothing plays once, as in sharp."""
    delay = output.delay or canvas.delay
    loop = canvas.loop if output.loop is None else output.loop
    if canvas.frames > 1:
        image.set_type(pyvips.GValue.gint_type, "page-height", canvas.frame_height)
        image.set_type(pyvips.GValue.gint_type, "n-pages", canvas.frames)
    if output.delay and len(output.delay) == 1:
        delay = output.delay * canvas.frames
    if canvas.frames == 1 and not output.delay and output.loop is None:
        loop = 1
    if delay:
        image.set_type(pyvips.GValue.array_int_type, "delay", list(delay))
    if loop is not None:
        image.set_type(pyvips.GValue.gint_type, "loop", loop)
    if canvas.palette:
        image.set_type(pyvips.GValue.array_int_type, "gif-palette", list(canvas.palette))


def render(source: Path, recipes: Sequence[Recipe]) -> Iterator[Print]:
    """One print per recipe, in their order; what recipes share is done once."""
    original = open_original(source)
    tasks = [_task(original, recipe) for recipe in recipes]
    pictures: dict[_Task, Picture] = {}
    for task, recipe in zip(tasks, recipes, strict=True):
        if task not in pictures:
            with reading():
                pictures[task] = _place(original, task, to_working_space(load(original, task.load)))
        yield encode(pictures[task], recipe.output)
