"""(b) Whole orders on the same cores: our studio against sharp making every output at once."""

import asyncio
import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import measured
from measured import Measured

from models.forms import read_recipes
from models.recipe import Recipe
from pipeline.studio import Studio

WIDTHS: Final = (400, 800, 1200)
SHARP: Final[Mapping[str, Mapping[str, Any]]] = {
    "jpeg": {
        "quality": 80,
        "progressive": False,
        "chromaSubsampling": "4:2:0",
        "optimiseCoding": True,
        "trellisQuantisation": False,
        "overshootDeringing": False,
        "optimiseScans": False,
        "quantisationTable": 0,
    },
    "webp": {"quality": 80, "effort": 4},
    "avif": {"quality": 50, "effort": 4, "chromaSubsampling": "4:4:4", "bitdepth": 8},
}


class Wanted(NamedTuple):
    """One output of an order, in words that both sides know."""

    width: int
    format: str
    options: Mapping[str, Any]

    def recipe(self) -> Recipe:
        """For us."""
        asked = {"format": self.format, "options": dict(self.options)}
        return read_recipes([{"width": self.width}], [asked], None)[0][0]


THUMBNAILS: Final = (Wanted(120, "webp", {"quality": 30}), Wanted(320, "webp", {"quality": 30}))
NONE: Final[Mapping[str, Any]] = {}
FREE: Final = [Wanted(width, name, NONE) for width in WIDTHS for name in ("webp", "avif")]
SAME: Final = [Wanted(width, name, SHARP[name]) for width in WIDTHS for name in ("webp", "avif")]
OLD: Final = [Wanted(width, name, SHARP[name]) for width in WIDTHS for name in ("jpeg", "webp")]
ORDERS: Final = (
    ("order, webp+avif x 3 + thumbs, own defaults", [*FREE, *THUMBNAILS], 5, 3.0),
    ("order, webp+avif x 3 + thumbs, same options", [*SAME, *THUMBNAILS], 3, 1.0),
    ("order, jpeg+webp x 3, same options", OLD, 11, 1.2),
)


class Sharp:
    """A node process that has sharp loaded and waits for orders."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process = process
        self._folder = folder

    def make(self, source: Path, wanted: Sequence[Wanted]) -> None:
        """Every output as a file."""
        outputs = [
            one._asdict() | {"file": str(self._folder / f"{number}.{one.format}")}
            for number, one in enumerate(wanted)
        ]
        assert self._process.stdin  # noqa: S101 - both were asked for
        assert self._process.stdout  # noqa: S101
        self._process.stdin.write(json.dumps({"input": str(source), "outputs": outputs}) + "\n")
        self._process.stdin.flush()
        if self._process.stdout.readline() != "done\n":
            raise RuntimeError("sharp failed")


@contextlib.contextmanager
def sharp() -> Iterator[Sharp]:
    """Start node with sharp's own defaults of threads and cache."""
    command = ["node", str(Path(__file__).with_name("sharp.js"))]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        yield Sharp(process, Path(folder))
        process.kill()


def measure(source: Path) -> Iterator[Measured]:
    """Each order by turns: sharp, us, sharp, us..."""
    with asyncio.Runner() as runner, sharp() as theirs:
        studio = Studio()
        runner.run(studio.__aenter__())
        try:
            for name, wanted, times, target in ORDERS:
                recipes = [one.recipe() for one in wanted]
                yield measured.compare(
                    name,
                    lambda recipes=recipes: runner.run(_make(studio, source, recipes)),
                    lambda wanted=wanted: theirs.make(source, wanted),
                    times=times,
                    target=target,
                )
        finally:
            runner.run(studio.__aexit__(None, None, None))


async def _make(studio: Studio, source: Path, recipes: Sequence[Recipe]) -> None:
    with await studio.render(source, recipes) as prints:
        assert len(prints) == len(recipes)  # noqa: S101 - nothing was left out
