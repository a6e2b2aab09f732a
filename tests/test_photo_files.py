"""Photos are kept: format, pixels and colours stay, metadata goes, and what lies is set upright."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms, ImageOps, ImageSequence, ImageStat

from models.errors import DamagedImage, NotAnImage, ServiceError
from pipeline import engine
from pipeline.prints import Print
from pipeline.strip_avif import strip_avif
from pipeline.strip_errors import Unfit
from pipeline.strip_gif import strip_gif
from pipeline.strip_jpeg import strip_jpeg
from pipeline.strip_png import strip_png
from pipeline.strip_webp import strip_webp
from tests import heics, pictures

PHOTOS = Path(__file__).parents[2] / "shared" / "photos"
SECRET = b"Rosebud, 52.52000N 13.40500E"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

STRIPPERS: dict[str, Callable[[bytes], bytes]] = {
    "JPEG": strip_jpeg,
    "PNG": strip_png,
    "WEBP": strip_webp,
    "GIF": strip_gif,
    "AVIF": strip_avif,
}


@pytest.fixture(scope="module", autouse=True)
def prepared() -> None:
    engine.prepare()


def kept(data: bytes, folder: Path) -> Print:
    source = folder / "source"
    source.write_bytes(data)
    return engine.keep(engine.take(source))


def told(picture: Image.Image, kind: str, orientation: int = 1, **options: object) -> bytes:
    """A file that says more than its pixels: EXIF, XMP, a comment and a profile."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    options |= {"exif": exif, "icc_profile": PROFILE, "xmp": b"<x>" + SECRET + b"</x>"}
    if kind == "GIF":
        options = {"comment": SECRET, "save_all": True, "append_images": pictures.frames(3, 80, 60)}
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> list[Image.Image]:
    """All pictures of a file, as another decoder sees them."""
    with Image.open(io.BytesIO(data)) as opened:
        return [frame.convert("RGBA") for frame in ImageSequence.Iterator(opened)]


def same(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and ImageChops.difference(one, other).getbbox() is None


def strangeness(one: Image.Image, other: Image.Image) -> float:
    """How far the values of one are from the other's on average, of 255."""
    apart = ImageChops.difference(one.convert("RGB"), other.convert("RGB"))
    return max(ImageStat.Stat(apart).mean)


UPRIGHT = {
    "JPEG": {"quality": 88, "comment": SECRET},
    "PNG": {},
    "WEBP": {"quality": 85},
    "GIF": {},
    "AVIF": {"quality": 80, "speed": 10},
}


@pytest.mark.parametrize("kind", UPRIGHT)
def test_an_upright_photo_keeps_every_pixel_and_loses_what_it_tells(
    kind: str, tmp_path: Path
) -> None:
    data = told(pictures.scene(80, 60), kind, **UPRIGHT[kind])
    assert SECRET in data
    made = kept(data, tmp_path)
    assert made.format == kind.lower()
    assert (made.width, made.height) == (80, 60)
    assert SECRET not in made.data
    before, after = decoded(data), decoded(made.data)
    assert len(before) == len(after)
    assert all(map(same, before, after))


@pytest.mark.parametrize(
    ("kind", "orientation"),
    [("JPEG", 1), ("JPEG", 6), ("PNG", 1), ("PNG", 6), ("WEBP", 1), ("WEBP", 6), ("AVIF", 1)],
)
def test_a_photo_keeps_its_colour_profile(kind: str, orientation: int, tmp_path: Path) -> None:
    made = kept(told(pictures.scene(), kind, orientation), tmp_path)
    with Image.open(io.BytesIO(made.data)) as picture:
        assert picture.info["icc_profile"] == PROFILE
        assert picture.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_photo_that_lies_is_set_upright(kind: str, orientation: int, tmp_path: Path) -> None:
    data = told(pictures.scene(160, 96), kind, orientation, quality=90)
    made = kept(data, tmp_path)
    assert SECRET not in made.data
    with Image.open(io.BytesIO(data)) as opened:
        wanted = ImageOps.exif_transpose(opened)
        (after,) = decoded(made.data)
        assert (made.width, made.height) == after.size == wanted.size
        assert strangeness(after, wanted) <= (0 if kind == "PNG" else 6)


def test_a_lossless_webp_that_lies_stays_lossless(tmp_path: Path) -> None:
    data = pictures.webp(orientation=8, lossless=True)
    with Image.open(io.BytesIO(data)) as opened:
        wanted = ImageOps.exif_transpose(opened)
        assert strangeness(decoded(kept(data, tmp_path).data)[0], wanted) == 0


MOVING = {
    "gif": pictures.animated_gif(5),
    "webp": pictures.animated_webp(5),
    "png": pictures.apng(5),
}


@pytest.mark.parametrize("kind", MOVING)
def test_what_moves_goes_on_moving(kind: str, tmp_path: Path) -> None:
    made = kept(MOVING[kind], tmp_path)
    assert made.format == kind
    with Image.open(io.BytesIO(MOVING[kind])) as before, Image.open(io.BytesIO(made.data)) as after:
        assert after.n_frames == before.n_frames == 5
        assert after.info.get("loop") == before.info.get("loop")
        assert after.info.get("duration") == before.info.get("duration")


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (pictures.tiff(), "jpeg"),
        (pictures.tiff(mode="RGBA"), "jpeg"),
        (pictures.tiff(mode="CMYK"), "jpeg"),
        (heics.PLAIN, "jpeg"),
        (pictures.svg(), "png"),
    ],
    ids=["tiff", "clear tiff", "cmyk tiff", "heic", "svg"],
)
def test_what_browsers_do_not_show_becomes_what_they_do(
    data: bytes, kind: str, tmp_path: Path
) -> None:
    made = kept(data, tmp_path)
    assert made.format == kind
    (picture,) = decoded(made.data)
    assert picture.size == (made.width, made.height)


