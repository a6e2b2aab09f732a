"""(e) What the edge weighs with ten thousand pictures of 20 KB in its memory."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge_hits import BUCKET, SERVED
from edge_renders import ask_each
from measured import Measured
from programs import free_port, megabytes, running

SIZE: Final = 20_480
OVERHEAD_MB: Final = 64


def measure(keys: int) -> Iterator[Measured]:
    """Resident before and after, and the ratio of bodies and an allowance to what came on top."""
    with tempfile.TemporaryDirectory() as home:
        (folder := Path(home, BUCKET)).mkdir()
        for number in range(keys):
            (folder / f"{number}-20.webp").write_bytes(os.urandom(SIZE))
        port = free_port()
        with running(sys.executable, SERVED, home, str(port), port=port) as session:
            empty = megabytes(session)
            for _ in range(2):
                done = ask_each(port, [f"/{BUCKET}/{n}-20.webp" for n in range(keys)], 60)
            full = megabytes(session)
    bodies = keys * SIZE / 1e6
    figures = {"empty_mb": round(empty), "full_mb": round(full), "bodies_mb": round(bodies)}
    ratio = (bodies + OVERHEAD_MB) / max(1, full - empty)
    yield Measured(f"memory with {keys} keys", ratio, 1.0, figures | {"per_s": round(done.rate)})
