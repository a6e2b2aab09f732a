"""What the bytes are: told from their beginning, quickly, whatever they are."""

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.gifs import is_whole
from pipeline.sniff import NEEDED, sniff
from tests import heics, pictures

ANIMATED = pictures.animated_gif()
DRAWN = {
    "jpeg": pictures.jpeg(),
    "png": pictures.png(),
    "webp": pictures.webp(),
    "gif": pictures.gif(),
    "heif": heics.PLAIN,
    "tiff": pictures.tiff(),
    "svg": pictures.svg(),
}


@pytest.mark.parametrize("kind", DRAWN)
def test_a_picture_is_known_by_its_first_bytes(kind: str) -> None:
    assert sniff(DRAWN[kind][:NEEDED]) == kind
    assert sniff(b"x" + DRAWN[kind][:NEEDED]) is None


def test_avif_and_heic_are_one_family_until_they_are_opened() -> None:
    assert sniff(pictures.avif()[:NEEDED]) == sniff(heics.DEEP) == "heif"


@given(st.binary(max_size=200) | st.sampled_from(list(DRAWN.values())).map(lambda data: data[:40]))
@example(b"")
def test_any_bytes_have_an_answer(head: bytes) -> None:
    assert sniff(head) in {None, *DRAWN}


PIECES = (b"<!---->", b"<!-- -->\n", b"<!--", b"-->", b"<!DOCTYPE a>", b"<!DOCTYPE a[", b"] ", b" ")


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("start", [b"", b"<!--", b"<?xml?>", b"<!DOCTYPE svg ["])
def test_no_head_keeps_the_sniffer_busy(start: bytes, piece: bytes) -> None:
    head = (start + piece * NEEDED)[:NEEDED]
    began = time.process_time()
    assert sniff(head) is None
    assert time.process_time() - began < 0.5


@given(st.integers(0, 10_000))
def test_a_gif_is_whole_or_ends_inside_a_block(cut: int) -> None:
    data = ANIMATED
    end = cut % len(data)
    left = data[:end]
    whole = is_whole(left)
    assert not whole or is_whole(left + b"\x3b")
    if end > len(data) - 2:
        assert whole  # only the trailer is missing


@given(st.binary(max_size=300))
def test_any_bytes_are_a_whole_gif_or_not(data: bytes) -> None:
    assert is_whole(b"GIF89a" + data) in {True, False}
