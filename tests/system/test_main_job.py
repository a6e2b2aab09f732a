"""The main job: a picture goes in, its variants come out at the edge, until it is deleted."""

import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from tests.system.drawn import photo, size_of
from tests.system.world import World, eventually

FORMATS = [{"format": name} for name in ("webp", "avif", "jpeg", "png")]


def test_an_upload_answers_with_every_variant_of_every_size(system: World) -> None:
    before = system.credits()
    answer = system.upload(
        photo(),
        name="holiday.jpg",
        description="On the pier",
        resizeOptions=[{"width": 400}, {"height": 150}],
        formatOptions=FORMATS,
    )
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert set(body) == {"data", "images", "simpleData", "accountStatistics"}
    assert body["images"] == body["data"]
    assert [image["originalName"] for image in body["data"]] == [
        "holiday.jpg 1:[400x300]",
        "holiday.jpg 2:[200x150]",
    ]
    suffixes = [variant["idSuffix"] for variant in body["data"][0]["metadata"]]
    assert suffixes == ["thumb_small", "thumb_big", *["400x300"] * 4, "original"]
    assert body["accountStatistics"]["creditsUsed"] == 8
    assert body["accountStatistics"]["remainingCredits"] == before - 8


def test_every_url_of_an_answer_serves_what_the_answer_says(system: World) -> None:
    body = system.upload(photo(), resizeOptions={"width": 320}, formatOptions=FORMATS).json()
    (image,) = body["data"]
    counted = 0
    for variant in image["metadata"]:
        if variant["objectKey"]:
            served = httpx2.get(f"{image['urlBase']}/{variant['objectKey']}", trust_env=False)
            assert served.status_code == 200
            assert served.headers["content-type"] == variant["contentType"]
            assert len(served.content) == variant["size"]
            kind, width, height = size_of(served.content)
            info = variant["imageInfo"]
            assert (kind.lower(), width, height) == (info["type"], info["width"], info["height"])
            counted += variant["size"] * (not variant["idSuffix"].startswith("thumb"))
    assert image["size"] == counted
    assert {f: url.rsplit(".")[-1] for f, url in body["simpleData"][0]["variants"].items()} == {
        "webp": "webp",
        "avif": "avif",
        "jpeg": "jpg",
        "png": "png",
    }


def test_the_edge_confirms_what_a_browser_already_has(system: World) -> None:
    body = system.upload(photo()).json()
    url = body["simpleData"][0]["variants"]["webp"]
    first = httpx2.get(url, trust_env=False)
    assert first.headers["etag"] == f'"{hashlib.sha256(first.content).hexdigest()}"'
    assert "max-age" in first.headers["cache-control"]
    again = httpx2.get(url, headers={"If-None-Match": first.headers["etag"]}, trust_env=False)
    assert (again.status_code, again.content) == (304, b"")


def test_an_image_can_be_read_again_with_its_id(system: World) -> None:
    uploaded = system.upload(photo()).json()
    answer = system.http.get(f"/api/v1/images/{uploaded['data'][0]['id']}")
    assert answer.json() == {
        "data": uploaded["data"][0],
        "simpleData": uploaded["simpleData"][0],
    }


def test_a_deleted_image_is_gone_everywhere_within_a_second(system: World) -> None:
    used = system.upload(photo()).json()
    image = used["data"][0]
    url = used["simpleData"][0]["variants"]["webp"]
    assert httpx2.get(url, trust_env=False).status_code == 200
    answer = system.http.delete(f"/api/v1/images/{image['id']}")
    deleted = time.monotonic()
    assert (answer.status_code, answer.text) == (200, "null")
    eventually(lambda: httpx2.get(url, trust_env=False).status_code == 404, seconds=5)
    assert time.monotonic() - deleted < max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert system.http.get(f"/api/v1/images/{image['id']}").status_code == 404
    assert system.http.delete(f"/api/v1/images/{image['id']}").status_code == 404
    bucket = image["urlBase"].rsplit("/")[-1]
    folder = system.data / "objects" / "variants" / bucket / image["id"]
    eventually(lambda: not folder.exists())


def test_two_uploads_at_once_both_succeed(system: World) -> None:
    pictures = [photo(900, 700), photo(700, 900)]
    with ThreadPoolExecutor(2) as threads:
        answers = list(
            threads.map(lambda p: system.upload(p, resizeOptions={"width": 90}), pictures)
        )
    heights = [answer.json()["simpleData"][0]["info"]["height"] for answer in answers]
    assert heights == [70, 116]


def test_a_ratio_cuts_the_picture_before_it_is_resized(system: World) -> None:
    info = system.upload(photo(), ratio="1.777", resizeOptions={"width": 720}).json()
    assert info["simpleData"][0]["info"] == {"width": 720, "height": 405, "ratio": 1.78}


def test_nothing_stays_in_staging_after_an_upload(system: World) -> None:
    assert system.upload(photo()).status_code == 200
    eventually(lambda: not system.staging())


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "AVIF", "GIF", "TIFF"])
def test_other_formats_are_read_too(system: World, kind: str) -> None:
    body = system.upload(photo(320, 240, kind), resizeOptions={"width": 100}).json()
    assert body["simpleData"][0]["info"] == {"width": 100, "height": 75, "ratio": 1.33}
