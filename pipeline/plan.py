"""Who does what in an order: a pure answer from its recipes and the number of free children."""

from collections.abc import Sequence
from typing import NamedTuple

from models.outputs import Avif, Gif, Ico, Jpeg, Mezzanine, Output, Png, Webp
from models.recipe import Recipe, settle
from pipeline.extent import extent
from pipeline.prints import Probe

# Milliseconds per megapixel on one core, measured at 6 megapixels; only their order matters.
_AVIF_EFFORT = (80, 200, 400, 600, 2600, 4000, 6000, 9000, 20_000, 40_000)


class Part(NamedTuple):
    """One file to make, and the places in the order where it is wanted."""

    recipe: Recipe
    positions: tuple[int, ...]
    cost: float


class Plan(NamedTuple):
    """Distinct parts, the most expensive first. `together`: one child develops, all encode."""

    parts: tuple[Part, ...]
    together: bool


def plan(probe: Probe, recipes: Sequence[Recipe], free: int) -> Plan:
    """Every recipe's file exactly once, shared by as many children as are free now."""
    wanted: dict[Recipe, list[int]] = {}
    for position, recipe in enumerate(recipes):
        wanted.setdefault(settle(recipe), []).append(position)
    parts = [
        Part(recipe, tuple(positions), _cost(probe, recipe)) for recipe, positions in wanted.items()
    ]
    parts.sort(key=lambda part: -part.cost)
    return Plan(tuple(parts), together=free > 1 and len(parts) > 1)


def _cost(probe: Probe, settled: Recipe) -> float:
    return extent(probe, settled).pixels / 1e6 * _effort(settled.output)


def _effort(output: Output) -> float:
    """`output` is settled: every option that matters has a value."""
    match output:
        case Avif():
            return _AVIF_EFFORT[output.effort or 0]
        case Webp():
            return (
                2000 if output.lossless or output.near_lossless else 60 + 20 * (output.effort or 0)
            )
        case Png():
            return 1000 if output.palette else 65
        case Jpeg():
            return 90 if output.trellis_quantisation else 15
        case Gif():
            return 1600
        case Ico() | Mezzanine():
            return 50
