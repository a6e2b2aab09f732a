"""(c) Renders from the mezzanine look like renders from the original (butteraugli).

The reference of each is the original, decoded whole and resized in linear light. The ratio is the
distance of the render from the original to that of the render from the mezzanine: 1 is equal.
"""

import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from statistics import geometric_mean
from typing import Final

import pyvips
from edge_ours import ours
from edge_peers import Absent
from eyes import can_see, distance
from measured import Measured
from programs import NotStarted

WIDTHS: Final = (160, 320, 640, 800)
FORM: Final = "jpeg"


def measure(pictures: list[Path]) -> Iterator[Measured]:
    """The mean over photos and widths."""
    if not can_see():
        yield Measured("looks", None, None, {"skipped": "needs libjxl-devtools"})
        return
    try:
        whole = _renders(pictures, mezzanine=False)
        small = _renders(pictures, mezzanine=True)
    except (Absent, NotStarted) as why:
        yield Measured("looks", None, None, {"skipped": str(why)})
        return
    ratios = []
    for at, width in whole:
        far = _distance(pictures[at], whole[at, width])
        ratios.append(far / _distance(pictures[at], small[at, width]))
    figures = {"worst": round(min(ratios), 3), "pictures": len(ratios)}
    yield Measured("looks from the mezzanine", geometric_mean(ratios), 0.98, figures)


Renders = dict[tuple[int, int], bytes]
"""By photo and width."""


def _renders(pictures: list[Path], *, mezzanine: bool) -> Renders:
    with ours(pictures, mezzanine=mezzanine) as served:
        return {
            (at, width): _get(served.port, served.locate(name, width, FORM))
            for at, name in enumerate(served.names)
            for width in WIDTHS
        }


def _get(port: int, path: str) -> bytes:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60) as answer:
            return bytes(answer.read())
    except OSError as error:
        raise Absent(f"{path}: {error}") from error


def _distance(picture: Path, render: bytes) -> float:
    """From the original in the render's own size: one row more or less is not told by looks."""
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        drawn = pyvips.Image.new_from_buffer(render, "")
        image = pyvips.Image.new_from_file(str(picture)).autorot()
        if image.get_typeof("icc-profile-data"):
            image = image.icc_transform("srgb", intent="relative")
        across, down = drawn.width / image.width, drawn.height / image.height
        resized = image.colourspace("scrgb").resize(across, vscale=down).colourspace("srgb")
        resized.cast("uchar").pngsave(file.name, keep="none", compression=1)
        return distance(Path(file.name), render)
