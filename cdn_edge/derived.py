"""A derivative as object storage keeps it: a line that says what it is, then its bytes."""

import hashlib

import msgspec

from cdn_edge.entry import Entry

_LONGEST_LINE = 4096


def pack(entry: Entry, body: bytes) -> bytes:
    """What is stored."""
    return msgspec.json.encode(entry) + b"\n" + body


def unpack(data: bytes, source: str) -> tuple[Entry, bytes] | None:
    """What was stored; None when it is damaged or was not made from the variant `source`."""
    line, found, body = data.partition(b"\n")
    if not found or len(line) > _LONGEST_LINE:
        return None
    try:
        entry = msgspec.json.decode(line, type=Entry)
    except msgspec.MsgspecError:
        return None
    right = hashlib.sha256(body).hexdigest() == entry.etag and entry.source == source
    return (entry, body) if right else None
