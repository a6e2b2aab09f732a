"""What the edge knows of one object, and the two things it must be given."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from models.wire import Wire


class Entry(Wire, frozen=True):
    """One object as the database describes it. The bytes are elsewhere.

    `etag` is the hex SHA-256 of the bytes: every copy is checked against it before it is served.
    `immutable` says that this key will never mean other bytes; `gone` that it once meant some.
    """

    path: str
    content_type: str
    etag: str
    size: int
    last_modified: int
    """Unix seconds."""
    immutable: bool = False
    gone: bool = False
    store: str = ""
    """Which object storage holds `path`; only `fetch` reads it. Empty is our own."""
    bucket: str = ""
    """Public id of the bucket it is in, ..."""
    image: str = ""
    """... and the image it belongs to: with them derivatives of it have a place."""
    format: str = ""
    width: int = 0
    height: int = 0
    source: str = ""
    """Of a derivative: the hash of the variant it was made from."""


GONE = Entry(path="", content_type="", etag="", size=0, last_modified=0, gone=True)

Find: TypeAlias = Callable[[str, str], Awaitable[Entry | None]]
"""`find(bucket public id, object key)`: the committed entry, GONE, or None where nothing was."""

Fetch: TypeAlias = Callable[[Entry], Awaitable[object]]
"""`fetch(entry)`: all its bytes (any buffer). Raises `NotFound` when the object is not there."""
