"""The dialect of URLs: one value for every spelling, one spelling for every value."""

import random
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdn_edge.dialect import AUTO, LARGEST_PAD, LARGEST_SIDE, Wanted, scaled
from cdn_edge.grammar import (
    FITS,
    PARAMETERS,
    SHAPING,
    read_pairs,
    read_wanted,
    write_wanted,
)
from cdn_edge.wish import Source, Wish, disposition, keeps_pixels, named, needs_look, recipe_of
from models.colour import Colour
from models.errors import BadRequest, InvalidFields
from models.options import FORMATS, POSITION_NAMES, POSITIONS
from models.recipe import (
    Avif,
    Gif,
    Jpeg,
    Padding,
    Png,
    Recipe,
    Resize,
    Webp,
    fingerprint,
    settle,
)

JPEG = Source("jpeg")
CLEAR = Source("png", alpha=True)
FILM = Source("gif", animated=True)
BYTES = st.integers(0, 255)
COLOURS = st.builds(
    Colour, red=BYTES.map(float), green=BYTES.map(float), blue=BYTES.map(float), alpha=BYTES
)
SIDES = st.integers(1, LARGEST_SIDE)
WANTED = st.builds(
    Wanted,
    width=st.none() | SIDES | st.just(AUTO),
    height=st.none() | SIDES,
    dense=st.booleans(),
    fit=st.sampled_from(sorted(set(FITS.values()))),
    position=st.sampled_from([position for position, _ in POSITIONS.values()]),
    ratio=st.none() | st.floats(0.01, 100),
    enlarge=st.booleans(),
    orientation=st.integers(1, 8),
    padding=st.builds(Padding, px=st.integers(0, LARGEST_PAD), py=st.integers(0, LARGEST_PAD)),
    background=st.none() | COLOURS,
    blur=st.just(0.0) | st.floats(0.3, 100),
    sharpen=st.just(0.0) | st.floats(0.1, 10),
    quality=st.none() | st.integers(1, 100) | st.just(AUTO),
    format=st.none() | st.sampled_from([*FORMATS, AUTO]),
)


def wanted(query: str) -> Wanted:
    return read_wanted(read_pairs(query))


def recipe(query: str, source: Source = JPEG) -> Recipe:
    made = recipe_of(Wish(wanted=wanted(query)), source)
    assert made is not None
    return made


def refusal(query: str) -> InvalidFields:
    with pytest.raises(InvalidFields) as caught:
        wanted(query)
    return caught.value


# One value, one spelling.


@given(WANTED)
def test_what_is_written_is_read_as_the_same(asked: Wanted) -> None:
    assert wanted(write_wanted(asked)) == asked


@given(WANTED)
def test_every_wish_can_be_asked_for_and_has_a_recipe(asked: Wanted) -> None:
    known = scaled(asked, 1.0)
    if known.width == AUTO:
        known = msgspec.structs.replace(known, width=100)
    for source in (JPEG, CLEAR, FILM, Source("heic")):
        made = recipe_of(Wish(wanted=known), source)
        assert made is None or len(fingerprint(made)) == 64


@st.composite
def respelled(draw: st.DrawFn) -> tuple[str, str]:
    """A query, and another that asks for the same."""
    plain = write_wanted(draw(WANTED))
    pieces = [piece.split("=", 1) for piece in plain.split("&") if piece]
    chance = random.Random(draw(st.integers()))
    other = [f"{_name(name, chance)}={_value(name, value, chance)}" for name, value in pieces]
    taken = {name for name, _ in pieces}
    other += [extra for name, extra in REDUNDANT if name not in taken and chance.random() < 0.3]
    chance.shuffle(other)
    return plain, "&".join(other)


NUMBERS = ("w", "h", "q", "rot", "blur", "sharpen", "ar")
REDUNDANT = [
    ("fit", "fit=cover"),
    ("pos", "pos=centre"),
    ("pos", "pos=center"),
    ("enlarge", "enlarge=0"),
    ("dpr", "dpr=1"),
    ("rot", "rot=0"),
    ("pad", "pad=0"),
    ("blur", "blur=0"),
    ("sharpen", "sharpen=0.0"),
    ("v", "v=17"),
    ("download", "download=cat"),
]


