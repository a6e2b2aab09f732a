"""(d) Peak memory of one job by input format, over what an idle process with libvips takes."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import pyvips
import subjects
from measured import Measured

from models.recipe import Recipe, Resize, Webp
from pipeline import engine

Save = Callable[[pyvips.Image, str], object]
KINDS: Final[Mapping[str, Save]] = {
    "jpeg": lambda image, file: image.jpegsave(file, Q=90),
    "jpeg-progressive": lambda image, file: image.jpegsave(file, Q=90, interlace=True),
    "png": lambda image, file: image.pngsave(file, compression=1),
    "png-interlaced": lambda image, file: image.pngsave(file, compression=1, interlace=True),
    "webp": lambda image, file: image.webpsave(file, Q=80, effort=0),
    "avif": lambda image, file: image.heifsave(file, compression="av1", Q=50, effort=0, bitdepth=8),
    "tiff": lambda image, file: image.tiffsave(file, compression="lzw"),
    "gif": lambda image, file: image.gifsave(file, effort=1),
}


def measure(source: Path, folder: Path) -> Iterator[Measured]:
    """Each format in a process of its own, made from the same picture."""
    image = pyvips.Image.new_from_file(str(source)).autorot().copy_memory()
    idle = _peak(None)
    files = {}
    for kind, save in KINDS.items():
        files[kind] = folder / kind
        save(image, str(files[kind]))
    for heic in sorted(subjects.PHOTOS.glob("52-*")):
        files["heic"] = heic
    for kind, file in files.items():
        size = pyvips.Image.new_from_file(str(file))
        used = (_peak(file) - idle) / (size.width * size.height / 1e6)
        yield Measured(f"memory, {kind} to 800 px webp", None, None, {"mb_per_mp": round(used, 2)})


def _peak(file: Path | None) -> float:
    """Megabytes at the highest moment of a process that makes one print, or none."""
    asked = [] if file is None else [str(file)]
    said = subprocess.run(
        [sys.executable, __file__, *asked], check=True, capture_output=True, text=True
    ).stdout
    return float(said)


def _work(files: list[str]) -> None:
    engine.prepare()
    for file in files:
        list(engine.render(Path(file), [Recipe(resize=Resize(width=800), output=Webp())]))
    # Not ru_maxrss: that remembers the parent a process was forked from.
    said = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    print(int(said["VmHWM"].split()[0]) * 1024 / 1e6)


if __name__ == "__main__":
    _work(sys.argv[1:])
