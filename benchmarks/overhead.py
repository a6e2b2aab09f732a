"""(a) What the engine and the studio add to libvips: the same calls, bare and ours."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import measured
import pyvips
from measured import Measured

from models.defaults import JPEG, WEBP
from models.recipe import Jpeg, Recipe, Resize, Webp
from pipeline import engine
from pipeline.studio import Studio

WIDTH = 1200
WEBP_1200 = Recipe(resize=Resize(width=WIDTH), output=Webp())
JPEG_1200 = Recipe(resize=Resize(width=WIDTH), output=Jpeg())


def bare_picture(source: Path) -> pyvips.Image:
    """What one writes who knows libvips, the picture and sharp's order of operations."""
    header = pyvips.Image.jpegload(str(source), access="sequential", fail_on="warning")
    turned = header.get_typeof("orientation") and header.get("orientation") == 6
    side = header.height if turned else header.width
    shrink = 2 if side >= 3 * WIDTH else 1  # sharp leaves a step to the resize, and so do we
    image = pyvips.Image.jpegload(
        str(source), shrink=shrink, access="sequential", fail_on="warning"
    )
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True, intent="perceptual", depth=8)
    scale = 1 / ((image.height if turned else image.width) / WIDTH)
    small = image.resize(scale, vscale=scale, kernel="lanczos3")
    return small.copy_memory().rot90() if turned else small


def bare_webp(source: Path) -> bytes:
    """Our defaults, spelled for libvips."""
    data = bare_picture(source).webpsave_buffer(
        keep="none", Q=WEBP.quality, alpha_q=WEBP.alpha_quality, effort=WEBP.effort
    )
    return bytes(data)


def bare_jpeg(source: Path) -> bytes:
    """Our defaults, spelled for libvips."""
    data = bare_picture(source).jpegsave_buffer(
        keep="none",
        Q=JPEG.quality,
        interlace=JPEG.progressive,
        subsample_mode="on",
        optimize_coding=JPEG.optimise_coding,
        trellis_quant=JPEG.trellis_quantisation,
        overshoot_deringing=JPEG.overshoot_deringing,
        optimize_scans=JPEG.optimise_scans,
        quant_table=JPEG.quantisation_table,
    )
    return bytes(data)


def measure(source: Path) -> Iterator[Measured]:
    """The engine in this process, then a studio with one child."""
    for name, bare, recipe in (("webp", bare_webp, WEBP_1200), ("jpeg", bare_jpeg, JPEG_1200)):
        (print_,) = engine.render(source, [recipe])
        assert print_.data == bare(source), "the two sides do not make the same picture"  # noqa: S101
        yield measured.compare(
            f"engine, 12 MP jpeg to 1200 px {name}",
            lambda recipe=recipe: list(engine.render(source, [recipe])),
            lambda bare=bare: bare(source),
            times=9,
            target=0.97,
            clock=time.process_time,  # one thread that never waits: neighbours do not count
        )
    yield from _studio(source)


def _studio(source: Path) -> Iterator[Measured]:
    with asyncio.Runner() as runner:
        studio = Studio(children=1)
        runner.run(studio.__aenter__())
        try:
            yield measured.compare(
                "studio, 12 MP jpeg to 1200 px webp",
                lambda: runner.run(_through(studio, source)),
                lambda: bare_webp(source),
                times=11,
                target=0.926,
            )
        finally:
            runner.run(studio.__aexit__(None, None, None))


async def _through(studio: Studio, source: Path) -> bytes:
    """There and back again: the caller has the bytes."""
    with await studio.render(source, [WEBP_1200]) as prints:
        return prints[0].path.read_bytes()