def _name(name: str, chance: random.Random) -> str:
    return chance.choice([name, name.upper(), name.capitalize()])


def _value(name: str, value: str, chance: random.Random) -> str:
    if name not in NUMBERS:
        return chance.choice([value, value.upper() if "%" not in value else value, quoted(value)])
    if re.fullmatch(r"\d+", value):
        return chance.choice([value, f"0{value}", f"{value}.0", f"{value}.", quoted(value)])
    return chance.choice([value, f"0{value}", f"{value}0"]) if "." in value else value.upper()


def quoted(value: str) -> str:
    """Every sign percent-encoded, whether it must be or not."""
    return value if "%" in value else "".join(f"%{sign:02X}" for sign in value.encode())


@given(respelled())
def test_spellings_of_one_request_share_one_result(pair: tuple[str, str]) -> None:
    plain, other = pair
    assert wanted(_once(other)) == wanted(plain)
    assert named(Wish(wanted=wanted(_once(other)))).key == named(Wish(wanted=wanted(plain))).key


def _once(query: str) -> str:
    """Without what chance repeated."""
    kept: dict[str, str] = {}
    for piece in query.split("&"):
        kept.setdefault(piece.partition("=")[0].lower(), piece)
    return "&".join(kept.values())


SAME = [
    ("w=200&h=100&dpr=2", "h=200&w=400"),
    ("w=100&dpr=1.5", "w=150"),
    ("pad=10&dpr=2", "pad=20,20"),
    ("fit=crop&w=1&h=1", "fit=cover&w=1&h=1"),
    ("fit=max&w=1&h=1", "fit=inside&w=1&h=1"),
    ("pos=top-right", "pos=right+top"),
    ("pos=northeast", "pos=right%20top"),
    ("pos=smart", "pos=17"),
    ("ar=16:9", "ar=32:18"),
    ("ar=2", "ar=2:1"),
    ("bg=f80", "bg=%23FF8800"),
    ("bg=red", "bg=rgb(255,0,0)"),
    ("fm=jpg", "fm=JPEG"),
    ("auto=format", "fm=auto"),
    ("rot=180", "flip=hv"),
    ("flip=vh", "rot=180&enlarge=false"),
    ("flip=v", "flip=h&rot=180"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_these_mean_the_same(one: str, other: str) -> None:
    assert wanted(one) == wanted(other)


@pytest.mark.parametrize(
    ("one", "other", "source"),
    [
        ("w=100&fm=jpeg", "w=100", JPEG),
        ("w=100&q=80&fm=png", "w=100&fm=png", JPEG),  # nothing is lost in a PNG
        ("w=100&fm=auto", "w=100&fm=jpeg", JPEG),
        ("w=100&fm=auto", "w=100&fm=png", CLEAR),
        ("blur=3&fit=inside", "blur=3", JPEG),  # there is nothing to fit
        ("w=100&fit=max&pos=top", "w=100", JPEG),
    ],
)
def test_these_make_the_same_bytes(one: str, other: str, source: Source) -> None:
    assert fingerprint(recipe(one, source)) == fingerprint(recipe(other, source))


# What each parameter does.

MEANS: list[tuple[str, Recipe]] = [
    ("w=640", Recipe(resize=Resize(width=640, without_enlargement=True), output=Jpeg())),
    ("h=480", Recipe(resize=Resize(height=480, without_enlargement=True), output=Jpeg())),
    ("w=640&enlarge=1", Recipe(resize=Resize(width=640), output=Jpeg())),
    (
        "w=4&h=3&fit=inside&pos=top",
        Recipe(
            resize=Resize(
                width=4, height=3, fit="inside", position="top", without_enlargement=True
            ),
            output=Jpeg(),
        ),
    ),
    ("ar=1.5", Recipe(ratio=1.5, output=Jpeg())),
    ("rot=90", Recipe(orientation=6, output=Jpeg())),
    ("flip=h&rot=90", Recipe(orientation=7, output=Jpeg())),
    ("pad=1,2", Recipe(resize=Resize(padding=Padding(px=1, py=2)), output=Jpeg())),
    ("blur=2.5", Recipe(blur=2.5, output=Jpeg())),
    ("sharpen=1", Recipe(sharpen=1.0, output=Jpeg())),
    ("q=70", Recipe(output=Jpeg(quality=70))),
    ("fm=webp&q=70", Recipe(output=Webp(quality=70))),
    ("fm=gif&q=70", Recipe(output=Gif())),
]


@pytest.mark.parametrize(("query", "meant"), MEANS)
def test_a_parameter_is_a_field_of_the_recipe(query: str, meant: Recipe) -> None:
    assert recipe(query) == meant


def test_a_colour_is_around_the_picture_and_under_it() -> None:
    red = Colour(red=255.0)
    made = recipe("bg=f00&pad=1&fm=png", CLEAR)
    assert (made.resize.background, made.output) == (red, Png(background=red))
    glass = Colour(red=255.0, alpha=128)
    made = recipe("bg=ff000080&pad=1&fm=png", CLEAR)
    assert (made.resize.background, made.output) == (glass, Png())
    assert recipe("bg=ff000080", CLEAR._replace(format="jpeg")).output == Jpeg(background=glass)


@pytest.mark.parametrize("query", ["", "v=3", "download=cat.jpg", "fm=jpeg", "dpr=2", "fm=auto"])
def test_what_changes_nothing_is_the_source_itself(query: str) -> None:
    assert recipe_of(Wish(wanted=wanted(query)), JPEG) is None


@pytest.mark.parametrize(
    ("query", "bare"), [("v=3&dpr=2", True), ("fm=auto", False), ("w=1", False)]
)
def test_a_bare_request_has_no_key(query: str, bare: bool) -> None:
    wish = named(Wish(wanted=wanted(query)))
    assert (wish.bare, wish.key == "") == (bare, bare)


@pytest.mark.parametrize(("query", "kept"), [("q=50", True), ("fm=avif", True), ("w=50", False)])
def test_a_format_and_a_quality_keep_the_pixels(query: str, kept: bool) -> None:
    assert keeps_pixels(recipe(query)) is kept


@pytest.mark.parametrize(
    ("reads", "source", "output"),
    [
        ("avif", JPEG, Avif()),
        ("webp", JPEG, Webp()),
        ("webp", CLEAR, Webp()),
        ("plain", Source("webp"), Jpeg()),
        ("plain", Source("webp", alpha=True), Png()),
        ("avif", FILM, Webp()),
        ("webp", FILM, Webp()),
        ("plain", Source("webp", animated=True), Gif()),
    ],
)
def test_the_best_format_keeps_transparency_and_motion(
    reads: Any, source: Source, output: object
) -> None:
    made = recipe_of(Wish(wanted=Wanted(format=AUTO), reads=reads), source)
    assert made is not None
    assert made.output == output


def test_only_a_negotiated_format_needs_a_look_at_the_source() -> None:
    assert needs_look(Wish(wanted=Wanted(format=AUTO)), "png")
    assert not needs_look(Wish(wanted=Wanted(format=AUTO)), "jpeg")
    assert not needs_look(Wish(wanted=Wanted(format="webp")), "png")


@pytest.mark.parametrize("kind", ["heic", "tiff", "svg"])
def test_a_source_that_we_only_read_becomes_webp(kind: str) -> None:
    assert recipe("w=10", Source(kind)).output == Webp()


def test_nothing_is_enlarged_unless_asked() -> None:
    for query in ("w=9000", "w=9000&h=9000&fit=contain", "h=9000&fit=outside", "w=4000&dpr=3"):
        assert settle(recipe(query)).resize.without_enlargement
    assert not recipe("w=9000&enlarge=1").resize.without_enlargement


# Refusals.

REFUSED = [
    ("w=0", "w"),
    ("w=12001", "w"),
    ("w=-1", "w"),
    ("w=1.5", "w"),
    ("w=1e2", "w"),
    ("w=0x10", "w"),
    ("w=NaN", "w"),
    ("w=%31%30%30x", "w"),
    ("w=\u0661", "w"),
    ("h=auto", "h"),
    ("w=", "w"),
    ("w", "w"),
    ("w=1&w=1", "w"),
    ("w=1&W=2", "W"),
    ("x=1", "x"),
    ("wdith=3", "wdith"),
    ("=", ""),
    ("&", ""),
    ("w=1&&h=1", ""),
    ("fit=stretch", "fit"),
    ("pos=nowhere", "pos"),
    ("pos=9", "pos"),
    ("q=0", "q"),
    ("q=101", "q"),
    ("q=best", "q"),
    ("fm=heic", "fm"),
    ("fm=jxl", "fm"),
    ("auto=compress", "auto"),
    ("auto=format&fm=png", "auto"),
    ("dpr=0", "dpr"),
    ("dpr=5.1", "dpr"),
    ("dpr=5&w=3000", "dpr"),
    ("bg=nocolour", "bg"),
    ("bg=ff", "bg"),
    ("blur=0.1", "blur"),
    ("blur=101", "blur"),
    ("sharpen=11", "sharpen"),
    ("rot=45", "rot"),
    ("flip=x", "flip"),
    ("pad=-1", "pad"),
    ("pad=2001", "pad"),
    ("pad=1,2,3", "pad"),
    ("ar=0", "ar"),
    ("ar=16:0", "ar"),
    ("ar=1000:1", "ar"),
    ("ar=:", "ar"),
    ("enlarge=yes", "enlarge"),
]


@pytest.mark.parametrize(("query", "field"), REFUSED)
def test_a_refusal_names_the_parameter(query: str, field: str) -> None:
    refused = refusal(query)
    assert refused.status == 400
    assert refused.problems[0].field == field
    assert refused.sentence.startswith(f"{field}: ")


@pytest.mark.parametrize("name", sorted(set(SHAPING) - {"auto"}))
def test_a_refusal_says_what_is_allowed(name: str) -> None:
    sentence = refusal(f"{name}=(").sentence
    assert SHAPING[name].allowed.replace("`", "") in sentence


@pytest.mark.parametrize("query", ["w=%", "w=%zz", "w=%ff", "%ff=1", "w=" + "1" * 3000])
def test_what_is_not_a_query_is_refused(query: str) -> None:
    with pytest.raises(BadRequest):
        wanted(query)


def test_every_problem_is_told_at_once() -> None:
    assert [one.field for one in refusal("w=0&h=0&fit=x").problems] == ["w", "h", "fit"]


@given(
    st.text(max_size=60) | st.lists(st.sampled_from([*PARAMETERS, *"=&%+0129.:,aAx "])).map("".join)
)
def test_no_query_does_anything_but_mean_something_or_be_refused(query: str) -> None:
    try:
        asked = wanted(query)
    except BadRequest:
        return
    assert wanted(write_wanted(asked)) == asked


@pytest.mark.parametrize("name", POSITION_NAMES)
def test_every_position_can_be_written_with_a_hyphen(name: str) -> None:
    assert wanted(f"pos={name.replace(' ', '-')}").position == POSITION_NAMES[name]


# Downloads.


@pytest.mark.parametrize(
    "name", ["a\r\nset-cookie: x", "a/b", "..", "a\\b", 'a"b', "a\x00", "a\u202eb", " a", "a" * 129]
)
def test_a_file_name_is_a_name_and_nothing_else(name: str) -> None:
    with pytest.raises(InvalidFields):
        read_all(f"download={quote(name, safe='')}")


def read_all(query: str) -> None:
    from cdn_edge.grammar import read_values  # noqa: PLC0415

    read_values(read_pairs(query))


def test_a_download_is_named_in_both_ways() -> None:
    header = disposition("Café №1", "webp")
    assert header == (
        "attachment; filename=\"Caf_ _1.webp\"; filename*=UTF-8''Caf%C3%A9%20%E2%84%961.webp"
    )
    assert disposition("cat.JPEG", "jpg").startswith('attachment; filename="cat.JPEG"')
    assert disposition("cat.png", "jpg").startswith('attachment; filename="cat.png.jpg"')


@given(st.text(max_size=140))
def test_no_file_name_reaches_beyond_its_header(name: str) -> None:
    header = disposition(name, "webp")
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


# The documentation.

README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_parameter_has_an_example_that_is_read(name: str) -> None:
    example = PARAMETERS[name].example
    if name != "s":
        assert set(read_pairs(example)) == {name}
        read_all(example)


@pytest.mark.parametrize("name", PARAMETERS)
def test_the_readme_has_every_parameter(name: str) -> None:
    one = PARAMETERS[name]
    row = f"| `{name}` | {one.allowed} | {one.default} | {one.means} | `{one.example}` |"
    assert row in README.read_text()
