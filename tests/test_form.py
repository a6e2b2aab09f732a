"""The form: however its bytes arrive, it means the same; whatever is wrong leaves nothing."""

import asyncio
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.form import LARGEST_FIELD, MOST_PARTS, Form, Limits, read_form, read_json
from models.errors import BadRequest, InvalidFields, RequestTimeout, TooLarge
from pipeline.storage import Storage, open_folder

BOUNDARY = "frontier"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
KEY = "staging/order"
LIMITS = Limits(file_bytes=100_000, body_seconds=5, read_seconds=5)
PICTURE = bytes(range(256)) * 20 + b"\r\n--frontie\r\n--"


def part(name: str, value: bytes, *, filename: str | None = None, kind: str = "") -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'
    head += f'; filename="{filename}"' if filename is not None else ""
    head += f"\r\nContent-Type: {kind}" if kind else ""
    return head.encode() + b"\r\n\r\n" + value


def body(*parts: bytes) -> bytes:
    joined = b"".join(b"--frontier\r\n" + one + b"\r\n" for one in parts)
    return joined + b"--frontier--\r\n"


async def arriving(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(storage: Storage, *chunks: bytes, kind: str = TYPE, limits: Limits = LIMITS) -> Form:
    return await read_form(kind, arriving(chunks), storage, KEY, limits)


def staged(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*") if path.is_file()]


GOOD = body(
    part("name", "Hölzl & Söhne".encode()),
    part("resizeOptions", b'[{"width": 100}]'),
    part("image", PICTURE, filename="cat.jpg", kind="image/jpeg"),
    part("description", b"a\r\nb"),
)


async def test_fields_are_text_and_the_file_is_in_staging(
    folder_storage: Storage, folder: Path
) -> None:
    form = await read(folder_storage, GOOD)
    assert form.fields == {
        "name": "Hölzl & Söhne",
        "resizeOptions": '[{"width": 100}]',
        "description": "a\r\nb",
    }
    assert form.file is not None
    assert (form.file.name, form.file.content_type) == ("cat.jpg", "image/jpeg")
    assert form.file.size == len(PICTURE)
    assert form.file.sha256 == hashlib.sha256(PICTURE).hexdigest()
    assert PICTURE.startswith(form.file.head)
    assert await folder_storage.get(KEY) == PICTURE
    assert staged(folder) == ["order"]


@given(cuts=st.lists(st.integers(0, len(GOOD)), max_size=12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_cuts_of_the_body_mean_the_same(cuts: list[int], folder: Path) -> None:
    edges = [0, *sorted(cuts), len(GOOD)]
    chunks = [GOOD[a:b] for a, b in itertools.pairwise(edges)]
    whole = asyncio.run(read(open_folder(folder), GOOD))
    assert asyncio.run(read(open_folder(folder), *chunks)) == whole
    assert (folder / KEY).read_bytes() == PICTURE


def test_single_bytes_mean_the_same(folder: Path) -> None:
    storage = open_folder(folder)
    whole = asyncio.run(read(storage, GOOD))
    assert asyncio.run(read(storage, *(GOOD[n : n + 1] for n in range(len(GOOD))))) == whole


@given(
    values=st.dictionaries(
        st.from_regex(r"[a-z]{1,10}", fullmatch=True).filter(lambda n: n not in ("image", "file")),
        st.text(min_size=1, max_size=50),
        max_size=8,
    )
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_comes_through_as_it_was(values: dict[str, str], folder: Path) -> None:
    parts = [part(name, value.encode()) for name, value in values.items()]
    assert asyncio.run(read(open_folder(folder), body(*parts))) == Form(fields=values, file=None)


@given(end=st.integers(0, len(GOOD) - 5))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_body_that_ends_early_is_refused_and_leaves_nothing(end: int, folder: Path) -> None:
    with pytest.raises(BadRequest):
        asyncio.run(read(open_folder(folder), GOOD[:end]))
    assert staged(folder) == []


@given(junk=st.binary(max_size=300))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_junk_is_refused_and_leaves_nothing(junk: bytes, folder: Path) -> None:
    with pytest.raises(BadRequest):
        asyncio.run(read(open_folder(folder), b"--frontier\r\n" + junk))
    assert staged(folder) == []


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=frontier",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=" + "x" * 5000,
        "multipart/form-data; boundary=\x00",
        'multipart/form-data; boundary="a b',
    ],
)
async def test_another_content_type_is_refused(folder_storage: Storage, kind: str) -> None:
    with pytest.raises(BadRequest):
        await read(folder_storage, GOOD, kind=kind)


async def test_a_file_over_the_limit_is_refused_and_leaves_nothing(
    folder_storage: Storage, folder: Path
) -> None:
    exact = body(part("image", bytes(100_000), filename="a"))
    assert (await read(folder_storage, exact)).file
    await folder_storage.delete([KEY])
    with pytest.raises(TooLarge, match="100000 bytes"):
        await read(folder_storage, body(part("image", bytes(100_001), filename="a")))
    assert staged(folder) == []


async def test_a_refused_file_is_not_read_to_its_end(folder_storage: Storage) -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b"--frontier\r\n" + part("image", b"", filename="a")
        while True:
            taken += 10_000
            yield bytes(10_000)

    with pytest.raises(TooLarge):
        await read_form(TYPE, endless(), folder_storage, KEY, LIMITS)
    assert taken < 200_000


async def test_a_field_over_64_kib_is_refused(folder_storage: Storage) -> None:
    form = await read(folder_storage, body(part("name", b"x" * LARGEST_FIELD)))
    assert len(form.fields["name"]) == LARGEST_FIELD
    with pytest.raises(TooLarge, match="name"):
        await read(folder_storage, body(part("name", b"x" * (LARGEST_FIELD + 1))))


async def test_more_than_32_parts_are_refused_and_leave_nothing(
    folder_storage: Storage, folder: Path
) -> None:
    picture = part("image", PICTURE, filename="a")
    fields = [part(f"field{number}", b"x") for number in range(MOST_PARTS)]
    assert (await read(folder_storage, body(picture, *fields[1:]))).file
    await folder_storage.delete([KEY])
    with pytest.raises(TooLarge, match="32 parts"):
        await read(folder_storage, body(picture, *fields))
    assert staged(folder) == []


async def test_a_part_with_huge_headers_is_refused(folder_storage: Storage) -> None:
    with pytest.raises((BadRequest, TooLarge)):
        await read(folder_storage, body(part("x" * 10_000, b"x")))


async def test_a_field_that_is_given_twice_is_refused(
    folder_storage: Storage, folder: Path
) -> None:
    picture = part("image", PICTURE, filename="a")
    with pytest.raises(InvalidFields, match="name"):
        await read(folder_storage, body(picture, part("name", b"a"), part("name", b"b")))
    assert staged(folder) == []


@pytest.mark.parametrize("second", ["image", "file"])
async def test_a_second_file_is_refused(folder_storage: Storage, folder: Path, second: str) -> None:
    pictures = [part(name, PICTURE, filename="a") for name in ("image", second)]
    with pytest.raises(InvalidFields, match=second):
        await read(folder_storage, body(*pictures))
    assert staged(folder) == []


async def test_text_that_is_not_utf_8_is_refused_by_name(
    folder_storage: Storage, folder: Path
) -> None:
    with pytest.raises(InvalidFields, match="description: is not UTF-8"):
        await read(
            folder_storage, body(part("image", b"x", filename="a"), part("description", b"\xff"))
        )
    assert staged(folder) == []


async def test_empty_fields_are_the_same_as_none(folder_storage: Storage, folder: Path) -> None:
    form = await read(folder_storage, body(part("name", b""), part("image", b"", filename="")))
    assert form == Form(fields={}, file=None)
    assert staged(folder) == []


async def test_an_empty_file_with_a_name_is_a_file(folder_storage: Storage) -> None:
    form = await read(folder_storage, body(part("image", b"", filename="empty.jpg")))
    assert form.file is not None
    assert form.file.size == 0


async def test_a_file_without_a_file_name_is_a_file(folder_storage: Storage) -> None:
    form = await read(folder_storage, body(part("image", PICTURE)))
    assert form.file is not None
    assert await folder_storage.get(KEY) == PICTURE


async def test_a_form_without_parts_is_empty(folder_storage: Storage) -> None:
    assert await read(folder_storage, b"--frontier--\r\n") == Form(fields={}, file=None)


async def test_silence_within_a_body_ends_it(folder_storage: Storage, folder: Path) -> None:
    async def stalling() -> AsyncIterator[bytes]:
        yield GOOD[:2000]
        await asyncio.sleep(60)

    limits = Limits(file_bytes=100_000, body_seconds=30, read_seconds=0.1)
    with pytest.raises(RequestTimeout):
        await read_form(TYPE, stalling(), folder_storage, KEY, limits)
    assert staged(folder) == []


async def test_dripping_does_not_outlast_the_deadline(
    folder_storage: Storage, folder: Path
) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield GOOD[:2000]
        while True:
            await asyncio.sleep(0.02)
            yield b"x"

    limits = Limits(file_bytes=100_000, body_seconds=0.3, read_seconds=5)
    async with asyncio.timeout(5):
        with pytest.raises(RequestTimeout):
            await read_form(TYPE, dripping(), folder_storage, KEY, limits)
    assert staged(folder) == []


@pytest.mark.parametrize("error", [ConnectionResetError(), asyncio.CancelledError()])
async def test_a_sender_that_goes_away_leaves_nothing(
    folder_storage: Storage, folder: Path, error: BaseException
) -> None:
    async def leaving() -> AsyncIterator[bytes]:
        yield GOOD[:3000]
        raise error

    with pytest.raises(type(error)):
        await read_form(TYPE, leaving(), folder_storage, KEY, LIMITS)
    assert staged(folder) == []


async def test_a_large_file_is_never_whole_in_memory(folder_storage: Storage) -> None:
    async def large() -> AsyncIterator[bytes]:
        yield b"--frontier\r\n" + part("image", b"", filename="a")
        for _ in range(64):
            yield os.urandom(1 << 20)
        yield b"\r\n--frontier--\r\n"

    limits = Limits(file_bytes=100 << 20, body_seconds=60, read_seconds=5)
    before = _peak()
    form = await read_form(TYPE, large(), folder_storage, KEY, limits)
    assert form.file is not None
    assert form.file.size == 64 << 20
    assert _peak() - before < 40 << 20


def _peak() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) * 1024
    raise LookupError


def test_json_in_a_field_is_read_or_named() -> None:
    assert read_json({"a": '{"b": [1]}'}, "a") == {"b": [1]}
    assert read_json({}, "a") is None
    for text in ("{", "", "nan", "[1,]", "{'a': 1}"):
        with pytest.raises(InvalidFields, match="a: is not JSON"):
            read_json({"a": text}, "a")


def test_json_that_is_nested_without_end_is_refused() -> None:
    for text in ("[" * 30_000, '{"a":' * 10_000):
        with pytest.raises(InvalidFields):
            read_json({"a": text}, "a")
