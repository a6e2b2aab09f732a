"""Negotiation: what headers mean, whatever is written in them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdn_edge.asking import understand
from cdn_edge.negotiate import (
    DENSITIES,
    USUAL_WIDTH,
    WIDTHS,
    density_of,
    reads_of,
    saves_data,
    width_of,
)
from cdn_edge.policy import Policy
from cdn_edge.wish import Wish

OPEN = Policy(account="a", bucket_id="b", mode="open")
CHROME = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
SAFARI_16 = (
    "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,"
    "image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"
)
SAFARI_13 = "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5"


def wish(query: str, **headers: str) -> Wish:
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return understand(OPEN, "/b/k.jpg", query, given_headers.get, now=0, local=False)


ACCEPTS = [
    (CHROME, "avif"),
    (FIREFOX, "avif"),
    (SAFARI_16, "avif"),
    (SAFARI_13, "plain"),
    ("image/webp,*/*", "webp"),
    ("*/*", "plain"),
    ("image/*", "plain"),
    ("", "plain"),
    (None, "plain"),
    ("text/html", "plain"),
    ("image/avif", "avif"),
    ("IMAGE/AVIF", "avif"),
    ("image/avif;q=0", "plain"),
    ("image/avif;q=0,image/webp", "webp"),
    ("image/avif;q=0.000, image/webp;q=0.001", "webp"),
    ("image/avif;q=0.5,image/webp;q=0.9", "webp"),
    ("image/avif;q=0.9,image/webp;q=0.9", "avif"),
    ("image/webp;q=0.5,image/jpeg", "plain"),
    ("image/webp;q=0.5,image/jpeg;q=0.4", "webp"),
    ("image/webp;q=0.5,image/png;q=0.6", "plain"),
    ("image/webp;q=0.5,image/*;q=0.6", "plain"),
    ("image/webp;q=0.5,*/*;q=0.6", "plain"),
    # A type by its name goes before image/*, which goes before */*.
    ("image/webp;q=0.5,image/jpeg;q=0.1,image/png;q=0.1,*/*;q=1", "webp"),
    ("image/webp;q=0.5,image/*;q=0.1,*/*;q=1", "webp"),
    (" image/avif ; q=1.0 ,\timage/webp", "avif"),
    ("image/avif;level=1;q=0.3,image/webp;q=0.2", "avif"),
    ("image/avif;Q=0.1,image/webp;q=0.2", "webp"),
    ("image/avif;q=2,image/webp", "webp"),
    ("image/avif;q=-1,image/webp", "webp"),
    ("image/avif;q=,image/webp", "webp"),
    ("image/avif;q=nan,image/webp", "webp"),
    ("image/avif;q=0.1234,image/webp;q=0.1", "webp"),
    (",,;q=1,image/webp,,", "webp"),
    ("image/avif" + " " * 100 + ";q=1", "avif"),
    ("image/avifx,image/webp2", "plain"),
    ("x" * 10_000 + ",image/avif", "plain"),
]


@pytest.mark.parametrize(("accept", "reads"), ACCEPTS)
def test_the_client_gets_what_it_likes_best(accept: str | None, reads: str) -> None:
    assert reads_of(accept) == reads


Q = st.integers(0, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}")
RANGES = st.sampled_from(
    ["image/avif", "image/webp", "image/jpeg", "image/png", "image/*", "*/*", "text/html"]
)
ELEMENTS = st.tuples(RANGES, st.none() | Q)


def written(elements: list[tuple[str, str | None]]) -> str:
    return ",".join(name if q is None else f"{name};q={q}" for name, q in elements)


@given(st.lists(ELEMENTS, unique_by=lambda element: element[0]))
def test_no_format_is_sent_that_the_client_did_not_name_or_likes_less(elements: list[Any]) -> None:
    weights = {name: 1.0 if q is None else float(q) for name, q in elements}
    usual = weights.get("image/*", weights.get("*/*", 0.0))
    plain = max(weights.get("image/jpeg", usual), weights.get("image/png", usual))
    got = reads_of(written(elements))
    if got == "plain":
        assert all(
            weights.get(f"image/{name}", 0.0) < plain or not weights.get(f"image/{name}")
            for name in ("avif", "webp")
        )
    else:
        mine = weights[f"image/{got}"]
        other = weights.get("image/webp" if got == "avif" else "image/avif", 0.0)
        assert mine > 0
        assert mine >= max(plain, other)


@given(st.lists(ELEMENTS, unique_by=lambda element: element[0]), st.randoms())
def test_order_in_accept_means_nothing(elements: list[Any], chance: Any) -> None:
    shuffled = list(elements)
    chance.shuffle(shuffled)
    assert reads_of(written(shuffled)) == reads_of(written(elements))


@given(st.text() | st.text(alphabet="image/avifwebp*;q=01., "))
def test_garbage_in_headers_is_never_an_error(text: str) -> None:
    assert reads_of(text) in ("avif", "webp", "plain")

    def ask(_name: str) -> str:
        return text

    assert width_of(ask) in (*WIDTHS, USUAL_WIDTH)
    assert density_of(ask) in DENSITIES
    assert saves_data(ask) in (True, False)


@pytest.mark.parametrize(
    ("hint", "width"),
    [("1", 160), ("320", 320), ("321", 480), ("99999", 3840), ("0", 1200), ("-5", 1200)],
)
def test_a_width_hint_is_rounded_up_to_one_of_a_few(hint: str, width: int) -> None:
    assert wish("w=auto", sec_ch_width=hint).wanted.width == width
    assert wish("w=auto", width=hint).wanted.width == width


@pytest.mark.parametrize(
    ("hint", "width"), [("1", 100), ("1.25", 150), ("2", 200), ("2.63", 300), ("9", 300)]
)
def test_a_density_hint_multiplies_what_is_asked(hint: str, width: int) -> None:
    got = wish("w=100&pad=10&dpr=auto", sec_ch_dpr=hint).wanted
    assert (got.width, got.padding.px) == (width, width // 10)
    assert wish("w=100&dpr=auto", dpr=hint).wanted.width == width


def test_a_hinted_width_counts_the_screens_pixels_already() -> None:
    got = wish("w=auto&h=100&dpr=auto", sec_ch_width="640", sec_ch_dpr="2").wanted
    assert (got.width, got.height) == (640, 200)


def test_new_hints_go_before_their_old_names() -> None:
    assert wish("w=auto", sec_ch_width="320", width="640").wanted.width == 320


@pytest.mark.parametrize(
    ("query", "vary", "hints"),
    [
        ("", (), ()),
        ("w=100&fm=webp&q=3&dpr=2", (), ()),
        ("fm=auto", ("Accept",), ()),
        ("auto=format", ("Accept",), ()),
        ("w=auto", ("Sec-CH-Width", "Width"), ("Sec-CH-Width", "Width")),
        ("w=9&dpr=auto", ("Sec-CH-DPR", "DPR"), ("Sec-CH-DPR", "DPR")),
        ("q=auto", ("Save-Data",), ()),
        (
            "fm=auto&w=auto&q=auto",
            ("Accept", "Sec-CH-Width", "Width", "Save-Data"),
            ("Sec-CH-Width", "Width"),
        ),
    ],
)
def test_an_answer_varies_by_the_headers_it_was_asked_to_look_at(
    query: str, vary: tuple[str, ...], hints: tuple[str, ...]
) -> None:
    got = wish(query, accept=CHROME, save_data="on", width="9", dpr="2")
    assert (got.vary, got.hints) == (vary, hints)


@given(st.dictionaries(st.sampled_from(["accept", "width", "dpr", "save-data", "x"]), st.text()))
def test_headers_that_were_not_asked_for_change_nothing(headers: dict[str, str]) -> None:
    query = "w=100&fm=webp&q=50"
    assert understand(OPEN, "/b/k.jpg", query, headers.get, now=0, local=False) == wish(query)


@given(st.text(max_size=200))
def test_the_key_has_the_class_and_not_the_header(accept: str) -> None:
    keys = {wish("w=100&fm=auto", accept=one).key for one in ("image/avif", "image/webp", "*/*")}
    assert len(keys) == 3
    assert wish("w=100&fm=auto", accept=accept).key in keys


@pytest.mark.parametrize(
    ("header", "saving"), [("on", True), ("ON ", True), ("off", False), ("", False), ("on;x", True)]
)
def test_who_saves_data_gets_a_lower_quality_where_it_was_left_open(
    header: str, saving: bool
) -> None:
    assert wish("q=auto", save_data=header).saving is saving
    assert not wish("q=80", save_data=header).saving
