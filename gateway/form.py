"""A multipart form, read as it arrives: text is kept within bounds, the file goes to staging."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from types import TracebackType
from typing import Self

import msgspec
from multipart import (
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from gateway.measured import Measured, StagedFile
from models.errors import BadRequest, InvalidFields, Problem, RequestTimeout, TooLarge
from models.wire import Wire
from pipeline.storage import Storage

FILE_PARTS = ("image", "file")
MOST_PARTS = 32
LARGEST_FIELD = 64 * 1024


class Limits(Wire, frozen=True):
    """What a body may cost us. Sizes in bytes, times in seconds."""

    file_bytes: int
    body_seconds: float
    read_seconds: float

    @property
    def body_bytes(self) -> int:
        """The longest body that can still be within the other limits."""
        return self.file_bytes + MOST_PARTS * (LARGEST_FIELD + 8192)


class Form(Wire, frozen=True):
    """The text fields that were not empty, and the file if there was one."""

    fields: Mapping[str, str]
    file: StagedFile | None


async def read_form(
    content_type: str,
    chunks: AsyncIterator[bytes],
    storage: Storage,
    staging_key: str,
    limits: Limits,
    file_parts: tuple[str, ...] = FILE_PARTS,
) -> Form:
    """Read a whole form; its file is durable in staging when this returns.

    Raises BadRequest, InvalidFields, TooLarge or RequestTimeout, and then staging is empty.
    """
    parser = PushMultipartParser(
        _boundary(content_type), max_segment_count=MOST_PARTS, max_header_size=4096
    )
    async with _Reader(storage, staging_key, limits, file_parts) as reader:
        try:
            async for chunk in _punctual(chunks, limits):
                for event in parser.parse(chunk):
                    await reader.take(event)
            parser.close()
        except ParserLimitReached as error:
            raise TooLarge(f"The form has more than {MOST_PARTS} parts.") from error
        except MultipartError as error:
            raise BadRequest("The body is not a complete multipart form.") from error
        return reader.form()


def _boundary(content_type: str) -> str:
    kind, options = parse_options_header(content_type)
    if kind != "multipart/form-data":
        raise BadRequest("Send a form: the content type must be multipart/form-data.")
    if not options.get("boundary"):
        raise BadRequest("The multipart content type has no boundary.")
    return str(options["boundary"])


async def _punctual(chunks: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[bytes]:
    """The chunks, as long as they come in time: each one, and all of them."""
    deadline = asyncio.get_running_loop().time() + limits.body_seconds
    while True:
        left = min(limits.read_seconds, deadline - asyncio.get_running_loop().time())
        try:
            async with asyncio.timeout(left):
                chunk = await anext(chunks, None)
        except TimeoutError:
            raise RequestTimeout from None
        if chunk is None:
            return
        if chunk:  # the parser takes an empty one for the end
            yield chunk


class _Reader:
    """Takes the parser's events: the head of a part, its bytes, its end."""

    def __init__(
        self, storage: Storage, staging_key: str, limits: Limits, file_parts: tuple[str, ...]
    ) -> None:
        self._storage = storage
        self._key = staging_key
        self._limit = limits.file_bytes
        self._file_parts = file_parts
        self._fields: dict[str, str] = {}
        self._file: StagedFile | None = None
        self._part: _Text | _File | None = None
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._open.__aexit__(kind, error, trace)
        if error is not None and self._file is not None:
            await self._storage.delete([self._key])

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self._part = await self._begin(event)
        elif event is not None and self._part is not None:
            await self._part.write(bytes(event))
        elif self._part is not None:
            await self._end(self._part)

    async def _begin(self, segment: MultipartSegment) -> "_Text | _File":
        name = segment.name or ""
        if name not in self._file_parts:
            if name in self._fields:
                raise _problem(name, "is given twice")
            return _Text(name, segment.filename, self._file_parts[0])
        if self._file is not None:
            raise _problem(name, "is given twice; one file is one request")
        sink = await self._open.enter_async_context(self._storage.writer(self._key))
        return _File(segment, Measured(sink, self._limit))

    async def _end(self, part: "_Text | _File") -> None:
        if isinstance(part, _Text):
            if text := part.text():
                self._fields[part.name] = text
            return
        await self._open.aclose()
        if part.sink.size or part.name:
            self._file = part.sink.staged(part.name, part.content_type)
        else:  # an empty field of a web form: the same as none
            await self._storage.delete([self._key])

    def form(self) -> Form:
        return Form(fields=self._fields, file=self._file)


class _Text:
    """A text field, at most `LARGEST_FIELD` bytes of UTF-8; else, with a name, a file astray."""

    def __init__(self, name: str, file_name: str | None, file_part: str) -> None:
        self.name = name
        self._is_named = bool(file_name)
        self._file_part = file_part
        self._bytes = bytearray()

    async def write(self, chunk: bytes) -> None:
        self._bytes += chunk
        if len(self._bytes) > LARGEST_FIELD:
            self._refuse_file()
            raise TooLarge(f"{self.name}: is longer than {LARGEST_FIELD} bytes")

    def text(self) -> str:
        try:
            return self._bytes.decode()
        except UnicodeDecodeError:
            self._refuse_file()
            raise _problem(self.name, "is not UTF-8 text") from None

    def _refuse_file(self) -> None:
        if self._is_named:
            raise _problem(self.name, f"is not where a file goes: send it as '{self._file_part}'")


class _File:
    """A file part on its way to staging."""

    def __init__(self, segment: MultipartSegment, sink: Measured) -> None:
        self.name = segment.filename or ""
        self.content_type = segment.content_type or ""
        self.sink = sink

    async def write(self, chunk: bytes) -> None:
        await self.sink.write(chunk)


def _problem(field: str, problem: str) -> InvalidFields:
    return InvalidFields([Problem(field=field, problem=problem)])


def read_json(fields: Mapping[str, str], name: str) -> object:
    """The JSON value of a text field, None when it is absent; InvalidFields when it is not JSON."""
    text = fields.get(name)
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise _problem(name, f"is not JSON: {error}") from None
    except RecursionError:
        raise _problem(name, "is nested too deeply") from None
