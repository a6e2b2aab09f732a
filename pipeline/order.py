"""Carrying out a plan: one child alone, or one that develops and all that are free to encode."""

import asyncio
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from models.errors import RenderCrashed
from pipeline.crew import Crew
from pipeline.jobs import Developed, DevelopJob, EncodeJob, Finished, Printed, RenderJob, Reply
from pipeline.plan import Plan
from pipeline.stages import Stage

_BEGIN = 0.0  # orders begin as they came; steps of a begun one go first, the dearest before all

Heard = Callable[[Reply], None]
Told = Callable[[int, int], None]


class Order(NamedTuple):
    """A plan with all that is needed to carry it out."""

    plan: Plan
    source: Path
    seconds: float
    told: Told | None = None
    """Called with how many of the prints asked for are made, and how many there will be."""
    asked: int = 0
    """The prints of the first so many positions are asked for; the others are our own wish."""
    name: str = ""
    """Of the source, when more will be made from it."""


async def carry_out(order: Order, folder: Path, crew: Crew) -> tuple[list[Printed], list[Stage]]:
    """A print in `folder` for every part, in their order; and what the steps to them took."""
    prints: dict[int, Printed] = {}
    stages: list[Stage] = []

    def heard(reply: Reply) -> None:
        if isinstance(reply, Printed):
            prints[reply.number] = reply
            _tell(order, prints)
        elif isinstance(reply, Finished):
            stages.extend(reply.stages)

    await (_together if order.plan.together else _alone)(order, folder, crew, heard)
    if set(prints) != set(range(len(order.plan.parts))):
        raise RenderCrashed  # a child that miscounts its prints is out of its mind
    return [prints[number] for number in sorted(prints)], stages


def _tell(order: Order, prints: Mapping[int, Printed]) -> None:
    if order.told is not None:
        parts = order.plan.parts
        counts = [sum(at < order.asked for at in part.positions) for part in parts]
        done = sum(counts[number] for number in prints if number < len(parts))
        order.told(done, sum(counts))


async def _alone(order: Order, folder: Path, crew: Crew, heard: Heard) -> None:
    recipes = tuple(part.recipe for part in order.plan.parts)
    job = RenderJob(source=str(order.source), folder=str(folder), recipes=recipes, name=order.name)
    await crew.ask(_BEGIN, job, order.seconds, heard)


async def _together(order: Order, folder: Path, crew: Crew, heard: Heard) -> None:
    """Encoding begins with the first developed picture, and the developer joins in at its end."""
    pixels = folder / "pixels"
    pixels.mkdir()
    recipes = tuple(part.recipe for part in order.plan.parts)
    job = DevelopJob(source=str(order.source), folder=str(pixels), recipes=recipes)
    with _first_of_many():
        async with asyncio.TaskGroup() as encoders:

            def developed(reply: Reply) -> None:
                heard(reply)
                for encode in _encodings(order, folder, reply):
                    encoders.create_task(_encode(order, crew, encode, heard))

            await crew.ask(_BEGIN, job, order.seconds, developed)
    shutil.rmtree(pixels)


def _encodings(order: Order, folder: Path, reply: Reply) -> Iterator[EncodeJob]:
    if not isinstance(reply, Developed):
        return
    for number in reply.numbers:
        yield EncodeJob(
            pixels=str(folder / "pixels" / str(reply.numbers[0])),
            canvas=reply.canvas,
            output=order.plan.parts[number].recipe.output,
            folder=str(folder),
            number=number,
        )


async def _encode(order: Order, crew: Crew, job: EncodeJob, heard: Heard) -> None:
    await crew.ask(-order.plan.parts[job.number].cost, job, order.seconds, heard)


@contextmanager
def _first_of_many() -> Iterator[None]:
    """One cause is told, not a group: when one step fails the others are only cut short."""
    try:
        yield
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
