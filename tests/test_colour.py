"""Colours: sharp's grammar, its clipping and its rounding, without its accidents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.colour import Colour, read_colour
from models.colour_names import NAMES
from models.readers import Malformed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def rgb(red: float, green: float, blue: float, alpha: int = 255) -> Colour:
    return Colour(red=red, green=green, blue=blue, alpha=alpha)


# What sharp 0.35.5 makes of each.
@pytest.mark.parametrize(
    ("spelling", "colour"),
    [
        ("red", rgb(255, 0, 0)),
        ("RebeccaPurple", rgb(102, 51, 153)),
        ("transparent", rgb(0, 0, 0, 0)),
        ("#f00", rgb(255, 0, 0)),
        ("#F008", rgb(255, 0, 0, 136)),
        ("#FF0000", rgb(255, 0, 0)),
        ("#ff000080", rgb(255, 0, 0, 128)),
        ("rgb(1,2,3)", rgb(1, 2, 3)),
        ("RGB(1 2 3)", rgb(1, 2, 3)),
        ("rgba(1, 2, 3, 0.5)", rgb(1, 2, 3, 128)),
        ("rgb(1 2 3 / 50%)", rgb(1, 2, 3, 128)),
        ("rgb(10.5, 300, -4)", rgb(10.5, 255, 0)),
        ("rgb(10%, 50%, 100%)", rgb(26, 127, 255)),
        ("hsl(120, 100%, 50%)", rgb(0, 255, 0)),
        ("hsl(-240deg 100% 50%)", rgb(0, 255, 0)),
        ("hsla(480, 100%, 50%, .5)", rgb(0, 255, 0, 128)),
        ("hsl(0, 0%, 50%)", rgb(127.5, 127.5, 127.5)),
        ("hwb(120 0% 0%)", rgb(0, 255, 0)),
        ("hwb(120, 100%, 100%, 0.5)", rgb(127.5, 127.5, 127.5, 128)),
        ({"r": 1, "g": 2.5, "b": 300}, rgb(1, 2.5, 255)),
        ({"r": 1, "g": 2, "b": 3, "alpha": 0.5}, rgb(1, 2, 3, 128)),
        ({"r": 1, "g": 2, "b": 3, "alpha": None}, rgb(1, 2, 3)),
        ({"h": 120, "s": 100, "l": 50}, rgb(0, 255, 0)),
        ({"h": 120, "s": 100, "v": 100}, rgb(0, 255, 0)),
        ({"h": 120, "w": 0, "b": 0}, rgb(0, 255, 0)),
        ({"h": 120, "c": 100, "g": 0}, rgb(0, 255, 0)),
        ({"c": 0, "m": 100, "y": 100, "k": 0}, rgb(255, 0, 0)),
        ({"gray": 50}, rgb(127.5, 127.5, 127.5)),
        ({"hex": "#ff0000"}, rgb(255, 0, 0)),
        ({"keyword": "red", "alpha": 0}, rgb(255, 0, 0, 0)),
        ([1, 2, 3], rgb(1, 2, 3)),
        ([1, 2, 3, 0.5], rgb(1, 2, 3, 128)),
    ],
)
def test_every_spelling_of_a_colour_is_read(spelling: object, colour: Colour) -> None:
    read = read_colour(spelling)
    assert (read.red, read.green, read.blue) == pytest.approx(
        (colour.red, colour.green, colour.blue)
    )
    assert read.alpha == colour.alpha


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        # To six decimals what sharp's parser computes.
        ({"l": 50, "a": 20, "b": -20}, (136.939132, 108.364006, 153.095329)),
        ({"l": 50, "c": 20, "h": 120}, (113.117550, 123.038546, 89.200896)),
        ({"x": 20, "y": 30, "z": 40}, (0.0, 166.832615, 164.313976)),
    ],
)
def test_device_independent_colours_become_srgb(
    space: dict[str, int], expected: tuple[float, ...]
) -> None:
    read = read_colour(space)
    assert (read.red, read.green, read.blue) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "value",
    [
        "", "re", " red", "red ", "none", "currentColor", "ff0000", "#ff", "#ff000", "#12345",
        "rgb(1,2)", "rgb(1%,2,3)", "rgb(.,1,2)", "rgb(1,2,3,)", "lab(50 1 1)", "oklch(1 1 1)",
        "color(srgb 1 1 1)", "hsl(1,2,3)", "hwb(0 0% 0% / 1)", "x" * 201, "rgb(\u0661,2,3)",
        1, 1.5, True, None,
        {}, {"r": 1, "g": 2}, {"r": 1, "g": 2, "b": 3, "a": 1}, {"r": 1, "g": 2, "b": 3, "x": 1},
        {"r": "1", "g": 2, "b": 3}, {"r": True, "g": 2, "b": 3}, {"r": None, "g": 2, "b": 3},
        {"r": float("nan"), "g": 2, "b": 3}, {"r": 10**400, "g": 2, "b": 3}, {"hex": "red"},
        {"keyword": 3}, [], [1], [1, 2], [1, 2, "3"], [1, 2, 3, 4, 5],
    ],
)  # fmt: skip
def test_what_is_no_colour_is_refused(value: object) -> None:
    with pytest.raises(Malformed):
        read_colour(value)


@given(JSON)
def test_any_value_is_a_colour_in_range_or_refused(value: object) -> None:
    try:
        colour = read_colour(value)
    except Malformed:
        return
    assert all(0 <= channel <= 255 for channel in (colour.red, colour.green, colour.blue))
    assert 0 <= colour.alpha <= 255


@given(st.sampled_from(sorted(NAMES)), st.integers(0, 2))
def test_a_name_its_hex_and_its_numbers_are_one_colour(name: str, case: int) -> None:
    packed = NAMES[name]
    channels = [packed >> 16, packed >> 8 & 255, packed & 255]
    spelled = (name, name.upper(), name.title())[case]
    assert (
        read_colour(spelled)
        == read_colour(f"#{packed:06x}")
        == read_colour(f"#{packed:06X}ff")
        == read_colour(channels)
        == read_colour(f"rgb({channels[0]}, {channels[1]}, {channels[2]})")
        == read_colour(dict(zip("rgb", channels, strict=True)))
    )


def test_there_are_148_names() -> None:
    assert len(NAMES) == 148
