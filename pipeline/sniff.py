"""What kind of image the bytes are, told from the bytes alone."""

import re
from typing import Final, Literal

Kind = Literal["jpeg", "png", "webp", "gif", "heif", "tiff", "svg"]

NEEDED: Final = 4096  # bytes from the start that are enough to tell

_SIGNATURES: Final[tuple[tuple[Kind, re.Pattern[bytes]], ...]] = (
    ("jpeg", re.compile(rb"\xff\xd8\xff")),
    ("png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("gif", re.compile(rb"GIF8[79]a")),
    ("webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("tiff", re.compile(rb"II\*\0|MM\0\*|II\+\0|MM\0\+")),
    ("heif", re.compile(rb"....ftyp(?:mif1|msf1|avi[fs]|hei[cmsx]|hev[cmsx])", re.DOTALL)),
    # Nothing but blanks, a declaration, comments and a doctype may stand before the element. The
    # groups are atomic: a thousand comments have a thousand ends, not 2 to the 1000 ways to end.
    (
        "svg",
        re.compile(
            rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?"
            rb"(?><!--.*?-->\s*|<!DOCTYPE\s[^\[>]*(?:\[.*?\]\s*)?>\s*)*+"
            rb"<(?:svg:)?svg[\s>/]",
            re.DOTALL | re.IGNORECASE,
        ),
    ),
)


def sniff(head: bytes) -> Kind | None:
    """The kind of image that begins with these bytes, or None for anything we do not read."""
    for kind, signature in _SIGNATURES:
        if signature.match(head):
            return kind
    return None
