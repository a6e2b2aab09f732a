"""The life of a child: take a job, do it with the engine, answer, until the line is cut."""

import errno
import hashlib
import mmap
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from models.errors import Overloaded, RenderCrashed, RenderOutOfMemory, ServiceError
from pipeline import engine
from pipeline.confine import allow_job, allow_step, confine, die_with, resident, step_back
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

Say = Callable[[Reply], None]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


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
    for line in inbox:
        say(Begun())
        allow_job(birth.limits.seconds)
        say(_work(line, birth.limits, say))
        allow_step(0)


def _work(line: bytes, limits: Limits, say: Say) -> Finished | Failed:
    """Do one job; its replies are said on the way, the last word is returned."""
    try:
        for reply in _perform(read_job(line), limits):
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
    return Finished(resident=resident())


def _perform(job: object, limits: Limits) -> Iterator[Reply]:
    match job:
        case ProbeJob():
            yield Probed(probe=engine.probe(Path(job.source)))
        case RenderJob():
            yield from _render(job, limits)
        case KeepJob():
            yield _keep_photo(job, limits)
        case DevelopJob():
            yield from _develop(job, limits)
        case EncodeJob():
            yield _encode(job)


def _render(job: RenderJob, limits: Limits) -> Iterator[Printed]:
    for picture, numbers in _pictures(job, limits):
        for number in numbers:
            made = engine.encode(picture, job.recipes[number].output)
            yield _keep(made, Path(job.folder), number)


def _develop(job: DevelopJob, limits: Limits) -> Iterator[Developed]:
    for picture, numbers in _pictures(job, limits):
        (Path(job.folder) / str(numbers[0])).write_bytes(picture.pixels)
        yield Developed(numbers=numbers, canvas=picture.canvas)


def _pictures(
    job: RenderJob | DevelopJob, limits: Limits
) -> Iterator[tuple[Picture, tuple[int, ...]]]:
    """The engine's pictures, each within the time that reading may take."""
    pictures = engine.pictures(Path(job.source), job.recipes)
    allow_step(limits.read_seconds)
    for found in pictures:
        allow_step(0)
        yield found
        allow_step(limits.read_seconds)


def _keep_photo(job: KeepJob, limits: Limits) -> Printed:
    allow_step(limits.read_seconds)
    taken = engine.take(Path(job.source))
    allow_step(0)
    return _keep(engine.keep(taken), Path(job.folder), 0)


def _encode(job: EncodeJob) -> Printed:
    with Path(job.pixels).open("rb") as file:
        pixels = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    made = engine.encode(Picture(job.canvas, memoryview(pixels)), job.output)
    return _keep(made, Path(job.folder), job.number)


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
