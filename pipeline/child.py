"""The life of a child: take a job, do it with the engine, answer, until the line is cut."""

import errno
import hashlib
import mmap
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from models.errors import Overloaded, RenderCrashed, RenderOutOfMemory, ServiceError
from models.outputs import Output
from pipeline import engine
from pipeline.confine import allow_job, allow_step, confine, die_with, resident, step_back
from pipeline.engine_lately import Lately
from pipeline.jobs import (
    Begun,
    Birth,
    Developed,
    DevelopJob,
    EncodeJob,
    Failed,
    Finished,
    KeepJob,
    Printed,
    Probed,
    ProbeJob,
    Ready,
    RenderJob,
    Reply,
    read_job,
    write,
)
from pipeline.limits import Limits
from pipeline.prints import Picture, Print
from pipeline.seal import seal
from pipeline.stages import Stopwatch

Say = Callable[[Reply], None]
Pictures = Iterator[tuple[Picture, tuple[int, ...]]]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class Place(NamedTuple):
    """Where a child works: what it may use, what it has at hand, and the clock."""

    limits: Limits
    lately: Lately
    watch: Stopwatch


def main(line: int, parent: int) -> None:
    """Serve the studio on the socket number `line`."""
    die_with(parent)
    with socket.socket(fileno=line) as studio, studio.makefile("rb") as inbox:
        serve(inbox, lambda reply: studio.sendall(write(reply) + b"\n"))


def serve(inbox: Iterator[bytes], say: Say) -> None:
    """The first line says the limits; every other one is a job."""
    birth = read_job(next(inbox))
    assert isinstance(birth, Birth)  # noqa: S101  # the studio speaks first, and only so
    engine.prepare()
    step_back()
    confine(birth.limits)
    seal()
    say(Ready())
    lately = Lately(birth.limits.kept)
    for line in inbox:
        say(Begun())
        allow_job(birth.limits.seconds)
        say(_work(line, Place(birth.limits, lately, Stopwatch()), say))
        allow_step(0)


def _work(line: bytes, place: Place, say: Say) -> Finished | Failed:
    """Do one job; its replies are said on the way, the last word is returned."""
    try:
        for reply in _perform(read_job(line), place):
            say(reply)
    except ServiceError as error:
        return _failed(error)
    except MemoryError:
        return _failed(RenderOutOfMemory())
    except Exception as error:  # noqa: BLE001  # whatever a decoder threw: the studio gets a name, the diary the rest
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            return _failed(Overloaded())
        traceback.print_exc()
        return _failed(RenderCrashed())
    held = resident() - place.lately.weight
    return Finished(resident=held, stages=tuple(place.watch.stages))


def _perform(job: object, place: Place) -> Iterator[Reply]:
    match job:
        case ProbeJob():
            yield Probed(probe=engine.probe(Path(job.source)))
        case RenderJob():
            yield from _render(job, place)
        case KeepJob():
            yield _keep_photo(job, place)
        case DevelopJob():
            yield from _develop(job, place)
        case EncodeJob():
            yield _encode(job, place.watch)


def _render(job: RenderJob, place: Place) -> Iterator[Printed]:
    reader = place.lately.named(job.name) if job.name else None
    pictures = engine.pictures(Path(job.source), job.recipes, place.watch, reader)
    for picture, numbers in _in_time(pictures, place.limits):
        for number in numbers:
            made = _encoded(picture, job.recipes[number].output, place.watch)
            yield _keep(made, Path(job.folder), number)


def _develop(job: DevelopJob, place: Place) -> Iterator[Developed]:
    pictures = engine.pictures(Path(job.source), job.recipes, place.watch)
    for picture, numbers in _in_time(pictures, place.limits):
        (Path(job.folder) / str(numbers[0])).write_bytes(picture.pixels)
        yield Developed(numbers=numbers, canvas=picture.canvas)


def _in_time(pictures: Pictures, limits: Limits) -> Pictures:
    """The engine's pictures, each within the time that reading may take."""
    allow_step(limits.read_seconds)
    for found in pictures:
        allow_step(0)
        yield found
        allow_step(limits.read_seconds)


def _keep_photo(job: KeepJob, place: Place) -> Printed:
    watch = place.watch
    allow_step(place.limits.read_seconds)
    began = time.monotonic()
    taken = engine.take(Path(job.source))
    watch.note("decode", taken.original.format, began)
    allow_step(0)
    began = time.monotonic()
    kept = engine.keep(taken)
    watch.note("encode", kept.format, began)
    return _keep(kept, Path(job.folder), 0)


def _encode(job: EncodeJob, watch: Stopwatch) -> Printed:
    with Path(job.pixels).open("rb") as file:
        pixels = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    made = _encoded(Picture(job.canvas, memoryview(pixels)), job.output, watch)
    return _keep(made, Path(job.folder), job.number)


def _encoded(picture: Picture, output: Output, watch: Stopwatch) -> Print:
    began = time.monotonic()
    made = engine.encode(picture, output)
    watch.note("encode", made.format, began)
    return made


def _keep(made: Print, folder: Path, number: int) -> Printed:
    (folder / str(number)).write_bytes(made.data)
    return Printed(
        number=number,
        size=len(made.data),
        sha256=hashlib.sha256(made.data).hexdigest(),
        width=made.width,
        height=made.height,
        format=made.format,
        content_type=made.content_type,
        extension=made.extension,
    )


def _failed(error: ServiceError) -> Failed:
    return Failed(code=error.code(), sentence=error.sentence, problems=error.problems)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
