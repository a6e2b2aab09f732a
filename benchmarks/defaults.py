"""Where the table in models/defaults.py comes from: candidates against sharp's defaults.

    nice python benchmarks/defaults.py            # the chosen settings only
    nice python benchmarks/defaults.py --all      # and the ones that lost

Every picture is resized without loss, encoded both ways by the same libvips, and compared with the
lossless one. CPU is a ratio of sums (2.0 = half the CPU of sharp's default), bytes and butteraugli
are geometric means of ratios to sharp's default on the same picture (below 1 is better).
"""

import os

os.environ["VIPS_CONCURRENCY"] = "1"  # AVIF bytes depend on it, and CPU seconds need it

import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import geometric_mean
from typing import Any, Final, NamedTuple

import eyes
import pyvips
import subjects

SAVERS: Final = {
    "jpeg": "jpegsave_buffer",
    "webp": "webpsave_buffer",
    "avif": "heifsave_buffer",
    "png": "pngsave_buffer",
    "gif": "gifsave_buffer",
}
SHARP: Final[Mapping[str, Mapping[str, Any]]] = {
    "jpeg": {"Q": 80, "subsample_mode": "on", "optimize_coding": True},
    "webp": {"Q": 80, "effort": 4},
    "avif": {"Q": 50, "effort": 4, "subsample_mode": "off", "bitdepth": 8, "tune": "auto"},
    "png": {"compression": 6, "filter": "none"},
    "gif": {"effort": 7, "dither": 1.0, "reuse": True, "interpalette_maxerror": 3},
}
CHOSEN: Final[Mapping[str, Mapping[str, Any]]] = {
    "jpeg": {"quant_table": 2, "overshoot_deringing": True, "interlace": True},
    "webp": {},
    "avif": {"Q": 52, "effort": 3, "subsample_mode": "on"},
    "png": {"filter": "all"},
    "gif": {"dither": 0.5, "interframe_maxerror": 2},
}
LOST: Final[Mapping[str, tuple[Mapping[str, Any], ...]]] = {
    "jpeg": (
        {"quant_table": 2, "Q": 81},
        {"quant_table": 3, "Q": 83},
        {"trellis_quant": True, "Q": 84},
        {"trellis_quant": True, "quant_table": 2, "Q": 84},
    ),
    "webp": (
        {"effort": 2},
        {"effort": 3},
        {"effort": 6},
        {"smart_subsample": True, "Q": 79},
        {"smart_deblock": True},
        {"preset": "photo"},
    ),
    "avif": (
        {"effort": 3},
        {"effort": 3, "Q": 52},
        {"effort": 3, "Q": 54, "subsample_mode": "on"},
        {"effort": 3, "bitdepth": 10},
        {"effort": 3, "tune": "ssim", "Q": 56},
        {"effort": 2, "Q": 52},
    ),
    "png": ({"filter": "all", "compression": 4}, {"filter": "sub"}, {"compression": 9}),
    "gif": ({"effort": 5}, {"effort": 9}, {"dither": 0.8}),
}


class Encoding(NamedTuple):
    """What one encoding cost and how far it is from its picture."""

    seconds: float
    size: int
    distance: float


def encode(reference: Path, output: str, options: Mapping[str, Any]) -> Encoding:
    """CPU seconds (best of two, one for AVIF), bytes and butteraugli of one setting."""
    image = pyvips.Image.new_from_file(str(reference)).copy_memory()
    fixed = {"keep": "none"} | ({"compression": "av1"} if output == "avif" else {})
    seconds = []
    for _ in range(1 if output == "avif" else 2):
        start = time.process_time()
        data = getattr(image, SAVERS[output])(**fixed, **SHARP[output] | options)
        seconds.append(time.process_time() - start)
    seen = 1.0 if output == "png" else eyes.distance(reference, data)  # png loses nothing
    return Encoding(min(seconds), len(data), seen)


def compare(theirs: list[Encoding], ours: list[Encoding]) -> dict[str, float]:
    """Ratios over all pictures; `worst` is the butteraugli ratio of the least lucky one."""
    pairs = list(zip(ours, theirs, strict=True))
    distances = [our.distance / their.distance for our, their in pairs]
    return {
        "cpu": sum(their.seconds for their in theirs) / sum(our.seconds for our in ours),
        "bytes": geometric_mean([our.size / their.size for our, their in pairs]),
        "butteraugli": geometric_mean(distances),
        "worst": max(distances),
    }


def measure(pictures: list[Path], *, everything: bool) -> None:
    """Print one line per setting."""
    print(f"{'':5} {'cpu':>6} {'bytes':>6} {'butter':>6} {'worst':>6}  options beside sharp's")
    for output in SHARP:
        seen = [p for p in pictures if output != "gif" or p.stem.endswith("-400")]  # gif is slow
        theirs = [encode(picture, output, {}) for picture in seen]
        for options in (CHOSEN[output], *(LOST[output] if everything else ())):
            ours = [encode(picture, output, options) for picture in seen]
            figures = "".join(f"{x:7.3f}" for x in compare(theirs, ours).values())
            print(f"{output:5}{figures}  {dict(options)}", flush=True)


def main() -> None:
    """Measure, in a folder that goes away."""
    if not eyes.can_see():
        sys.exit(f"{eyes.PROGRAM} is not installed (Debian: libjxl-devtools)")
    with tempfile.TemporaryDirectory() as folder:
        measure(subjects.references(Path(folder)), everything="--all" in sys.argv)


if __name__ == "__main__":
    main()
