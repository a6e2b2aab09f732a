"""PicGo, an uploader that people use, uploads through the photo API."""

import os
from pathlib import Path

import httpx2
import pytest

from tests.picgo.uploader import Absent, installed_picgo, upload
from tests.system.drawn import photo, size_of
from tests.system.world import world


@pytest.fixture(scope="module", autouse=True)
def picgo() -> None:
    try:
        installed_picgo()
    except Absent as absent:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"no PicGo to upload with: {absent}")


def test_picgo_uploads_and_says_where_its_photos_are(tmp_path: Path) -> None:
    files = [tmp_path / "harbour at dusk.jpeg", tmp_path / "chart.png"]
    files[0].write_bytes(photo(640, 480))
    files[1].write_bytes(photo(64, 48, "PNG"))
    with world(tmp_path / "data") as system:
        to = f"{system.api}/api/photos/upload"
        told = upload(tmp_path, to, system.key, files)
        assert told["said"] == []
        assert [one["name"] for one in told["made"]] == [file.name for file in files]
        for one, kind, size in zip(
            told["made"], ["JPEG", "PNG"], [(640, 480), (64, 48)], strict=True
        ):
            served = httpx2.get(one["url"], trust_env=False)
            assert size_of(served.content) == (kind, *size)
        listed = system.http.get("/api/me/photos").json()["data"]
        assert {one["filename"] for one in listed} == {file.name for file in files}
        assert {one["body"] for one in listed} == {"From PicGo"}
        refused = upload(tmp_path, to, "wrong", files[:1])
        assert '"code":401' in refused["said"][0]["body"].replace('\\"', '"')
