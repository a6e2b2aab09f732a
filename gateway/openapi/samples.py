"""What the examples show: made-up rows, printed by the views that print the real ones."""

from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from cdn_edge.signing import signed
from gateway import views
from gateway.buckets import bucket_view
from gateway.edge_urls import Signed
from gateway.openapi.words import Json
from gateway.photo_views import login_view
from gateway.presets import preset_view
from gateway.urls import signed_view, url_key_view
from models.accounts import DEFAULT_BUCKET
from models.cards import card_of
from models.events import Failure, Original
from models.galleries import Placed
from models.generation import Generated, ModalityTokens, Usage
from models.library import Shown, home_of
from models.made import Made
from models.photos import Shot
from models.records import (
    Account,
    ApiKey,
    Bucket,
    Gallery,
    Image,
    Order,
    Photo,
    Preset,
    UrlKey,
    User,
    Variant,
)

T = TypeVar("T")

API = "https://api.example.com"
EDGE = "https://images.example.com"

ACCOUNT_ID = "0f0e7bfc-9a55-4d0c-9e0e-6a1f8d1b2c3d"
BUCKET_ID = "3d6c1c36-63c3-4e64-9d1c-2b7f2f4f6a10"
IMAGE_ID = "7c1e3b52-4a0d-4d5f-8f57-1f2a9b6c4e01"
SECOND_ID = "b86f5f0a-90b7-4f0b-a0b5-3d4c2e1f7a02"
GALLERY_ID = "5a4b9f6e-1c2d-4b8a-9e7f-0d1c2b3a4f03"
PHOTO_ID = "aBCd5678"
ORDER_ID = "e2d1c0b9-8a7f-4e6d-8c5b-4a3f2e1d0c04"
URL_KEY_ID = "5f2c9a3be1d0"
OBJECT_KEY = f"{IMAGE_ID}-1200x675.webp"
KEY_ID = "c4b3a291-8f7e-4d6c-9b5a-0f1e2d3c4b05"

_MADE = datetime(2026, 5, 1, 12, 38, 14, 70_000, tzinfo=UTC)
_DONE = datetime(2026, 5, 1, 12, 38, 15, 526_000, tzinfo=UTC)
_PUBLIC_ID = "2f9c1d7e5b3a48608c1e0d9f7b6a5c43"


def original() -> Original:
    """A photo as it came."""
    return Original(
        name="harbour.jpg",
        size=2_841_503,
        sha256="",
        format="jpeg",
        content_type="image/jpeg",
        extension="jpg",
        width=4000,
        height=2250,
    )


def bucket() -> Bucket:
    """The bucket that every account has."""
    return Bucket(
        id=BUCKET_ID,
        account_id=ACCOUNT_ID,
        key=DEFAULT_BUCKET,
        public_id=_PUBLIC_ID,
        is_primary=True,
        image_count=2,
        created_at=_MADE,
    )


def custom_bucket() -> Bucket:
    """A bucket in storage of the customer's own."""
    return Bucket(
        id=BUCKET_ID,
        account_id=ACCOUNT_ID,
        key="archive",
        name="Photo archive",
        public_id=_PUBLIC_ID,
        endpoint="https://s3.example.org",
        region="eu-central-1",
        remote_bucket="photos",
        prefix="web/",
        public_url="https://photos.example.org",
        created_at=_MADE,
    )


def shelf(image_id: str = IMAGE_ID, width: int = 1200, name: str = "harbour.jpg") -> Shown:
    """An image in two formats, with its thumbnails, in a gallery."""
    height = width * 9 // 16
    suffix = f"{width}x{height}"
    files = [
        _made(image_id, "thumb_small", "webp", (120, 68), 2_210),
        _made(image_id, "thumb_big", "webp", (320, 180), 8_934),
        _made(image_id, suffix, "webp", (width, height), 118_204),
        _made(image_id, suffix, "avif", (width, height), 84_377),
    ]
    return Shown(_image(image_id, name, files), home_of(bucket()), [GALLERY_ID])


def _image(image_id: str, name: str, files: list[Made]) -> Image:
    return Image(
        id=image_id,
        account_id=ACCOUNT_ID,
        bucket_id=BUCKET_ID,
        order_id=ORDER_ID,
        name=name,
        description="The harbour at dusk",
        original=original(),
        card=card_of(original(), _MADE, files, _DONE),
        size=sum(file.size for file in files if file.counted),
        created_at=_MADE,
        updated_at=_DONE,
    )


def _made(image_id: str, suffix: str, kind: str, sides: tuple[int, int], size: int) -> Made:
    return Made(
        id_suffix=suffix,
        object_key=f"{image_id}-{suffix}.{kind}",
        storage_key="",
        format=kind,
        content_type=f"image/{kind}",
        extension=kind,
        width=sides[0],
        height=sides[1],
        size=size,
        sha256="",
        counted=not suffix.startswith("thumb_"),
    )


def _variant(image_id: str, made: Made) -> Variant:
    fields = msgspec.structs.asdict(made)
    return Variant(image_id=image_id, bucket_id=BUCKET_ID, position=0, created_at=_DONE, **fields)


def statistics(used: int, at: Bucket | None = None) -> Json:
    """What an account has left after `used` credits."""
    account = Account(
        name="example",
        credits_free=340,
        credits_paid=60,
        storage_used=405_162,
        storage_total=10_000_000_000,
    )
    return {"accountStatistics": views.statistics_view(account, at or bucket(), used)}


