"""What a child decoded lately it does not decode again, and it never keeps more than it may."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import DamagedImage
from models.outputs import Jpeg
from models.recipe import Recipe, Resize
from pipeline import engine, engine_develop, engine_lately
from pipeline.engine_lately import Lately
from pipeline.engine_load import Load, Original, open_original
from tests import pictures

_WIDTH, _HEIGHT = 64, 48
_ONE = _WIDTH * _HEIGHT * 3


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[Load]:
    seen: list[Load] = []
    real = engine_develop.decode

    def counted(*args: object, **more: object) -> object:
        seen.append(args[1])  # type: ignore[arg-type]
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(engine_lately, "decode", counted)
    return seen


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lately") / "small"
    path.write_bytes(pictures.png(_WIDTH, _HEIGHT))
    return path


def _made(path: Path, width: int, reader: engine.Reader | None = None) -> bytes:
    recipe = Recipe(resize=Resize(width=width), output=Jpeg())
    ((picture, _),) = engine.pictures(path, [recipe], reader=reader)
    return engine.encode(picture, recipe.output).data


def test_other_sizes_of_a_picture_are_made_of_one_decode_and_look_the_same(
    tmp_path: Path, decoded: list[Load]
) -> None:
    photo, lately = tmp_path / "photo", Lately(12_000_000)
    photo.write_bytes(pictures.jpeg(1200, 800))
    for width in (700, 800, 900, 700):
        assert _made(photo, width, lately.named("a photo")) == _made(photo, width)
    assert decoded == [Load()]
    assert _made(photo, 200, lately.named("a photo")) == _made(photo, 200)
    assert len(decoded) == 2  # a decoder that shrinks gives other pixels


def test_what_is_large_is_not_kept(small: Path, decoded: list[Load]) -> None:
    lately = Lately(3 * _ONE)
    for _ in range(2):
        _made(small, 20, lately.named("large"))
    assert lately.weight == 0
    assert len(decoded) == 2


def test_a_header_is_read_once_and_the_file_is_found_where_it_lies_now(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []

    def counted(path: Path) -> Original:
        opened.append(path)
        return open_original(path)

    monkeypatch.setattr(engine_lately, "open_original", counted)
    elsewhere, lately = tmp_path / "elsewhere", Lately(0)
    before = _made(small, 20, lately.named("a"))
    elsewhere.write_bytes(small.read_bytes())
    assert _made(elsewhere, 20, lately.named("a")) == before
    elsewhere.unlink()
    with pytest.raises(DamagedImage):
        _made(elsewhere, 20, lately.named("a"))  # nothing of it was kept but the header
    assert opened == [small]
    for name in map(str, range(100)):
        lately.open(name, small)
    lately.open("a", small)
    assert len(opened) == 102


def test_a_file_that_would_stay_open_is_opened_every_time(tmp_path: Path) -> None:
    lately, kept_open = Lately(0), tmp_path / "webp"
    kept_open.write_bytes(pictures.webp())
    assert lately.open("a", kept_open) is not lately.open("a", kept_open)


@settings(max_examples=40, deadline=None)
@given(names=st.lists(st.sampled_from("abcdefgh"), max_size=30), most=st.integers(4, 8))
def test_what_was_asked_for_last_is_there_and_never_more_than_there_is_room(
    small: Path, names: list[str], most: int
) -> None:
    lately, last = Lately(most * _ONE), list[str]()
    original = open_original(small)
    for name in names:
        lately.decode(name, original, Load(), shared=False)
        last = [name, *(one for one in last if one != name)][:most]
        assert lately.weight == len(last) * _ONE
        kept = [lately.decode(one, original, Load(), shared=False) for one in reversed(last)]
        assert len(kept) == len(last)
        assert lately.weight == len(last) * _ONE
