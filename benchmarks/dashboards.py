"""Pictures of the dashboards: what compose.yaml starts, under load, as Prometheus saw it.

make dashboards
"""

import argparse
import asyncio
import contextlib
import io
import json
import math
import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx2
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from deploy.grafana.pages import DASHBOARDS
from deploy.grafana.pictures import Series, draw
from tests.cluster.whole import ROLES, Cluster, cluster
from tests.prometheus import Prometheus, prometheus_server
from tests.servers import server_folder
from tests.system.world import command_of, family

TOP = Path(__file__).parents[1]
RULES = [TOP / f"deploy/prometheus/{name}.yml" for name in ("rules", "alerts")]
PICTURES = TOP / "deploy/grafana/png"
WAVE_SECONDS = 150.0
WINDOW = "20s"
WIDTHS = (96, 160, 320, 480)
# Of a hundred uploads: what is asked for.
FORMATS = [["webp"]] * 75 + [["webp", "avif"]] * 10 + [["jpeg"]] * 15
# Caches that some minutes fill.
SMALL = {
    "CALOTYPE_EDGE_MEMORY_BYTES": "1500000",
    "CALOTYPE_EDGE_DISK_BYTES": "6000000",
    "CALOTYPE_CHILDREN": "1",
    "CALOTYPE_EDGE_CHILDREN": "1",
}


class Load:
    """Clients of one system for so many seconds, in waves; what they may ask for."""

    def __init__(self, http: httpx2.AsyncClient, seconds: float) -> None:
        self.http = http
        self.began = time.monotonic()
        self.seconds = seconds
        self.pictures: list[tuple[str, str]] = []
        self.tags: dict[str, str] = {}

    @property
    def left(self) -> float:
        """Seconds until it is over."""
        return self.began + self.seconds - time.monotonic()

    async def every(self, pause: float, act: Callable[[], Awaitable[None]]) -> None:
        """Again and again, more often at the top of a wave."""
        while self.left > 0:
            with contextlib.suppress(httpx2.TransportError):
                await act()
            wave = 1 + 0.6 * math.sin(2 * math.pi * self.left / WAVE_SECONDS)
            await asyncio.sleep(min(random.expovariate(wave / pause), max(0, self.left)))

    async def upload(self) -> None:
        """One picture; one in twenty is none."""
        data = photo(random.choice((640, 1000, 1400)))
        if random.random() < 0.05:
            data = b"this is no picture"
        formats = [{"format": name} for name in random.choice(FORMATS)]
        answer = await self.http.post(
            "/api/v1/images",
            files={"image": ("a.jpg", data)},
            data={"formatOptions": dumped(formats), "resizeOptions": dumped([{"width": 800}])},
        )
        if answer.status_code == httpx2.codes.OK:
            said = answer.json()
            for url in said["simpleData"][0]["variants"].values():
                self.pictures.append((said["data"][0]["id"], httpx2.URL(url).path))

    async def read(self) -> None:
        """A picture that many read, now and then converted."""
        if not self.pictures:
            return
        newest = int(random.expovariate(0.08)) + 1
        _, path = self.pictures[-min(newest, len(self.pictures))]
        if random.random() < 0.08:
            path += f"?w={random.choice(WIDTHS)}"
        known = self.tags.get(path, "") if random.random() < 0.3 else ""
        answer = await self.http.get(path, headers={"If-None-Match": known} if known else {})
        self.tags[path] = answer.headers.get("ETag", "")

    async def stray(self) -> None:
        """A picture that there is not, or a source inside."""
        if random.random() < 0.8:
            await self.http.get(f"/nobody/{random.randrange(9)}.webp")
        else:
            await self.http.post("/api/v1/images", data={"url": "http://10.0.0.1/a.jpg"})

    async def delete(self) -> None:
        """The oldest picture."""
        if len(self.pictures) > 20:
            image = self.pictures[0][0]
            self.pictures = [one for one in self.pictures if one[0] != image]
            await self.http.delete(f"/api/v1/images/{image}")

    async def look(self) -> None:
        """A page of the library; one in ten with a wrong key."""
        key = {"Authorization": "Bearer wrong"} if random.random() < 0.1 else {}
        await self.http.get("/api/v1/images", headers=key)


def photo(width: int) -> bytes:
    """A picture unlike the last."""
    coarse = Image.effect_noise((width // 8, width // 12), 90)
    picture = coarse.resize((width, width * 2 // 3), Image.Resampling.BICUBIC).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()


def dumped(value: object) -> str:
    """As JSON."""
    return json.dumps(value)


async def drive(made: Cluster, seconds: float) -> None:
    """All clients beside each other, and a render child that is killed at times."""
    headers = {"Authorization": f"Bearer {made.key}"}
    async with httpx2.AsyncClient(
        base_url=made.public, headers=headers, timeout=60, trust_env=False
    ) as http:
        await http.patch("/api/v1/buckets/snapix_default_bucket", json={"conversion": "open"})
        load = Load(http, seconds)
        async with asyncio.TaskGroup() as clients:
            for _ in range(2):
                clients.create_task(load.every(1.5, load.upload))
            for _ in range(12):
                clients.create_task(load.every(0.2, load.read))
            clients.create_task(load.every(4, load.delete))
            clients.create_task(load.every(0.7, load.look))
            clients.create_task(load.every(3, load.stray))
            clients.create_task(load.every(60, lambda: asyncio.to_thread(shoot, made)))


def shoot(made: Cluster) -> None:
    """Kill a render child of the first pipeline."""
    children = [one for one in family(made.members["pipeline-1"].pid) if "child" in command_of(one)]
    if children:
        os.kill(random.choice(children), signal.SIGKILL)


def asked(
    seen: Prometheus, made: Cluster, began: float, end: float
) -> Callable[[str], list[Series]]:
    """How a panel's expression is asked: over all of the load, processes by their number."""
    names = {
        address.removeprefix("http://"): name.rpartition("-")[2]
        for name, address in made.operators.items()
    }

    def ask(expression: str) -> list[Series]:
        for name, value in (
            ("$__rate_interval", WINDOW),
            ("$__range", f"{end - began:.0f}s"),
        ):
            expression = expression.replace(name, value)
        found = seen.range(expression, began, end, 2)
        return [
            Series(labels | {"instance": names.get(labels.get("instance", ""), "")}, points)
            for labels, points in found
        ]

    return ask


def main() -> None:
    """Start, drive, draw."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=300)
    seconds = options.parse_args().seconds
    with (
        server_folder() as folder,
        cluster(folder, **SMALL) as made,
        prometheus_server(
            {
                role: [made.operators[name].removeprefix("http://") for name in made.of(role)]
                for role in ROLES
            },
            rules=RULES,
        ) as seen,
    ):
        seen.scraped()
        began = time.time()
        asyncio.run(drive(made, seconds))
        ask = asked(seen, made, began + 15, time.time())
        for dashboard in DASHBOARDS:
            file = PICTURES / f"{dashboard.name}.png"
            draw(dashboard, ask, file)
            print(f"{file.relative_to(TOP)}  {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
