"""A whole Calotype with photos in it, for the edge's benchmarks."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast
from urllib.parse import urlsplit

import httpx2
from edge_peers import QUALITY, Absent

CALOTYPE: Final = Path(sys.executable).with_name("calotype")
SETTINGS: Final = {
    "CALOTYPE_RATE_LIMIT_RENDERS": "",
    "CALOTYPE_CHILDREN": "2",
    "CALOTYPE_MAX_FILE_BYTES": "100000000",
    "CALOTYPE_DEVELOP_SECONDS": "30",
}


BUCKET: Final = "snapix_default_bucket"


class Ours(NamedTuple):
    """A running system: its edge, and the paths of its photos."""

    port: int
    names: list[str]
    pid: int

    @staticmethod
    def locate(path: str, width: int, form: str) -> str:
        """The path of a picture that is to be made."""
        return f"{path}?w={width}&fm={form}&q={QUALITY[form]}"


@contextlib.contextmanager
def ours(pictures: list[Path], *, mezzanine: bool) -> Iterator[Ours]:
    """A fresh system on free ports with these photos uploaded. Raises Absent.

    With a `mezzanine` the edge has that and a thumbnail to render from, without one the original.
    """
    with tempfile.TemporaryDirectory() as folder, _up(Path(folder) / "data") as (told, pid):
        headers = {"Authorization": f"Bearer {told['key']}"}
        with httpx2.Client(
            base_url=told["api"], headers=headers, timeout=120, trust_env=False
        ) as api:
            if not mezzanine:
                sources = {"mezzanine": False, "keepOriginals": True}
                _answered(api.patch(f"/api/v1/buckets/{BUCKET}", json=sources))
            paths = [_upload(api, picture) for picture in pictures]
        yield Ours(urlsplit(told["edge"]).port or 80, paths, pid)


def _upload(api: httpx2.Client, picture: Path) -> str:
    """Store a photo as large as it is; the path of its variant."""
    form = {"formatOptions": '{"format": "jpeg"}'}
    with picture.open("rb") as file:
        answer = _answered(api.post("/api/v1/images", data=form, files={"image": file}))
    (address,) = answer["simpleData"][0]["variants"].values()
    return urlsplit(address).path


def _answered(answer: httpx2.Response) -> dict[str, Any]:
    if not answer.is_success:
        what = answer.request.url.path
        raise Absent(f"{what} was answered with {answer.status_code}: {answer.text[:200]}")
    return cast("dict[str, Any]", answer.json())


@contextlib.contextmanager
def _up(data: Path) -> Iterator[tuple[dict[str, str], int]]:
    command = [CALOTYPE, "up", "--data", data, "--port", "0", "--edge-port", "0", "--json"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **SETTINGS}
    )
    output = cast("IO[bytes]", process.stdout)
    try:
        yield json.loads(output.readline()), process.pid
    finally:
        process.terminate()
        process.wait()
        output.close()
