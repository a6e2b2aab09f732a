"""Conversion by URL through the whole system: sizes, formats, masters, outages, clearing away."""

import os
from pathlib import Path

import pytest

from tests.system.burst import Got, burst
from tests.system.drawn import photo, size_of
from tests.system.world import World, eventually

BUCKET = "/api/v1/buckets/snapix_default_bucket"


def uploaded(system: World, width: int = 300, kind: str = "webp", **fields: object) -> str:
    """The URL of a variant of a new image."""
    answer = system.upload(
        photo(800, 600), resizeOptions={"width": width}, formatOptions={"format": kind}, **fields
    )
    assert answer.status_code == 200, answer.text
    url: str = answer.json()["simpleData"][0]["variants"][kind]
    return url


def ask(url: str, *lines: str) -> Got:
    (got,) = burst([url], *lines)
    return got


def made(url: str, *lines: str) -> tuple[str, int, int]:
    got = ask(url, *lines)
    assert got.status == 200, got
    return size_of(got.body)


def image_of(url: str) -> str:
    return url.rpartition("/")[2][:36]


def objects(system: World, url: str) -> list[Path]:
    folder = system.data / "objects" / "variants"
    # By os.walk: a folder may go while it is looked through.
    places = folder.glob(f"*/{image_of(url)}")
    return [
        Path(at) / name for place in places for at, _, names in os.walk(place) for name in names
    ]


def test_an_address_with_parameters_answers_what_they_say(system: World) -> None:
    url = uploaded(system)
    assert made(f"{url}?w=100") == ("WEBP", 100, 75)
    assert made(f"{url}?h=30&fm=jpeg") == ("JPEG", 40, 30)
    assert made(f"{url}?w=50&h=50&fm=png") == ("PNG", 50, 50)
    assert made(f"{url}?w=60&rot=90") == ("WEBP", 60, 80)
    assert made(f"{url}?w=100&fm=auto", "Accept: image/avif,*/*")[0] == "AVIF"
    assert made(f"{url}?w=100&pad=10&bg=f00") == ("WEBP", 120, 95)


def test_nothing_gets_larger_than_the_image_unless_asked(system: World) -> None:
    url = uploaded(system)
    assert made(f"{url}?w=700") == ("WEBP", 300, 225)
    assert made(f"{url}?w=700&enlarge=1") == ("WEBP", 700, 525)
    thumb = url.replace("300x225", "thumb_small")
    assert made(f"{thumb}?w=200") == ("WEBP", 120, 90)
    assert made(f"{thumb}?w=200&enlarge=1") == ("WEBP", 200, 150)


def test_an_answer_has_a_validator_of_its_own_and_keeps_the_manners_of_a_variant(
    system: World,
) -> None:
    url = uploaded(system, kind="jpeg")
    plain, small = ask(url), ask(f"{url}?w=100")
    assert small.headers["etag"] != plain.headers["etag"]
    assert small.headers["last-modified"] == plain.headers["last-modified"]
    assert small.headers["cache-control"] == plain.headers["cache-control"]
    etag = small.headers["etag"]
    assert ask(f"{url}?w=100", f"If-None-Match: {etag}").status == 304
    part = ask(f"{url}?w=100", "Range: bytes=2-9", f"If-Range: {etag}")
    assert (part.status, part.body) == (206, small.body[2:10])


@pytest.mark.parametrize("wide", [False, True])
def test_a_kept_original_makes_larger_results_and_goes_with_its_image(
    *, system: World, wide: bool
) -> None:
    assert system.http.patch(BUCKET, json={"keepOriginals": True}).status_code == 200
    try:
        url = uploaded(system, **({"ratio": "3"} if wide else {}))
    finally:
        assert system.http.patch(BUCKET, json={"keepOriginals": False}).status_code == 200
    # What was cut to another ratio is not the whole original: that would show other things.
    assert made(f"{url}?w=700&enlarge=1") == ("WEBP", 700, 233 if wide else 525)
    assert made(f"{url}?w=700") == ("WEBP", 300, 100 if wide else 225)
    kept = [path for path in objects(system, url) if path.name == "original.jpg"]
    assert [path.read_bytes() for path in kept] == [photo(800, 600)]
    assert system.http.delete(f"/api/v1/images/{image_of(url)}").status_code == 200
    eventually(lambda: not objects(system, url))


def test_a_bucket_without_mezzanines_still_converts(system: World) -> None:
    assert system.http.patch(BUCKET, json={"mezzanine": False}).status_code == 200
    try:
        url = uploaded(system)
    finally:
        assert system.http.patch(BUCKET, json={"mezzanine": True}).status_code == 200
    assert not [path for path in objects(system, url) if path.stem == "mezzanine"]
    assert made(f"{url}?w=100") == ("WEBP", 100, 75)


def test_an_update_takes_the_old_masters_and_derivatives_away(system: World) -> None:
    url = uploaded(system, width=200, kind="jpeg")
    before = ask(f"{url}?w=90").body
    eventually(lambda: any("derived" in str(path) for path in objects(system, url)))
    old = set(objects(system, url))
    answer = system.http.patch(
        f"/api/v1/images/{image_of(url)}",
        data={
            "storageKeyHandling": "replace",
            "resizeOptions": '{"width": 200}',
            "formatOptions": '{"format": "jpeg"}',
        },
        files={"image": photo(640, 480, "PNG")},
    )
    assert answer.status_code == 200, answer.text
    eventually(lambda: ask(f"{url}?w=90").body != before)
    eventually(lambda: not old & set(objects(system, url)))
    assert [path for path in objects(system, url) if path.stem == "mezzanine"]


def test_while_storage_is_away_what_was_made_is_served_and_the_rest_is_503(
    system: World,
) -> None:
    url = uploaded(system)
    before = ask(f"{url}?w=120")
    variants = system.data / "objects" / "variants"
    variants.rename(variants.with_name("away"))
    try:
        assert ask(f"{url}?w=120").body == before.body
        refused = ask(f"{url}?w=121")
        assert (refused.status, "retry-after" in refused.headers) == (503, True)
    finally:
        away = variants.with_name("away")
        if variants.exists():
            for path in sorted(variants.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() else path.unlink()
            variants.rmdir()
        away.rename(variants)
    assert made(f"{url}?w=121") == ("WEBP", 121, 91)


def test_derivatives_and_masters_are_not_counted_as_storage(system: World) -> None:
    answer = system.upload(photo(800, 600), resizeOptions={"width": 300})
    statistics, image = answer.json()["accountStatistics"], answer.json()["data"][0]
    url = answer.json()["simpleData"][0]["variants"]["webp"]
    ask(f"{url}?w=222")
    again = system.upload(photo(800, 600), resizeOptions={"width": 300}).json()
    used = again["accountStatistics"]["storageUsed"] - statistics["storageUsed"]
    assert used == again["data"][0]["size"] == image["size"]
