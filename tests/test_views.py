"""Views: rows become the JSON of the guide, number by number."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.views import image_answer, images_answer, iso, order_view, statistics_view
from models.cards import card_of
from models.events import Failure
from models.library import Shelf
from models.records import Account, Bucket, Image, Order, Variant
from tests.samples import ORIGINAL, SEEN, made

EDGE = "https://img.example"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, UTC)


def shelf(size: int = 500) -> Shelf:
    bucket = Bucket(id="b", account_id="a", key="snapix_default_bucket", public_id="public")
    image = Image(
        id="image",
        account_id="a",
        bucket_id="b",
        order_id="o",
        name="cat.jpg",
        description="asleep",
        original=SEEN,
        size=2 * size,
        state="ready",
        created_at=MOMENT,
        updated_at=MOMENT,
    )
    results = made("image", size=size)
    variants = [
        Variant(
            **msgspec.structs.asdict(one),
            image_id="image",
            bucket_id="b",
            position=n,
            created_at=MOMENT,
        )
        for n, one in enumerate(results)
    ]
    image.card = card_of(SEEN, MOMENT, results, MOMENT)
    return Shelf(image, bucket, variants, [])


def shown(view: Any) -> Any:
    """As it is read from JSON."""
    return msgspec.json.decode(msgspec.json.encode(view))


def test_an_image_is_shown_as_the_guide_shows_it() -> None:
    data = shown(image_answer(shelf(), EDGE))["data"]
    metadata = data.pop("metadata")
    assert data == {
        "id": "image",
        "urlBase": "https://img.example/public",
        "bucketKey": "snapix_default_bucket",
        "originalName": "cat.jpg",
        "description": "asleep",
        "size": 1000,
        "createdAt": "2026-01-02T03:04:05.678Z",
        "updatedAt": "2026-01-02T03:04:05.678Z",
        "galleries": [],
    }
    suffixes = [one["idSuffix"] for one in metadata]
    assert suffixes == ["thumb_small", "100x100", "100x100", "original"]


def test_a_variant_is_shown_with_its_size_its_key_and_what_it_saves() -> None:
    variant = shown(image_answer(shelf(), EDGE))["data"]["metadata"][1]
    assert variant == {
        "size": 500,
        "idSuffix": "100x100",
        "imageInfo": {"type": "webp", "ratio": 1.0, "width": 100, "height": 100},
        "objectKey": "image-100x100.webp",
        "contentType": "image/webp",
        "lastModified": round(MOMENT.timestamp() * 1000),
        "fileExtension": "webp",
        "optimizationPercent": 50,
    }


def test_the_original_is_shown_last_without_a_key() -> None:
    original = shown(image_answer(shelf(), EDGE))["data"]["metadata"][-1]
    assert original["objectKey"] is None
    assert original["imageInfo"] == {"type": "jpg", "ratio": 1.33, "width": 800, "height": 600}
    assert (original["contentType"], original["fileExtension"]) == ("image/jpeg", "jpg")


def test_the_short_form_has_the_urls_of_what_was_asked_for() -> None:
    simple = image_answer(shelf(), EDGE)["simpleData"]
    assert simple["variants"] == {
        "webp": "https://img.example/public/image-100x100.webp",
        "jpeg": "https://img.example/public/image-100x100.jpeg",
    }
    assert simple["info"] == {"width": 100, "height": 100, "ratio": 1.0}


def test_several_images_are_said_twice_for_the_guides_own_examples() -> None:
    answer = images_answer([shelf(), shelf()], EDGE)
    assert answer["images"] == answer["data"]
    assert [len(answer[name]) for name in ("data", "simpleData")] == [2, 2]


@given(st.integers(0, 10**12))
def test_what_is_saved_is_a_percentage_whatever_the_sizes_are(size: int) -> None:
    metadata = shown(image_answer(shelf(size), EDGE))["data"]["metadata"]
    assert all(0 <= one["optimizationPercent"] <= 100 for one in metadata)


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)),  # noqa: DTZ001 the zone comes below
    st.integers(-12, 14),
)
def test_times_are_utc_with_milliseconds_whatever_their_zone_was(
    moment: datetime, hours: int
) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = iso(aware)
    assert len(text) == len("2026-01-02T03:04:05.678Z")
    assert text.endswith("Z")
    assert abs(datetime.fromisoformat(text) - aware) < timedelta(milliseconds=1)


def test_everything_shown_can_be_written_as_json() -> None:
    answer = shown(images_answer([shelf()], EDGE))
    assert answer["images"] == answer["data"]
    assert [file["idSuffix"] for file in answer["data"][0]["metadata"]][-1] == "original"


def test_statistics_add_free_and_paid_credits() -> None:
    account = Account(name="a", credits_free=5, credits_paid=7, storage_used=3, storage_total=9)
    assert statistics_view(account, shelf().bucket, 2) == {
        "storageUsed": 3,
        "totalStorage": 9,
        "creditsUsed": 2,
        "remainingCredits": 12,
        "remainingCreditsPaidPlans": 7,
    }


def test_an_order_says_where_it_stands() -> None:
    order = Order(
        id="o",
        account_id="a",
        bucket_id="b",
        staging_key="s",
        original=ORIGINAL,
        asked=[],
        created_at=MOMENT,
    )
    view = order_view(order, "https://api.example")
    assert (view["status"], view["finishedAt"]) == ("pending", None)
    assert view["location"] == "https://api.example/api/v1/orders/o"
    order.state, order.finished_at = "failed", MOMENT
    order.failure = Failure(status=400, code="not-an-image", message="No.")
    view = order_view(order, "https://api.example")
    assert view["finishedAt"] == "2026-01-02T03:04:05.678Z"
    assert view["error"] == {"code": "not-an-image", "message": "No."}
