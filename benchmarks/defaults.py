"""(e) Our defaults against sharp's: where the table in models/defaults.py comes from.

    nice python benchmarks/defaults.py            # our defaults
    nice python benchmarks/defaults.py --all      # and the settings that lost

Every picture is resized without loss, encoded both ways by the same libvips, and compared with the
lossless one. CPU is a ratio of sums (2.0 = half the CPU of sharp's default); bytes and butteraugli
are geometric means over the pictures of sharp's / ours. Above 1 is in our favour everywhere.
"""

import os

os.environ["VIPS_CONCURRENCY"] = "1"  # AVIF bytes depend on it, and CPU seconds need it

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import geometric_mean
from typing import Final, NamedTuple

import eyes
import subjects
from measured import Measured, table
from msgspec.structs import replace

from models.recipe import Avif, Gif, Jpeg, Output, Png, Recipe, Webp
from pipeline import engine

SHARP: Final[Mapping[str, Output]] = {
    "jpeg": Jpeg(quality=80, progressive=False, overshoot_deringing=False, quantisation_table=0),
    "webp": Webp(quality=80, effort=4),
    "avif": Avif(quality=50, effort=4, chroma_subsampling="4:4:4"),
    "png": Png(compression_level=6, adaptive_filtering=False),
    "gif": Gif(effort=7, dither=1.0, inter_frame_max_error=0.0),
}
OURS: Final[Mapping[str, Output]] = {
    "jpeg": Jpeg(),
    "webp": Webp(),
    "avif": Avif(),
    "png": Png(),
    "gif": Gif(),
}
# The least that our defaults may be, in CPU, bytes and butteraugli, each sharp's / ours.
TARGETS: Final[Mapping[str, tuple[float | None, float, float]]] = {
    "jpeg": (None, 1.0, 1.0),
    "webp": (None, 1.0, 1.0),
    "avif": (3.0, 0.9434, 0.98),
}
_AVIF = SHARP["avif"]
LOST: Final[Mapping[str, Sequence[Output]]] = {
    "jpeg": (
        Jpeg(quality=81, progressive=False, overshoot_deringing=False),
        Jpeg(quality=83, quantisation_table=3, progressive=False, overshoot_deringing=False),
        Jpeg(quality=84, quantisation_table=0, trellis_quantisation=True),
        Jpeg(quality=84, mozjpeg=True),
    ),
    "webp": (
        Webp(effort=2),
        Webp(effort=3),
        Webp(effort=6),
        Webp(smart_subsample=True, quality=79),
        Webp(smart_deblock=True),
        Webp(preset="photo"),
    ),
    "avif": (
        replace(_AVIF, effort=3),
        replace(_AVIF, effort=3, quality=52),
        replace(_AVIF, effort=3, bitdepth=10),
        replace(_AVIF, effort=3, tune="ssim", quality=56),
        replace(_AVIF, effort=2, quality=52),
        Avif(quality=54),
    ),
    "png": (Png(compression_level=4), Png(compression_level=9, adaptive_filtering=False)),
    "gif": (Gif(effort=5), Gif(effort=9), Gif(dither=0.8)),
}


class Encoding(NamedTuple):
    """What one encoding cost and how far it is from its picture."""

    seconds: float
    size: int
    distance: float


def encode(reference: Path, output: Output) -> Encoding:
    """CPU seconds (best of two, one for AVIF), bytes and butteraugli of one setting."""
    picture = engine.develop(reference, Recipe(output=output))
    seconds = []
    for _ in range(1 if isinstance(output, Avif) else 2):
        start = time.process_time()
        data = engine.encode(picture, output).data
        seconds.append(time.process_time() - start)
    seen = 1.0 if isinstance(output, Png) else eyes.distance(reference, data)  # png loses nothing
    return Encoding(min(seconds), len(data), seen)


def compare(theirs: list[Encoding], ours: list[Encoding]) -> tuple[float, float, float, float]:
    """CPU, bytes, butteraugli, and the butteraugli of the least lucky picture."""
    pairs = list(zip(ours, theirs, strict=True))
    distances = [their.distance / our.distance for our, their in pairs]
    return (
        sum(their.seconds for their in theirs) / sum(our.seconds for our in ours),
        geometric_mean([their.size / our.size for our, their in pairs]),
        geometric_mean(distances),
        min(distances),
    )


def measure(pictures: list[Path]) -> Iterator[Measured]:
    """What was promised about our defaults."""
    for name, targets in TARGETS.items():
        theirs = [encode(picture, SHARP[name]) for picture in pictures]
        ours = [encode(picture, OURS[name]) for picture in pictures]
        *ratios, worst = compare(theirs, ours)
        for what, ratio, target in zip(
            ("cpu", "bytes", "butteraugli"), ratios, targets, strict=True
        ):
            figures = {"worst": round(worst, 3)} if what == "butteraugli" else {}
            yield Measured(f"defaults, {name} {what}", ratio, target, figures)


def explore(pictures: list[Path], *, everything: bool) -> Iterator[Measured]:
    """One line per setting, also of those that lost."""
    for name, sharps in SHARP.items():
        seen = [p for p in pictures if name != "gif" or p.stem.endswith("-400")]  # gif is slow
        theirs = [encode(picture, sharps) for picture in seen]
        for output in (OURS[name], *(LOST[name] if everything else ())):
            ours = [encode(picture, output) for picture in seen]
            names = ("cpu", "bytes", "butteraugli", "worst")
            figures = {n: f"{x:.3f}" for n, x in zip(names, compare(theirs, ours), strict=True)}
            yield Measured(f"{name} {_named(output)}"[:80], None, None, figures)


def _named(output: Output) -> str:
    """The options that are named."""
    options = {name: getattr(output, name) for name in output.__struct_fields__}
    return " ".join(f"{name}={value}" for name, value in options.items() if value is not None)


def main() -> None:
    """Measure, in a folder that goes away."""
    if not eyes.can_see():
        sys.exit(f"{eyes.PROGRAM} is not installed (Debian: libjxl-devtools)")
    engine.prepare()
    with tempfile.TemporaryDirectory() as folder:
        pictures = subjects.references(Path(folder))
        for one in explore(pictures, everything="--all" in sys.argv):
            print(table([one]).splitlines()[1], flush=True)


if __name__ == "__main__":
    main()
