"""The mezzanine and the kept original: made with the image, gone with it, seen by nobody."""

import hashlib
import io
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from sqlmodel import Session, select

from cdn_edge.library import finder
from cdn_edge.sources import Stored, ranked
from cdn_edge.stock import stock_checker, stock_finder
from models.burial import bury_image
from models.outputs import Mezzanine
from models.recipe import Jpeg, Padding, Recipe, Resize, Webp
from models.records import Account, Bucket, Master, Variant
from pipeline import geometry
from pipeline.engine import encode, prepare
from pipeline.engine_develop import Picture
from pipeline.extent import extent
from pipeline.geometry import Size
from pipeline.mezzanine import LONGEST, is_whole, mezzanine_of
from pipeline.prints import Canvas, Probe
from tests.pictures import animated_gif, jpeg, png
from tests.servers import Nats
from tests.test_worker import Shop, ended, open_shop, order, shelves_by, shop, until_empty

__all__ = ["shop"]

SIDES = st.integers(1, 6000)


def probe(width: int, height: int, frames: int = 1) -> Probe:
    return Probe(
        format="jpeg",
        content_type="image/jpeg",
        extension="jpg",
        width=width,
        height=height,
        frames=frames,
    )


@given(
    SIDES,
    SIDES,
    st.builds(
        Resize,
        width=st.none() | SIDES,
        height=st.none() | SIDES,
        fit=st.sampled_from(["cover", "contain", "fill", "inside", "outside"]),
        without_enlargement=st.booleans(),
    ),
    st.none() | st.floats(0.3, 3),
)
def test_a_mezzanine_has_the_framing_of_its_image_and_at_most_2048_pixels(
    width: int, height: int, resize: Resize, ratio: float | None
) -> None:
    asked = Recipe(resize=resize, ratio=ratio, output=Webp())
    made = mezzanine_of(probe(width, height), asked)
    own = extent(probe(width, height), asked).final
    if made is None:
        assert max(own) > LONGEST
        return
    size = geometry.outcome(Size(width, height), made.resize, made.ratio)
    assert max(size) <= LONGEST
    if max(own) <= LONGEST:
        assert size == own
        return
    factor = LONGEST / max(own)
    assert abs(size.width - own.width * factor) <= 1
    assert abs(size.height - own.height * factor) <= 1


@pytest.mark.parametrize(
    ("asked", "whole"),
    [
        (Recipe(), True),
        (Recipe(resize=Resize(width=401)), True),
        (Recipe(resize=Resize(width=400, height=300)), True),
        (Recipe(resize=Resize(width=500, height=900, fit="inside")), True),
        (Recipe(resize=Resize(width=500, height=900, fit="outside")), True),
        (Recipe(resize=Resize(width=400, height=300, fit="contain")), True),
        (Recipe(resize=Resize(width=400, height=301)), False),
        (Recipe(resize=Resize(width=500, height=300, fit="contain")), False),
        (Recipe(resize=Resize(width=500, height=300, fit="fill")), False),
        (Recipe(resize=Resize(width=500, fit="fill")), False),
        (Recipe(resize=Resize(width=360, height=270, padding=Padding(px=20, py=15))), False),
        (Recipe(resize=Resize(width=360, padding=Padding(px=20, py=15))), False),
        (Recipe(ratio=4 / 3), True),
        (Recipe(ratio=16 / 9), False),
        (Recipe(orientation=3), False),
        (Recipe(blur=2.0), False),
        (Recipe(sharpen=2.0), False),
    ],
)
def test_an_image_is_whole_when_its_recipe_only_scales(asked: Recipe, whole: bool) -> None:
    assert is_whole(probe(800, 600), asked) is whole
    assert not is_whole(probe(800, 600, frames=2), asked)


@pytest.fixture(params=["sqlite_file", "postgres_url"])
async def any_shop(
    request: pytest.FixtureRequest, tmp_path: Path, nats: Nats
) -> AsyncIterator[Shop]:
    """A shop over a database of each kind."""
    where = request.getfixturevalue(request.param)
    place = (where.parent, nats) if isinstance(where, Path) else (tmp_path, nats, where)
    async with open_shop(*place) as opened:
        yield opened


SCALED = Recipe(resize=Resize(width=100), output=Jpeg())
FRAMED = Recipe(resize=Resize(width=60, padding=Padding(px=20, py=15)), output=Jpeg())


@pytest.mark.parametrize(("recipe", "first"), [(FRAMED, "mezzanine"), (SCALED, "original")])
async def test_a_kept_original_is_rendered_from_only_where_its_image_is_all_of_it(
    any_shop: Shop, recipe: Recipe, first: str
) -> None:
    """The padded image has its original's shape: 100 x 75 from 800 x 600."""
    shop = any_shop
    await shop.database.run(set_bucket, shop.bucket.id, keep_originals=True)
    order_id = await order(shop, jpeg(800, 600), [[recipe]])
    assert (await ended(shop, order_id)).state == "done"
    (shelf,) = await shop.database.read(shelves_by, order_id)
    (variant,) = [one for one in shelf.variants if one.counted]
    assert (variant.width, variant.height) == (100, 75)
    own, *found = await starts(shop, variant)
    wanted = Recipe(resize=Resize(width=90), output=Jpeg())
    assert ranked(wanted, own, found)[0].kind == first