@pytest.mark.parametrize("mode", ["1", "P", "L", "LA", "RGBA"])
def test_a_png_keeps_its_depth(mode: str, tmp_path: Path) -> None:
    data = pictures.png(mode=mode)
    with Image.open(io.BytesIO(kept(data, tmp_path).data)) as picture:
        assert picture.mode == mode
    deep = pictures.png16()
    assert kept(deep, tmp_path).data == deep


def test_chunks_that_nobody_knows_are_left_out(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    parts = [("IHDR", header), ("prVt", SECRET), ("IDAT", zlib.compress(b"\0\0")), ("IEND", b"")]
    made = kept(pictures.png_file(*parts) + SECRET, tmp_path)
    assert SECRET not in made.data


def test_what_follows_a_jpeg_is_left_out(tmp_path: Path) -> None:
    """Phones put whole videos there."""
    assert SECRET not in kept(pictures.jpeg() + SECRET, tmp_path).data


def test_a_truncated_photo_is_damaged(tmp_path: Path) -> None:
    for data in (pictures.jpeg(), pictures.png(), pictures.webp(), pictures.gif(), pictures.avif()):
        with pytest.raises(DamagedImage):
            kept(data[: len(data) * 2 // 3], tmp_path)
    with pytest.raises(NotAnImage):
        kept(b"Once upon a time", tmp_path)


SAMPLES = {kind: told(pictures.scene(48, 32), kind) for kind in STRIPPERS}


@given(st.sampled_from(list(STRIPPERS)), st.data())
def test_a_broken_file_is_stripped_or_unfit(kind: str, data: st.DataObject) -> None:
    broken = bytearray(SAMPLES[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        place = data.draw(st.integers(12, len(broken) - 1))
        broken[place] = data.draw(st.integers(0, 255))
    whole = bytes(broken[: data.draw(st.integers(12, len(broken)))])
    try:
        stripped = STRIPPERS[kind](whole)
    except Unfit:
        return
    assert len(stripped) <= len(whole) + 18  # at most a header and a trailer are put right


@given(st.sampled_from(list(STRIPPERS)), st.data())
def test_a_broken_photo_is_kept_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, kind: str, data: st.DataObject
) -> None:
    broken = bytearray(SAMPLES[kind])
    place = data.draw(st.integers(12, len(broken) - 1))
    broken[place] = data.draw(st.integers(0, 255))
    try:
        made = kept(bytes(broken), tmp_path_factory.mktemp("broken"))
    except ServiceError:
        return
    assert made.width > 0


def test_stripping_twice_changes_nothing() -> None:
    for kind, strip in STRIPPERS.items():
        once = strip(SAMPLES[kind])
        assert strip(once) == once, kind


REAL = sorted(path for path in PHOTOS.glob("*.*") if path.suffix in {".jpg", ".webp", ".avif"})


@pytest.mark.skipif(not REAL, reason="the photos are not here")
def test_real_photos_keep_their_pixels_and_lose_their_stories(tmp_path: Path) -> None:
    for path in REAL:
        if path.stat().st_size > 600_000:
            continue
        made = kept(path.read_bytes(), tmp_path)
        with Image.open(path) as before, Image.open(io.BytesIO(made.data)) as after:
            assert not after.getexif(), path
            assert not after.info.get("xmp"), path
            assert after.info.get("icc_profile") == before.info.get("icc_profile"), path
            if before.getexif().get(0x0112, 1) == 1:
                assert same(before.convert("RGBA"), after.convert("RGBA")), path
