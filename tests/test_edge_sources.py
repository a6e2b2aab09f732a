"""What a derivative starts from, by property; and the small tables beside it."""

import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cdn_edge.derived import pack, unpack
from cdn_edge.entry import Entry
from cdn_edge.failures import SECONDS, TRIES, Failures
from cdn_edge.look import Look, look_at
from cdn_edge.sources import Kind, Stored, ranked
from models.errors import RenderCrashed, ServiceError
from models.recipe import Jpeg, Recipe, Resize, Webp
from tests.edge_world import entry_of
from tests.pictures import animated_gif, animated_webp, avif, jpeg, png, webp


def stored(kind: Kind, width: int, height: int, kind_of_file: str = "jpeg") -> Stored:
    key = f"{kind}-{width}x{height}.{kind_of_file}"
    return Stored(kind=kind, key=key, format=kind_of_file, width=width, height=height, sha256="ab")


def wanted(width: int | None = None, **resize: object) -> Recipe:
    return Recipe(resize=Resize(width=width, without_enlargement=True, **resize), output=Jpeg())  # type: ignore[arg-type]  # names of Resize


VARIANT = stored("variant", 1200, 900, "webp")
MEZZANINE = stored("mezzanine", 1200, 900)
ORIGINAL = stored("original", 4000, 3000)
PNG = stored("variant", 4000, 3000, "png")
OPAQUE, CLEAR = stored("variant", 1200, 900), stored("original", 4000, 3000, "png")
LARGE, COPY = stored("variant", 4000, 3000, "webp"), stored("mezzanine", 2048, 1536)


@pytest.mark.parametrize(
    ("width", "variant", "others", "first"),
    [
        (320, VARIANT, [MEZZANINE], MEZZANINE),
        (800, VARIANT, [MEZZANINE, ORIGINAL], MEZZANINE),
        (900, VARIANT, [MEZZANINE, ORIGINAL], ORIGINAL),
        (900, VARIANT, [MEZZANINE], MEZZANINE),
        (5000, VARIANT, [MEZZANINE], MEZZANINE),
        (None, VARIANT, [MEZZANINE, ORIGINAL], MEZZANINE),
        (None, VARIANT, [], VARIANT),
        (1000, LARGE, [COPY], COPY),
        (1600, LARGE, [COPY], COPY),
        (3000, LARGE, [COPY], LARGE),
        (3000, LARGE, [COPY, PNG], PNG),
        (None, LARGE, [COPY], LARGE),
        (300, VARIANT, [msgspec.structs.replace(ORIGINAL, whole=False)], VARIANT),
        (300, OPAQUE, [CLEAR], OPAQUE),
    ],
)
def test_a_derivative_starts_from_what_lost_least_and_is_not_too_large(
    width: int | None, variant: Stored, others: list[Stored], first: Stored
) -> None:
    assert ranked(wanted(width), variant, others)[0] == first


def test_the_variant_itself_is_always_the_last_resort() -> None:
    assert ranked(wanted(10), VARIANT, [MEZZANINE, ORIGINAL])[-1] == VARIANT
    everything = ranked(wanted(10), VARIANT, [MEZZANINE, ORIGINAL, VARIANT])
    assert len(everything) == len(set(everything)) == 3


def palette_png() -> bytes:
    file = io.BytesIO()
    picture = Image.new("P", (4, 4))
    picture.info["transparency"] = 0
    picture.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "seen"),
    [
        (jpeg(), Look()),
        (png(), Look()),
        (png(mode="RGBA"), Look(alpha=True)),
        (palette_png(), Look(alpha=True)),
        (webp(), Look()),
        (webp(mode="RGBA"), Look(alpha=True)),
        (webp(mode="RGBA", lossless=True), Look(alpha=True)),
        (webp(lossless=True), Look()),
        (animated_webp(), Look(animated=True)),
        (animated_gif(), Look(animated=True)),
        (avif(), Look()),
        (avif(mode="RGBA"), Look(alpha=True)),
    ],
)
def test_what_is_in_a_file_is_seen_without_decoding_it(data: bytes, seen: Look) -> None:
    assert look_at(data) == seen


@given(st.binary(max_size=64))
def test_looking_at_anything_raises_nothing(data: bytes) -> None:
    for start in (b"", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8X", b"RIFF\0\0\0\0WEBPVP8L", b"\x89PNG"):
        look_at(start + data)


@given(st.binary(max_size=200), st.data())
def test_a_stored_derivative_that_was_changed_anywhere_is_none(
    body: bytes, data: st.DataObject
) -> None:
    entry = entry_of(body)
    packed = pack(Entry(**{**_fields(entry), "source": "s"}), body)
    found = unpack(packed, "s")
    assert found is not None
    assert found[1] == body
    assert unpack(packed, "other") is None
    at = data.draw(st.integers(packed.index(b"\n"), len(packed) - 1))
    broken = packed[:at] + bytes([packed[at] ^ 1]) + packed[at + 1 :]
    assert unpack(broken, "s") is None
    assert unpack(packed[:-1], "s") is None


def _fields(entry: Entry) -> dict[str, object]:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}


def test_a_render_is_tried_four_times_an_hour() -> None:
    now = [0.0]
    failures = Failures(lambda: now[0], most=3)
    for _ in range(TRIES):
        failures.check("a")
        failures.note("a", RenderCrashed())
    with pytest.raises(RenderCrashed) as remembered:
        failures.check("a")
    assert 0 < (remembered.value.retry_after or 0) <= SECONDS
    failures.check("b")
    now[0] = SECONDS
    failures.check("a")


def test_failures_are_remembered_in_a_bounded_table() -> None:
    failures = Failures(lambda: 0.0, most=3)
    for number in range(10):
        failures.note(str(number), ServiceError())
    assert len(failures) == 3


def test_a_recipe_with_another_format_starts_from_the_same() -> None:
    recipe = Recipe(resize=Resize(width=300), output=Webp())
    assert ranked(recipe, VARIANT, [MEZZANINE])[0] == MEZZANINE
