"""Where pixels go: the sizes that sharp's own tests pin, and what must hold for every size."""

import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.recipe import Fit, Padding, Position, Resize
from pipeline import geometry
from pipeline.geometry import Box, Shrink, Size

SIDES = st.integers(1, 20_000)
SIZES = st.builds(Size, SIDES, SIDES)
POSITIONS = st.sampled_from(get_args(Position))
RATIOS = st.none() | st.floats(1e-6, 1e6)
RESIZES = st.builds(
    Resize,
    width=st.none() | SIDES,
    height=st.none() | SIDES,
    fit=st.sampled_from(get_args(Fit)),
    position=POSITIONS,
    without_enlargement=st.booleans(),
    without_reduction=st.booleans(),
    padding=st.builds(Padding, px=st.integers(0, 99), py=st.integers(0, 99)),
)
PHOTO = Size(2725, 2225)


@pytest.mark.parametrize(
    ("resize", "expected"),
    [
        (Resize(width=320, height=240), Size(320, 240)),
        (Resize(width=320), Size(320, 261)),
        (Resize(height=320), Size(392, 320)),
        (Resize(width=320, height=320, fit="outside"), Size(392, 320)),
        (Resize(width=320, height=320, fit="inside"), Size(320, 261)),
        (Resize(width=320, height=320, fit="fill"), Size(320, 320)),
        (Resize(width=320, fit="fill"), Size(320, 2225)),
        (Resize(width=3000), Size(3000, 2450)),
        (Resize(width=3000, without_enlargement=True), PHOTO),
        (Resize(width=320, without_reduction=True, fit="inside"), PHOTO),
        (Resize(width=3000, height=1000, without_enlargement=True), Size(2725, 1000)),
        (Resize(width=1500, height=2226, without_enlargement=True), Size(1500, 2225)),
        (Resize(width=320, height=320, without_reduction=True), Size(320, 320)),
        (Resize(width=320, padding=Padding(px=5, py=7)), Size(330, 275)),
        (Resize(padding=Padding(px=5)), Size(2735, 2225)),
    ],
)
def test_a_photo_comes_out_at_the_size_sharp_gives_it(resize: Resize, expected: Size) -> None:
    assert geometry.outcome(PHOTO, resize, None) == expected


@pytest.mark.parametrize(
    ("size", "resize", "ratio", "expected"),
    [
        (Size(4000, 3000), Resize(width=720), 16 / 9, Size(720, 405)),
        (Size(100, 100), Resize(width=720), 1.777, Size(720, 405)),
        (Size(3000, 4000), Resize(width=720), 1.777, Size(720, 405)),
        (Size(1376, 768), Resize(width=120), 1.9, Size(120, 63)),
        (Size(1376, 768), Resize(width=320), 1.9, Size(320, 168)),
        (Size(1376, 768), Resize(width=1200), 1.9, Size(1200, 632)),
        (Size(4000, 3000), Resize(), 1.0, Size(3000, 3000)),
        (Size(4000, 3000), Resize(height=580), 1.0, Size(580, 580)),
        (Size(4000, 3000), Resize(width=100, height=100), 2.0, Size(100, 100)),
        (Size(4000, 3000), Resize(width=100, height=100, fit="inside"), 2.0, Size(100, 50)),
        (Size(4000, 3000), Resize(width=100, height=100, fit="contain"), 2.0, Size(100, 100)),
    ],
)
def test_a_ratio_is_cut_before_the_size_and_exact_after_it(
    size: Size, resize: Resize, ratio: float, expected: Size
) -> None:
    assert geometry.outcome(size, resize, ratio) == expected


def test_the_shortest_side_keeps_one_pixel() -> None:
    assert geometry.outcome(Size(10, 2), Resize(width=2), None) == Size(2, 1)
    assert geometry.outcome(Size(200, 1), Resize(width=50, height=50, fit="contain"), None) == Size(
        50, 50
    )


@given(size=SIZES, resize=RESIZES, ratio=RATIOS)
def test_no_side_is_ever_zero(size: Size, resize: Resize, ratio: float | None) -> None:
    assert min(geometry.outcome(size, resize, ratio)) >= 1


@given(size=SIZES, width=SIDES, height=SIDES, position=POSITIONS)
def test_a_crop_lies_inside_the_picture(
    size: Size, width: int, height: int, position: Position
) -> None:
    box = geometry.crop_box(size, Size(width, height), position)
    assert 0 <= box.left <= size.width - box.width
    assert 0 <= box.top <= size.height - box.height
    assert (box.width, box.height) == (min(width, size.width), min(height, size.height))


