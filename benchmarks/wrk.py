"""wrk, asking for a list of paths in turn (Debian: `apt-get install wrk`)."""

import re
import subprocess
import tempfile
from pathlib import Path
from typing import Final, NamedTuple

_LUA: Final = """
local asked, at = {{}}, 0
init = function()
    for path in io.lines("{list}") do asked[#asked + 1] = wrk.format("GET", path) end
end
request = function() at = at % #asked + 1; return asked[at] end
"""


class Refused(Exception):
    """A server that answered something else than 2xx or 3xx."""


class Figure(NamedTuple):
    """Requests a second, milliseconds, and how many requests there were."""

    rate: float
    p50: float
    p99: float
    done: int


def ask(
    port: int,
    paths: list[str],
    *,
    seconds: float,
    connections: int = 32,
    headers: tuple[str, ...] = (),
) -> Figure:
    """One run. Raises Refused."""
    with tempfile.TemporaryDirectory() as folder:
        (listed := Path(folder, "paths")).write_text("\n".join(paths) + "\n")
        (script := Path(folder, "keys.lua")).write_text(_LUA.format(list=listed))
        lines = [part for header in headers for part in ("-H", header)]
        shape = ["-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--latency", "-s", str(script)]
        command = ["wrk", *shape, *lines, f"http://127.0.0.1:{port}"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx or 3xx" in said:
        raise Refused(said)
    return Figure(
        rate=_number(r"Requests/sec:\s+([0-9.]+)", said),
        p50=_latency(said, 50),
        p99=_latency(said, 99),
        done=int(_number(r"([0-9]+) requests in", said)),
    )


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def _latency(text: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([0-9.]+)(us|ms|s)", text)
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]] if found else 0.0
