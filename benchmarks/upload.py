"""Whole uploads over HTTP: how long they take, and how much of that is not rendering.

One run on one machine: the system as `calotype up` starts it, and the same renders by the same
number of children without a system around them. Prints a table and a line of JSON per case.
"""

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import IO, Final, NamedTuple, cast

import msgspec
import pyvips
from measured import Measured, table

from benchmarks.scaling.client import body_of, client_with, upload
from models.outputs import Mezzanine
from models.recipe import Recipe, Resize, Webp, thumbnails
from pipeline.studio import Studio

CALOTYPE: Final = Path(sys.executable).with_name("calotype")
PHOTOS: Final = Path(__file__).parents[2] / "shared" / "photos"
ASKED: Final = Recipe(resize=Resize(width=1200), output=Webp())
WORKING_COPY: Final = msgspec.structs.replace(ASKED, output=Mezzanine())
ORDER: Final = [*thumbnails(None), ASKED, WORKING_COPY]  # what the system makes of the same
TICKS: Final = os.sysconf("SC_CLK_TCK")


class System(NamedTuple):
    """A running system."""

    process: int
    api: str
    edge: str
    key: str
    ready_seconds: float


def main() -> None:
    """Measure, print, and fail below the floor."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=40, help="uploads per case")
    arguments = parser.parse_args()
    picture = photo()
    with running() as system:
        cases = [Measured("ready", None, None, {"seconds": round(system.ready_seconds, 2)})]
        uploads = arguments.uploads
        cases += [measure(system, picture, many, uploads) for many in (1, 4, 8)]
        cases += [
            Measured(f"resident: {name}", None, None, {"MB": round(size / 1e6, 1)})
            for name, size in resident(system.process)
        ]
    sys.stdout.write(table(cases) + "\n\n")
    for case in cases:
        sys.stdout.write(case.line + "\n")


def photo() -> bytes:
    """A 12 MP JPEG: a real one where there is one, else a drawn one."""
    with contextlib.suppress(FileNotFoundError):
        return (PHOTOS / "23-dog_exif_extended_xmp_icc.jpg").read_bytes()
    noise = pyvips.Image.gaussnoise(1000, 750, sigma=60, mean=128).resize(4)
    picture = noise.bandjoin([noise.flip("horizontal"), noise.flip("vertical")]).cast("uchar")
    return bytes(picture.copy(interpretation="srgb").jpegsave_buffer(Q=88))


async def bare_seconds(picture: bytes, orders: int) -> float:
    """Seconds per order when nothing but the children works."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(picture)
        file.flush()
        async with Studio() as studio:
            turns = asyncio.Semaphore(8)

            async def order() -> None:
                async with turns:
                    with await studio.render(Path(file.name), ORDER):
                        pass

            await asyncio.gather(*(order() for _ in range(4)))
            began = time.perf_counter()
            await asyncio.gather(*(order() for _ in range(orders)))
            return (time.perf_counter() - began) / orders


@contextlib.contextmanager
def running(**environment: str) -> Iterator[System]:
    """A fresh system on free ports, in a session of its own."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        command = [CALOTYPE, "up", "--data", data, "--port", "0", "--edge-port", "0", "--json"]
        began = time.perf_counter()
        env = os.environ | environment
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=env, start_new_session=True)
        output = cast("IO[bytes]", process.stdout)
        told = json.loads(output.readline())
        took = time.perf_counter() - began
        try:
            yield System(process.pid, told["api"], told["edge"], told["key"], took)
        finally:
            process.terminate()
            process.wait()
            output.close()


def measure(system: System, picture: bytes, concurrency: int, uploads: int) -> Measured:
    """Upload so many times, so many at once; the ratio is throughput against the bare studio.

    Which is measured before and after: machines that others use too get slower and faster.
    """
    before = asyncio.run(bare_seconds(picture, uploads // 2))
    body = body_of(picture)
    asyncio.run(upload_many(system, body, concurrency, min(4, uploads)))  # both sides are warm
    outside = cpu_outside_children(system.process)
    began = time.perf_counter()
    times = asyncio.run(upload_many(system, body, concurrency, uploads))
    took = time.perf_counter() - began
    outside = cpu_outside_children(system.process) - outside
    bare = (before + asyncio.run(bare_seconds(picture, uploads // 2))) / 2
    p50, p99 = median(times), quantiles(times, n=100)[98]
    figures = {
        "per_second": round(uploads / took, 2),
        "p50_ms": round(p50 * 1e3),
        "p99_ms": round(p99 * 1e3),
        "p99_to_p50": round(p99 / p50, 2),
        "cpu_outside_ms": round(outside / uploads * 1e3, 1),
        "bare_ms": round(bare * 1e3, 1),
    }
    target = 0.85 if concurrency == 8 else None
    return Measured(f"upload: concurrency {concurrency}", bare * uploads / took, target, figures)


async def upload_many(system: System, body: bytes, concurrency: int, uploads: int) -> list[float]:
    """Seconds of each upload."""
    turns = asyncio.Semaphore(concurrency)
    async with client_with(system.key) as http:

        async def one() -> float:
            async with turns:
                return await upload(http, system.api, body)

        return list(await asyncio.gather(*(one() for _ in range(uploads))))


def processes(root: int) -> Iterator[tuple[int, str]]:
    """A process and its descendants with a name for each."""
    line = Path(f"/proc/{root}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    name = "render child" if "pipeline.child" in line else line.split("/")[-1].split()[0]
    yield root, "nats-server" if "nats-server" in line else name
    for task in Path(f"/proc/{root}/task").iterdir():
        for child in (task / "children").read_text().split():
            with contextlib.suppress(FileNotFoundError):
                yield from processes(int(child))


def cpu_outside_children(root: int) -> float:
    """CPU seconds of everything but the render children so far."""
    used = 0
    for process, name in processes(root):
        if name != "render child":
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            used += int(fields[11]) + int(fields[12])
    return used / TICKS


def resident(root: int) -> Iterator[tuple[str, int]]:
    """Resident bytes of each process."""
    for process, name in processes(root):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        yield name, pages * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
