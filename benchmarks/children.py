"""(c) What a second child is worth: the same orders through one and through two."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from measured import Measured

from models.recipe import Recipe, Resize, Webp
from pipeline.studio import Studio

ORDERS = 32  # enough that the last one, alone at the end, does not count
RECIPE = Recipe(resize=Resize(width=800), output=Webp())


def measure(source: Path) -> Iterator[Measured]:
    """Orders per second, by turns, each time with fresh children that are warm."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(3):
        for children, seen in rates.items():
            seen.append(asyncio.run(_rate(source, children)))
    one, two = median(rates[1]), median(rates[2])
    figures = {"one_per_s": round(one, 2), "two_per_s": round(two, 2)}
    yield Measured("two children against one", two / one, 1.9, figures)


async def _rate(source: Path, children: int) -> float:
    async with Studio(children=children) as studio:
        await asyncio.gather(*(_order(studio, source) for _ in range(2 * children)))
        start = time.perf_counter()
        await asyncio.gather(*(_order(studio, source) for _ in range(ORDERS)))
        return ORDERS / (time.perf_counter() - start)


async def _order(studio: Studio, source: Path) -> None:
    with await studio.render(source, [RECIPE]):
        pass