@given(size=SIZES, width=SIDES, height=SIDES, position=POSITIONS)
def test_a_canvas_holds_the_whole_picture(
    size: Size, width: int, height: int, position: Position
) -> None:
    box = geometry.embed_box(size, Size(width, height), position)
    assert 0 <= box.left <= box.width - size.width
    assert 0 <= box.top <= box.height - size.height
    assert (box.width, box.height) == (max(width, size.width), max(height, size.height))


@given(size=SIZES, width=SIDES, height=SIDES)
def test_contain_gives_exactly_the_canvas_and_cover_never_more(
    size: Size, width: int, height: int
) -> None:
    contained = Resize(width=width, height=height, fit="contain")
    assert geometry.outcome(size, contained, None) == Size(width, height)
    covered = geometry.outcome(size, Resize(width=width, height=height), None)
    assert covered.width <= width
    assert covered.height <= height


@given(
    size=SIZES,
    width=st.none() | SIDES,
    height=st.none() | SIDES,
    fit=st.sampled_from(["cover", "inside", "outside"]),
)
def test_these_fits_keep_the_proportions(
    size: Size, width: int | None, height: int | None, fit: Fit
) -> None:
    wanted = (width, height)
    resize = Resize(width=width, height=height, fit=fit)
    shrink = geometry.resolve_shrink(*size, wanted, resize)
    clamped = shrink.across == size.width or shrink.down == size.height
    assert shrink.across == shrink.down or clamped


@given(size=SIZES, resize=RESIZES)
def test_one_flag_never_scales_the_other_way(size: Size, resize: Resize) -> None:
    shrink = geometry.resolve_shrink(*size, (resize.width, resize.height), resize)
    if resize.without_reduction:
        assert max(shrink) <= 1
    elif resize.without_enlargement:
        assert min(shrink) >= 1


@given(common=st.floats(0.01, 1e6), fast=st.booleans())
def test_the_jpeg_decoder_never_shrinks_too_far(common: float, fast: bool) -> None:
    factor = geometry.jpeg_shrink(common, fast=fast)
    assert factor in (1, 2, 4, 8)
    assert factor == 1 or factor <= common / (1 if fast else 2)
    assert factor == 1 or int(common) > factor  # exact fractions leave a step to the resize


def test_an_exact_eighth_is_decoded_at_a_quarter() -> None:
    assert [geometry.jpeg_shrink(common, fast=True) for common in (1.9, 2, 3, 4.5, 8, 8.9, 9)] == [
        1, 1, 2, 2, 4, 4, 8,
    ]  # fmt: skip
    assert geometry.jpeg_shrink(9, fast=False) == 4


def test_odd_leftovers_shift_a_crop_right_and_a_letterbox_left() -> None:
    assert geometry.crop_box(Size(10, 10), Size(7, 7), "centre") == Box(2, 2, 7, 7)
    assert geometry.embed_box(Size(7, 7), Size(10, 10), "centre") == Box(1, 1, 10, 10)


@pytest.mark.parametrize(
    ("position", "corner"),
    [
        ("centre", (10, 5)),
        ("top", (10, 0)),
        ("right", (20, 5)),
        ("bottom", (10, 10)),
        ("left", (0, 5)),
        ("right top", (20, 0)),
        ("right bottom", (20, 10)),
        ("left bottom", (0, 10)),
        ("left top", (0, 0)),
        ("entropy", (10, 5)),
    ],
)
def test_a_position_says_which_part_stays(position: Position, corner: tuple[int, int]) -> None:
    assert geometry.crop_box(Size(40, 30), Size(20, 20), position)[:2] == corner
    assert geometry.embed_box(Size(20, 20), Size(40, 30), position)[:2] == corner


@given(height=st.integers(1, 2000), frames=st.integers(2, 200), down=st.floats(0.01, 2000))
def test_frames_stay_whole(height: int, frames: int, down: float) -> None:
    shrink = geometry.frame_shrink(height, frames, Shrink(1.0, min(down, height)))
    strip = height * frames / shrink.down
    assert math.isclose(strip / frames, max(1, round(height / min(down, height))), rel_tol=1e-9)


def test_a_turned_picture_swaps_what_is_wanted_and_inverts_its_ratio() -> None:
    assert geometry.turned(Resize(width=3, height=4), turn=True) == (4, 3)
    assert geometry.cut_size(Size(300, 400), 2.0, turn=True) == (200, 400)
    assert geometry.cut_size(Size(400, 300), 2.0) == (400, 200)