async def test_a_thumbnail_of_what_was_framed_is_made_from_itself(shop: Shop) -> None:
    order_id = await order(shop, jpeg(800, 600), [[FRAMED]])
    await ended(shop, order_id)
    (shelf,) = await shop.database.read(shelves_by, order_id)
    for variant in shelf.variants:
        _, *found = await starts(shop, variant)
        assert bool(found) == variant.counted


async def test_a_variant_is_its_images_until_that_is_deleted(any_shop: Shop) -> None:
    shop = any_shop
    order_id = await order(shop, jpeg(80, 60), [[SCALED]])
    await ended(shop, order_id)
    (shelf,) = await shop.database.read(shelves_by, order_id)
    still = stock_checker(shop.database)
    for variant in shelf.variants:
        entry = await finder(shop.database)(shop.bucket.public_id, variant.object_key)
        assert entry is not None
        assert await still(entry)
        assert not await still(msgspec.structs.replace(entry, etag="0" * 64))
    await shop.database.run(bury_image, shop.account.id, shelf.image.id)
    assert not await still(entry)


async def starts(shop: Shop, variant: Variant) -> list[Stored]:
    """The variant, and what else its derivatives may start from."""
    entry = await finder(shop.database)(shop.bucket.public_id, variant.object_key)
    assert entry is not None
    own = Stored(
        kind="variant",
        key=entry.path,
        format=entry.format,
        width=entry.width,
        height=entry.height,
        sha256=entry.etag,
    )
    return [own, *await stock_finder(shop.database)(entry)]


def test_an_animation_and_a_large_canvas_have_no_mezzanine() -> None:
    assert mezzanine_of(probe(300, 300, frames=2), Recipe()) is None
    padded = Recipe(resize=Resize(width=3000, padding=Padding(px=9, py=9)))
    assert mezzanine_of(probe(4000, 3000), padded) is None
    assert mezzanine_of(probe(400, 300), Recipe(resize=Resize(width=100))) is not None


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (jpeg(320, 200), "jpeg"),
        (png(320, 200), "jpeg"),
        (png(320, 200, mode="RGBA"), "webp"),
    ],
)
def test_a_photo_is_kept_as_jpeg_and_what_has_alpha_as_webp(data: bytes, kind: str) -> None:
    assert made_of(data) == kind


def test_a_drawing_is_kept_without_loss() -> None:
    flat = Pillow.new("RGB", (200, 100), (250, 250, 250))
    flat.paste((10, 20, 200), (20, 20, 90, 80))
    held = io.BytesIO()
    flat.save(held, "PNG")
    assert made_of(held.getvalue()) == "webp"


def made_of(data: bytes) -> str:
    prepare()
    picture = Pillow.open(io.BytesIO(data))
    canvas = Canvas(width=picture.width, height=picture.height, bands=len(picture.getbands()))
    return encode(Picture(canvas, picture.tobytes()), Mezzanine()).format


def masters(session: Session) -> list[Master]:
    return list(session.exec(select(Master).order_by(Master.kind)))


def set_bucket(session: Session, bucket_id: str, **fields: bool) -> None:
    bucket = session.get_one(Bucket, bucket_id)
    for name, value in fields.items():
        setattr(bucket, name, value)


def storage_used(session: Session, account_id: str) -> int:
    return session.get_one(Account, account_id).storage_used


async def test_every_image_gets_a_mezzanine_that_nobody_sees_or_pays(shop: Shop) -> None:
    order_id = await order(shop, jpeg(320, 200))
    assert (await ended(shop, order_id)).state == "done"
    found = await shop.database.read(masters)
    assert sorted((one.kind, one.width, one.height) for one in found) == [
        ("mezzanine", 60, 60),
        ("mezzanine", 100, 63),
    ]
    for one in found:
        data = await shop.storage.get(one.storage_key)
        assert (len(data), hashlib.sha256(data).hexdigest()) == (one.size, one.sha256)
    shelves = await shop.database.read(shelves_by, order_id)
    seen = [variant for shelf in shelves for variant in shelf.variants]
    assert not [variant for variant in seen if "mezzanine" in variant.object_key]
    used = await shop.database.read(storage_used, shop.account.id)
    assert used == sum(variant.size for variant in seen if variant.counted)


async def test_a_bucket_without_mezzanines_gets_none(shop: Shop) -> None:
    await shop.database.run(set_bucket, shop.bucket.id, mezzanine=False)
    await ended(shop, await order(shop, jpeg(320, 200)))
    assert await shop.database.read(masters) == []


async def test_a_kept_original_is_the_same_bytes_and_counted_until_it_goes(shop: Shop) -> None:
    await shop.database.run(set_bucket, shop.bucket.id, keep_originals=True)
    data = jpeg(320, 200)
    order_id = await order(shop, data, [[Recipe(resize=Resize(width=50), output=Jpeg())]])
    await ended(shop, order_id)
    _, kept = await shop.database.read(masters)
    assert kept.kind == "original"
    assert await shop.storage.get(kept.storage_key) == data
    (shelf,) = await shop.database.read(shelves_by, order_id)
    used = await shop.database.read(storage_used, shop.account.id)
    assert used == shelf.image.size + len(data)
    await shop.database.run(bury_image, shop.account.id, shelf.image.id)
    assert await shop.database.read(storage_used, shop.account.id) == 0
    await until_empty(shop, "variants")


async def test_an_animation_is_an_order_like_any_other(shop: Shop) -> None:
    order_id = await order(shop, animated_gif(), [[Recipe(resize=Resize(width=40), output=Webp())]])
    assert (await ended(shop, order_id)).state == "done"
    assert await shop.database.read(masters) == []