def _plain(view: T) -> T:
    """As it is read from JSON."""
    plain: T = msgspec.json.decode(msgspec.json.encode(view))
    return plain


def image_answer() -> Json:
    """What a get answers."""
    return _plain(views.image_answer(shelf(), EDGE))


def images_answer() -> Json:
    """Two sizes of one upload."""
    names = ("harbour.jpg 1:[1200x675]", "harbour.jpg 2:[720x405]")
    shelves = [shelf(IMAGE_ID, 1200, names[0]), shelf(SECOND_ID, 720, names[1])]
    return _plain(views.images_answer(shelves, EDGE))


def generated() -> Json:
    """What a model said with its image."""
    said = Generated(
        staging_key="",
        size=0,
        sha256="",
        content_type="image/png",
        response_id="Nh7haKSiH42zxN8PzMe_GA",
        model_version="gemini-3-pro-image",
        usage=Usage(
            prompt_token_count=1296,
            candidates_token_count=1290,
            total_token_count=2586,
            prompt_tokens_details=[
                ModalityTokens(modality="TEXT", token_count=6),
                ModalityTokens(modality="IMAGE", token_count=1290),
            ],
            candidates_tokens_details=[ModalityTokens(modality="IMAGE", token_count=1290)],
        ),
    )
    return {"imageGenerateResponse": views.generated_view(said)}


def page_answer() -> Json:
    """A page of a list."""
    pages = {"pagination": views.pagination_view(1, 50, 2)}
    return images_answer() | statistics(0) | pages


def placed(*, public: bool = False) -> Placed:
    """A gallery."""
    gallery = Gallery(
        id=GALLERY_ID,
        account_id=ACCOUNT_ID,
        bucket_id=BUCKET_ID,
        name="Harbours",
        is_public=public,
        created_at=_MADE,
        updated_at=_DONE,
    )
    return Placed(gallery, bucket())


def gallery() -> Json:
    """A gallery without its images."""
    return views.gallery_view(placed())


def full_gallery() -> Json:
    """A gallery with its images."""
    members = _plain([views.member_view(GALLERY_ID, shelf(), EDGE)])
    return {"gallery": gallery() | {"images": members}}


def ungrouped() -> Json:
    """The images in no gallery."""
    lonely = shelf()._replace(galleries=[])
    members = _plain([views.member_view("ungrouped", lonely, EDGE)])
    return {"gallery": views.ungrouped_view(bucket()) | {"images": members}}


def public_gallery() -> Json:
    """A gallery as strangers see it."""
    pages = {"page": 1, "limit": 100, "nextPage": None, "previousPage": None}
    view = views.public_gallery_view(placed(public=True), [shelf()], EDGE)
    return {"gallery": view, "pagination": pages}


def order(state: str) -> Json:
    """Where an order stands: pending, done or failed."""
    crash = Failure(status=422, code="render-crashed", message="The image made its decoder fail.")
    row = Order(
        id=ORDER_ID,
        account_id=ACCOUNT_ID,
        bucket_id=BUCKET_ID,
        state=state,
        staging_key="",
        original=original(),
        asked=[],
        failure=crash if state == "failed" else None,
        created_at=_MADE,
        finished_at=None if state == "pending" else _DONE,
    )
    done = images_answer() | statistics(4) if state == "done" else {}
    return views.order_view(row, API) | done


def shot(*, ready: bool = True) -> Shot:
    """A photo, with its file when it is ready."""
    photo = Photo(id=PHOTO_ID, account_id=ACCOUNT_ID, created_at=_MADE)
    made = _made(IMAGE_ID, "4000x2250", "jpg", (4000, 2250), 2_838_770)
    made = msgspec.structs.replace(made, object_key=f"{PHOTO_ID}.jpg")
    image = _image(IMAGE_ID, "harbour.jpg", [made])
    return Shot(photo, image, _variant(IMAGE_ID, made) if ready else None)


def login() -> Json:
    """Who logged in."""
    user = User(account_id=ACCOUNT_ID, alias="matt", password_hash="", created_at=_MADE)
    return login_view("00000000-0000-4000-8000-000000000000", user)


def key() -> Json:
    """A key that may upload."""
    row = ApiKey(
        id=KEY_ID,
        account_id=ACCOUNT_ID,
        name="Upload form",
        digest="",
        hint="9xQ4",
        permissions=["images-create"],
        created_at=_MADE,
        expires_at=None,
        revoked_at=None,
    )
    return views.key_view(row)


def url_key() -> Json:
    """A key that signs addresses."""
    return url_key_view(
        UrlKey(id=URL_KEY_ID, account_id=ACCOUNT_ID, name="Shop", sealed="", created_at=_MADE)
    )


def signed_url() -> Json:
    """What signing an address answers."""
    path = f"/{_PUBLIC_ID}/{OBJECT_KEY}"
    query = signed(path, "fm=auto&w=640", URL_KEY_ID, "us_not-a-real-secret")
    return signed_view(Signed(f"{EDGE}{path}?{query}", URL_KEY_ID, None))


def preset() -> Json:
    """A preset."""
    return preset_view(
        Preset(
            account_id=ACCOUNT_ID,
            name="card",
            parameters="fm=auto&h=300&w=400",
            updated_at=_MADE,
        )
    )


def bucket_answer() -> Json:
    """What adding a bucket answers."""
    return {"bucket": bucket_view(custom_bucket(), EDGE)}


def buckets_answer() -> Json:
    """An account's buckets."""
    return {"buckets": [bucket_view(one, EDGE) for one in (bucket(), custom_bucket())]}
