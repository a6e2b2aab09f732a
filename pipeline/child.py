"""The life of a child: take a job, do it with the engine, answer, until the line is cut."""

import hashlib
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from models.errors import RenderCrashed, RenderOutOfMemory, ServiceError
from pipeline import engine
from pipeline.confine import allow_cpu, confine, die_with, resident
from pipeline.jobs import (
    Birth,
    Failed,
    Finished,
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
from pipeline.prints import Print

Say = Callable[[Reply], None]


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
    confine(birth.limits)
    say(Ready())
    for line in inbox:
        _work(line, birth.limits, say)


def _work(line: bytes, limits: Limits, say: Say) -> None:
    allow_cpu(limits.cpu_seconds)
    try:
        for reply in _perform(read_job(line)):
            say(reply)
    except ServiceError as error:
        say(_failed(error))
    except MemoryError:
        say(_failed(RenderOutOfMemory()))
    except Exception:  # noqa: BLE001  # whatever a decoder threw: the studio gets a name, the diary the rest
        traceback.print_exc()
        say(_failed(RenderCrashed()))
    else:
        say(Finished(resident=resident()))


def _perform(job: object) -> Iterator[Reply]:
    match job:
        case ProbeJob():
            yield Probed(probe=engine.probe(Path(job.source)))
        case RenderJob():
            yield from _render(job)


def _render(job: RenderJob) -> Iterator[Reply]:
    prints = engine.render(Path(job.source), job.recipes)
    for index, made in enumerate(prints):
        yield _keep(made, Path(job.folder), index)


def _keep(made: Print, folder: Path, index: int) -> Printed:
    (folder / str(index)).write_bytes(made.data)
    return Printed(
        index=index,
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
